"""`waybill schemas`, `flows` and `policies`: what is defined in files, checked before an order meets it."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from app import policies as policy_engine
from app import resources
from app.commands import output
from app.dualwrite.map_names import MAPS
from app.errors import DefinitionError, SettingError
from app.events import schemas as schema_files
from app.flows import published
from app.flows.graph import graph as draw
from app.flows.setup import INSIDE, Setup
from app.flows.spec import load
from app.providers import registry
from app.settings import Settings

schemas = typer.Typer(help="Avro schemas and their lock.", no_args_is_help=True)
flows = typer.Typer(help="Flows: which step follows which event.", no_args_is_help=True)
policies = typer.Typer(help="Policies: rules that check and set fields.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@schemas.command(name="check")
def check_schemas() -> None:
    """Check that the published files are as their lock says, and that every version reads every other one."""
    found = schema_files.load(resources.schema_files(), resources.schema_lock())
    problems = list(schema_files.incompatibilities(found))
    for problem in problems:
        output.people.print(problem, markup=False)
    output.people.print(f"{len(found.by_subject)} subjects, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)


@flows.command(name="check")
def check_flows(
    active: Annotated[
        bool, typer.Option("--active", help="As this environment is set up: providers with settings, enabled maps.")
    ] = False,
    json: Json = False,
) -> None:
    """Refuse unknown actions, policies and events, unreachable steps, missing failure edges, waits without a limit.

    Without --active every provider is taken as set up and every map as enabled.
    """
    setup = registry.setup(Settings.from_env(os.environ), os.environ) if active else everything()
    rules = policy_engine.all_rules(resources.policy_files())
    _tell(published.check_all(resources.flow_files(), rules, setup), "flow files", len(resources.flow_files()), json)


def everything() -> Setup:
    """As if every provider were set up and every map enabled."""
    manifests = registry.load_manifests().values()
    return Setup(
        actions={**{manifest.name: registry.action_specs(manifest) for manifest in manifests}, **INSIDE.actions},
        events={**{manifest.name: frozenset(manifest.events) for manifest in manifests}, **INSIDE.events},
        maps=frozenset(MAPS),
    )


@flows.command(name="graph")
def graph_flow(name: Annotated[str | None, typer.Argument(help="A flow; without it, all.")] = None) -> None:
    """Draw flows as mermaid."""
    texts = {file: text for file, text in resources.flow_files().items() if not file.endswith(published.ROUTING_FILE)}
    specs = {spec.flow: spec for spec in (load(text, file) for file, text in texts.items())}
    if name is not None and name not in specs:
        raise SettingError(f"no flow {name!r}; there are {', '.join(sorted(specs))}")
    for spec in specs.values() if name is None else [specs[name]]:
        output.people.print(draw(spec), markup=False, highlight=False)


@policies.command(name="check")
def check_policies(json: Json = False) -> None:
    """Check every policy file."""
    files = resources.policy_files()
    problems = [problem for file, text in files.items() for problem in policy_engine.check(text, file)]
    _tell(problems, "policy files", len(files), json)


def _tell(problems: Sequence[DefinitionError], what: str, count: int, as_json: bool) -> None:
    if as_json:
        output.data([{"file": p.file, "path": p.path, "problem": p.problem, "fix": p.fix} for p in problems])
    else:
        for problem in problems:
            output.people.print(str(problem), markup=False, highlight=False)
        output.people.print(f"{count} {what}, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)
