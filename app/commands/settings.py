"""The work of `waybill settings`: list every environment variable that Waybill reads, and whether it is set here."""

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from app.commands import output
from app.errors import SettingError
from app.providers.variables import WAYBILL, Variable, all_variables
from app.secrets import FILE_SUFFIX

HEAD: Final = """# Settings

`waybill settings --markdown > docs/settings.md` writes this page.

Every setting is an environment variable. An empty one counts as absent. A value that cannot be used is refused with its
name, its value and what it may be; a variable `WAYBILL_...` that nothing reads is named in a warning, with the nearest
one that there is. `waybill settings` shows which are set.

A secret may also be in a file, which the variable with `_FILE` behind its name gives (`WAYBILL_FLEXE_API_KEY_FILE`);
setting both is refused. The file holds one line. It is read each time the secret is used, so that a new secret needs no
restart. While a secret is replaced the file may hold two lines, the new one and below it the old one: Waybill uses the
first, and accepts webhooks that are proven by either ([ADR 0030](adr/0030-secrets.md)). Secrets are never printed.
"""


def show(*, as_json: bool, as_markdown: bool) -> None:
    """Print all of them. Values are not shown: some are secrets."""
    if as_json and as_markdown:
        raise SettingError("--json and --markdown exclude each other")
    variables = all_variables()
    if as_json:
        output.data([_view(variable) for variable in variables])
    elif as_markdown:
        output.text(page(variables))
    else:
        rows = [(each.name, "set" if _is_set(each) else None, each.default or None, each.meaning) for each in variables]
        output.table(("Variable", "Set", "Default", "Meaning"), rows)


def page(variables: Sequence[Variable]) -> str:
    """Return the page docs/settings.md."""
    return "".join([HEAD, *_sections(variables)])


def _sections(variables: Sequence[Variable]) -> Iterator[str]:
    for of, some in groupby(variables, lambda variable: variable.of):
        yield f"\n## {of}\n\n"
        if of.startswith(WAYBILL):
            yield "| variable | default | may be | meaning |\n|---|---|---|---|\n"
            for each in some:
                default = f"`{each.default}`" if each.default else ""
                limits = "a secret" if each.is_secret else each.limits
                yield f"| `{each.name}` | {default} | {limits} | {each.meaning} |\n"
        else:
            yield "| variable | | meaning |\n|---|---|---|\n"
            yield from (f"| `{each.name}` | {_kind(each)} | {each.meaning} |\n" for each in some)


def _kind(variable: Variable) -> str:
    if variable.default:
        return f"default `{variable.default}`"
    needed = "required" if variable.is_required else "optional"
    return f"{needed}, secret" if variable.is_secret else needed


def _is_set(variable: Variable) -> bool:
    names = (variable.name, variable.name + FILE_SUFFIX) if variable.is_secret else (variable.name,)
    return any(os.environ.get(name, "").strip() for name in names)


def _view(variable: Variable) -> dict[str, Any]:
    return {
        "variable": variable.name,
        "of": variable.of,
        "meaning": variable.meaning,
        "default": variable.default or None,
        "limits": variable.limits or None,
        "required": variable.is_required,
        "secret": variable.is_secret,
        "set": _is_set(variable),
    }
