"""docs/scenarios is as the flows have it, and every scenario has its page."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.sandbox.demo.scenario import Scenario
from app.sandbox.demo.scenarios import SCENARIOS
from tests.documents.scenarios import FOLDER, MARK, flow, parts


@pytest.mark.parametrize(("file", "text"), parts().items(), ids=lambda value: getattr(value, "name", ""))
def test_a_written_file_is_as_its_flow_has_it(file: Path, text: str) -> None:
    there = file.read_text(encoding="utf-8")
    assert (there if file.suffix == ".svg" else there.partition(MARK)[0] + MARK) == text, "run `make docs`"


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.flow)
def test_a_diagram_shows_every_step_and_loads_nothing(scenario: Scenario) -> None:
    spec = flow(scenario)
    root = ElementTree.fromstring((FOLDER / f"{spec.flow}.svg").read_text(encoding="utf-8"))
    texts = {element.text for element in root.iter() if element.tag.endswith("}text")}
    assert {step.step for step in spec.steps} <= texts
    assert {name for element in root.iter() for name in element.attrib if "href" in name} == set()


def test_the_overview_leads_to_every_scenario() -> None:
    overview = (FOLDER / "index.md").read_text(encoding="utf-8")
    assert [scenario.flow for scenario in SCENARIOS.values() if f"({scenario.flow}.md)" not in overview] == []
