"""`waybill schemas`, `flows` and `policies`: what is defined in files, checked before an order meets it."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.words import Json, examples
from app.errors import DefinitionError, SettingError

if TYPE_CHECKING:
    from app.flows.installed import Setup

schemas = typer.Typer()
flows = typer.Typer()
policies = typer.Typer()


@schemas.command(name="check", epilog=examples("schemas check"))
def check_schemas(json: Json = False) -> None:
    """Check that the published files are as their lock says, and that every version reads every other one.

    JSON Schemas must be what the code says, and each input topic has an example that it takes.
    """
    from app import resources
    from app.commands import output
    from app.events import avro_schemas as schema_files
    from app.events import json_schemas
    from app.events.codec import load as load_codec

    codec = load_codec()
    problems = [*schema_files.incompatibilities(codec.schemas)]
    problems += json_schemas.problems(resources.json_schema_files(), codec)
    if json:
        output.data(problems)
    else:
        for problem in problems:
            output.line(problem)
        counts = f"{len(codec.schemas.by_subject)} subjects, {len(json_schemas.documents())} JSON Schemas"
        output.line(f"{counts}, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)


@flows.command(name="check", epilog=examples("flows check", "flows check --active --json"))
def check_flows(
    active: Annotated[
        bool, typer.Option("--active", help="As this environment is set up: providers with settings, enabled maps.")
    ] = False,
    json: Json = False,
) -> None:
    """Refuse unknown actions, policies and events, unreachable steps, missing failure edges, waits without a limit.

    Without --active every provider is taken as set up and every map as enabled.
    """
    from app import policies as policy_engine
    from app import resources
    from app.commands.environment import load_settings
    from app.flows.loading import published
    from app.providers import registry

    setup = registry.setup(load_settings(), os.environ) if active else full_setup()
    rules = policy_engine.all_rules(resources.policy_files())
    _tell(published.check_all(resources.flow_files(), rules, setup), "flow files", len(resources.flow_files()), json)


def full_setup() -> "Setup":
    """Return a setup in which every provider is set up and every map enabled."""
    from app.dualwrite.map_names import MAPS
    from app.flows.installed import INSIDE, Setup
    from app.providers import registry

    manifests = registry.load_manifests().values()
    return Setup(
        actions={**{manifest.name: registry.action_specs(manifest) for manifest in manifests}, **INSIDE.actions},
        events={**{manifest.name: frozenset(manifest.events) for manifest in manifests}, **INSIDE.events},
        maps=frozenset(MAPS),
    )


@flows.command(name="graph", epilog=examples("flows graph", "flows graph bigcommerce-fno-fno"))
def graph_flow(
    name: Annotated[str | None, typer.Argument(help="A flow; without it, all.")] = None, json: Json = False
) -> None:
    """Draw flows as mermaid."""
    from app import resources
    from app.commands import output
    from app.flows.loading import published
    from app.flows.loading.flow_graph import graph
    from app.flows.loading.flow_spec import load

    texts = {file: text for file, text in resources.flow_files().items() if not file.endswith(published.ROUTING_FILE)}
    specs = {spec.flow: spec for spec in (load(text, file) for file, text in texts.items())}
    if name is not None and name not in specs:
        raise SettingError(f"no flow {name!r}; there are {', '.join(sorted(specs))}")
    drawn = {spec.flow: graph(spec) for spec in (specs.values() if name is None else [specs[name]])}
    if json:
        output.data(drawn)
    else:
        for row in "\n".join(drawn.values()).split("\n"):
            output.line(row)


@policies.command(name="check", epilog=examples("policies check", "policies check --json"))
def check_policies(json: Json = False) -> None:
    """Check every policy file."""
    from app import policies as policy_engine
    from app import resources

    files = resources.policy_files()
    problems = [problem for file, text in files.items() for problem in policy_engine.check(text, file)]
    _tell(problems, "policy files", len(files), json)


def _tell(problems: Sequence[DefinitionError], what: str, count: int, as_json: bool) -> None:
    from app.commands import output

    if as_json:
        output.data([{"file": p.file, "path": p.path, "problem": p.problem, "fix": p.fix} for p in problems])
    else:
        for problem in problems:
            output.line(str(problem))
        output.line(f"{count} {what}, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)
