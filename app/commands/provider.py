"""`waybill provider`: what is installed and set up, and a new folder for one that is not there yet."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from app import resources
from app.commands import output
from app.errors import SettingError
from app.providers import registry
from app.providers.manifest import Manifest
from app.providers.scaffold import scaffold

commands = typer.Typer(help="Providers: what is installed, what is set up, and new ones.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@commands.command(name="list")
def show_all(json: Json = False) -> None:
    """Say which providers are installed, which are active here, and which settings are missing for that."""
    found = [_shown(manifest, os.environ) for manifest in registry.load_manifests().values()]
    if json:
        output.data(found)
        return
    table = Table("Provider", "Active", "Missing", box=None)
    for row in found:
        table.add_row(row["name"], "yes" if row["active"] else "no", " ".join(row["missing"]))
    output.people.print(table)


@commands.command(name="new")
def make_new(
    name: Annotated[str, typer.Argument(help="Name of the folder, such as acme_3pl: a-z, 0-9 and _.")],
    webhooks: Annotated[bool, typer.Option("--webhooks", help="It calls us, by Standard Webhooks.")] = False,
    kafka: Annotated[bool, typer.Option("--kafka", help="It speaks Kafka alone: a manifest and no code.")] = False,
) -> None:
    """Make app/providers/NAME and tests/providers/NAME, which pass the contract suite as they are."""
    if webhooks and kafka:
        raise SettingError("--webhooks and --kafka exclude each other: who speaks Kafka alone sends no webhooks")
    layers = ("kafka",) if kafka else ("http", "webhooks") if webhooks else ("http",)
    for path in scaffold(name, layers, resources.ROOT):
        output.people.print(path.as_posix(), markup=False, highlight=False)
    if kafka:
        output.people.print("Next: a flow that uses it; docs/providers/kafka.md says what it reads and answers.")
    else:
        check = f"pytest tests/providers/test_contract.py -k {name}"
        output.people.print(f"Next: {check}, then docs/providers/README.md from step 3.", markup=False, highlight=False)


def _shown(manifest: Manifest, environ: Mapping[str, str]) -> dict[str, Any]:
    """Values of settings are not shown: some are secrets."""
    given = {setting.name for setting in manifest.settings if environ.get(manifest.variable(setting.name), "").strip()}
    missing = [manifest.variable(name) for name in manifest.required if name not in given]
    return {
        "name": manifest.name,
        "title": manifest.title,
        "wire": manifest.wire,
        "active": not missing,
        "missing": missing,
        "settings": [
            {"variable": manifest.variable(setting.name), "given": setting.name in given, "optional": setting.optional}
            for setting in manifest.settings
        ],
        "actions": {action.name: action.through for action in manifest.actions},
        "events": list(manifest.events),
    }
