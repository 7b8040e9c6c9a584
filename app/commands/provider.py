"""`waybill provider`: what is installed and set up, and a new folder for one that is not there yet."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.words import Json, examples
from app.errors import SettingError

if TYPE_CHECKING:
    from app.providers.manifest import Manifest

commands = typer.Typer()


@commands.command(name="list", epilog=examples("provider list", "provider list --json"))
def show_all(json: Json = False) -> None:
    """Say which providers are installed, which are active here, and which settings are missing for that."""
    from app.commands import output
    from app.providers import registry

    rows = [_view(manifest, os.environ) for manifest in registry.load_manifests().values()]
    if json:
        output.data(rows)
        return
    cells = [(row["name"], "yes" if row["active"] else "no", " ".join(row["missing"])) for row in rows]
    output.table(("Provider", "Active", "Missing"), cells)


@commands.command(name="new", epilog=examples("provider new acme_3pl", "provider new acme_3pl --webhooks"))
def make_new(
    name: Annotated[str, typer.Argument(help="Name of the folder, such as acme_3pl: a-z, 0-9 and _.")],
    webhooks: Annotated[bool, typer.Option("--webhooks", help="It calls us, by Standard Webhooks.")] = False,
    kafka: Annotated[bool, typer.Option("--kafka", help="It speaks Kafka alone: a manifest and no code.")] = False,
    json: Json = False,
) -> None:
    """Make app/providers/NAME and tests/providers/NAME, which pass the contract suite as they are."""
    from app import resources
    from app.commands import output
    from app.providers.scaffold import scaffold

    if webhooks and kafka:
        raise SettingError("--webhooks and --kafka exclude each other: who speaks Kafka alone sends no webhooks")
    layers = ("kafka",) if kafka else ("http", "webhooks") if webhooks else ("http",)
    files = [path.as_posix() for path in scaffold(name, layers, resources.ROOT)]
    if json:
        output.data(files)
        return
    for file in files:
        output.line(file)
    if kafka:
        output.line("Next: a flow that uses it; docs/providers/kafka.md says what it reads and answers.")
    else:
        check = f"pytest tests/providers/test_contract.py -k {name}"
        output.line(f"Next: {check}, then docs/providers/README.md from step 3.")


def _view(manifest: "Manifest", environ: Mapping[str, str]) -> dict[str, Any]:
    """Return a provider as it is shown. Values of settings are left out: some are secrets."""
    from app.providers import registry

    present = registry.set_settings(manifest, environ)
    missing = [manifest.variable(name) for name in manifest.required if name not in present]
    return {
        "name": manifest.name,
        "title": manifest.title,
        "wire": manifest.wire,
        "active": not missing,
        "missing": missing,
        "settings": [
            {
                "variable": manifest.variable(setting.name),
                "given": setting.name in present,
                "optional": setting.optional,
            }
            for setting in manifest.settings
        ],
        "actions": {action.name: action.through for action in manifest.actions},
        "events": list(manifest.events),
    }
