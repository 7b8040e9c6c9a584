"""Environment variables that Waybill reads: of its settings, of its providers, of this machine."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from app import settings
from app.providers.registry import load_manifests
from app.secrets import FILE_SUFFIX
from app.settings import Settings

WAYBILL: Final = "Waybill"
# A Kubernetes Service that is called `waybill` puts these into every pod beside it.
_OF_KUBERNETES: Final = re.compile(
    r"WAYBILL_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.+)?)?)"
)


class Variable(NamedTuple):
    """`of` is the reader: Waybill, a provider or this machine. `limits` and `default` are words for people."""

    name: str
    of: str
    meaning: str
    default: str = ""
    limits: str = ""
    is_required: bool = False
    is_secret: bool = False


def all_variables() -> list[Variable]:
    """Return those of Waybill, then those of each provider, then those of the machine. Raises DefinitionError."""
    return [*_of_settings(), *_of_providers(), *_of_machine()]


def unread_warnings(names: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each variable that looks like ours and that nothing reads. Raises DefinitionError."""
    variables = all_variables()
    all_names = {each.name for each in variables} | {each.name + FILE_SUFFIX for each in variables if each.is_secret}
    for name in names:
        if name not in all_names and not _OF_KUBERNETES.fullmatch(name):
            own = {each.removeprefix(settings.PREFIX): each for each in all_names}
            near = get_close_matches(name.removeprefix(settings.PREFIX), own, n=1, cutoff=0.7)
            fix = f"did you mean `{own[near[0]]}`?" if near else "`waybill settings` lists all that there are"
            yield f"{name} is set, and nothing reads it; {fix}"


def _of_settings() -> Iterator[Variable]:
    for field, name in settings.variables().items():
        setting = Settings.model_fields[field]
        yield Variable(
            name=name,
            of=WAYBILL,
            meaning=setting.description or "",
            default=_default_text(setting.default),
            limits=_limits(setting.metadata),
            is_secret=settings.is_secret(field),
        )


def _of_providers() -> Iterator[Variable]:
    for manifest in load_manifests().values():
        for setting in manifest.settings:
            yield Variable(
                manifest.variable(setting.name),
                f"{manifest.title} (`{manifest.name}`)",
                " ".join(setting.meaning.split()),
                is_required=not setting.optional,
                is_secret=setting.secret,
            )


def _of_machine() -> Iterator[Variable]:
    for name, (default, meaning) in settings.MACHINE.items():
        yield Variable(name, "This machine", meaning, default)


def _default_text(default: Any) -> str:
    return "" if default in (None, ()) else str(default)


def _limits(metadata: list[Any]) -> str:
    """Return limits as `1 to 300`, from pydantic's annotations."""
    bounds = {name: getattr(each, name) for each in metadata for name in ("ge", "gt", "le") if hasattr(each, name)}
    if "le" not in bounds:
        return ""
    least = str(bounds["ge"]) if "ge" in bounds else f"above {bounds['gt']}"
    return f"{least} to {bounds['le']}"
