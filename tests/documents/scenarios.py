"""docs/scenarios: of each scenario of the demo its diagram, its steps and its requirements, as its flow has them.

What stands behind the mark of a page is written by hand, as is the overview.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from app import resources
from app.flows.loading.flow_spec import FlowSpec, StepSpec, load
from app.resources import ROOT
from app.sandbox.demo.scenario import Scenario
from app.sandbox.demo.scenarios import SCENARIOS
from tests.documents import course
from tests.documents.diagram import draw

FOLDER: Final = ROOT / "docs" / "scenarios"
MARK: Final = "<!-- Up to here `make docs` writes this page. -->\n"


def flow(scenario: Scenario) -> FlowSpec:
    """Return the flow of a scenario."""
    return load(resources.flow_files()[_file(scenario)], _file(scenario))


def _file(scenario: Scenario) -> str:
    return next(file for file in resources.flow_files() if Path(file).name == f"{scenario.flow}.yaml")


def parts() -> Mapping[Path, str]:
    """Return each file of docs/scenarios that is written, with its text; of a page what stands before the mark."""
    files: dict[Path, str] = {}
    for scenario in SCENARIOS.values():
        files[FOLDER / f"{scenario.flow}.svg"] = draw(flow(scenario))
        files[FOLDER / f"{scenario.flow}.md"] = "\n".join(_lines(scenario)) + "\n" + MARK
    return files


def write() -> None:
    """Write all of them, and leave what stands behind the mark of a page."""
    for file, text in parts().items():
        after = file.read_text(encoding="utf-8").partition(MARK)[2] if file.exists() and file.suffix == ".md" else ""
        file.write_text(text + after, encoding="utf-8")


def _lines(scenario: Scenario) -> Iterator[str]:
    spec = flow(scenario)
    words = sys.modules[f"app.sandbox.demo.scenarios.{scenario.flow.replace('-', '_')}"].__doc__ or ""
    paragraphs = words.partition("\n\n")[2].strip()
    yield f"# Scenario {scenario.number}: {spec.title}\n"
    if paragraphs:
        yield f"{paragraphs}\n"
    yield f"![Who does what, from the order to its end]({scenario.flow}.svg)\n"
    yield (
        "Solid arrows are actions that Waybill asks for, dashed ones events that it waits for. The flow is"
        f" [{scenario.flow}.yaml](../../app/flows/{scenario.flow}.yaml); its numbers are those of the"
        " [requirements](../requirements.md).\n"
    )
    yield "| step | begins with | does | then | on failure | |\n|---|---|---|---|---|---|"
    yield from (_row(step) for step in spec.steps)
    yield ""
    yield from course.lines(scenario.flow)


def _row(step: StepSpec) -> str:
    begins = ", ".join(step.after if step.wait else step.on)
    if step.wait:
        work = f"waits for `{step.wait}` of {step.source}"
    else:
        asks = f"asks {step.provider}: `{step.action}`" if step.provider else ""
        work = "; ".join(part for part in (", ".join(f"`{name}`" for name in step.policies), asks) if part)
    shown = f"{work} (filter `{step.filter}`)" if step.filter else work
    numbers = ", ".join(step.requirements)
    return (
        f"| {step.step} | {begins} | {shown} | {step.emits or step.wait or ''} | {step.otherwise or ''} | {numbers} |"
    )
