"""Groups of commands that are imported when one of them runs: `waybill --help` needs none of them."""

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

GROUPS: Final = {
    "broker": (".broker:commands", "A local Apache Kafka, without Docker and without Java on the machine."),
    "topics": (".topics:commands", "The topics of topics.yaml on the broker."),
    "schemas": (".definitions:schemas", "Avro schemas and their lock."),
    "flows": (".definitions:flows", "Flows: which step follows which event."),
    "policies": (".definitions:policies", "Policies: rules that check and set fields."),
    "provider": (".provider:commands", "Providers: what is installed, what is set up, and new ones."),
    "orders": (".orders:commands", "Orders: submit, list, show, watch."),
    "stock": (".stock:commands", "Stock: set, load from CSV, list."),
    "sourcing": (".sourcing:commands", "Sourcing: explain a plan, check and simulate strategies."),
    "backorders": (".backorders:commands", "Backorders: run the job, list what waits, set preferences."),
    "dead-letters": (".dead_letters:commands", "Records that were set aside: list, show, replay, discard."),
}
"""Name -> the variable that has the commands, relative to this package, and what stands in the help."""


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
            self.commands = typer.main.get_group(getattr(import_module(module, __package__), variable)).commands
            return self.commands

    return LazyGroup
