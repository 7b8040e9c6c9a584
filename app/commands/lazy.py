"""Groups of commands that are imported when one of them is asked for: `waybill --help` needs none of them."""

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

GROUPS: Final = {
    "broker": ("app.commands.broker:commands", "A local Apache Kafka, without Docker and without Java on the machine."),
    "topics": ("app.commands.topics:commands", "The topics of topics.yaml on the broker."),
    "schemas": ("app.commands.definitions:schemas", "Avro schemas and their lock."),
    "flows": ("app.commands.definitions:flows", "Flows: which step follows which event."),
    "policies": ("app.commands.definitions:policies", "Policies: rules that check and set fields."),
    "provider": ("app.commands.provider:commands", "Providers: what is installed, what is set up, and new ones."),
    "orders": ("app.commands.orders:commands", "Orders: submit, list, show, watch."),
    "stock": ("app.commands.stock:commands", "Stock: set, load from CSV, list."),
    "sourcing": ("app.commands.sourcing:commands", "Sourcing: explain a plan, check and simulate strategies."),
    "backorders": ("app.commands.backorders:commands", "Backorders: run the job, list what waits, set preferences."),
    "dead-letters": ("app.commands.dead_letters:commands", "Records that were set aside: list, show, replay, discard."),
}
"""Name -> the variable that has the commands, and what stands in the help."""


def add_groups(cli: typer.Typer) -> None:
    """Add all groups to the top level."""
    for name, (place, words) in GROUPS.items():
        stand_in = typer.Typer(cls=_group(place), help=words, no_args_is_help=True)
        cli.add_typer(stand_in, name=name)


def _group(place: str) -> type[TyperGroup]:
    module, _, variable = place.partition(":")

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            del self.commands  # the stand-in has none; `__getattr__` is asked for those that there are

        def __getattr__(self, name: str) -> Any:
            if name != "commands":
                raise AttributeError(name)
            self.commands = typer.main.get_group(getattr(import_module(module), variable)).commands
            return self.commands

    return LazyGroup
