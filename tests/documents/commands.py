"""docs/commands.md: every command of `waybill` with its arguments, options and examples."""

from collections.abc import Iterator
from typing import Any, Final

import typer

from app.__main__ import cli
from app.resources import ROOT

DOCUMENT: Final = ROOT / "docs" / "commands.md"
HEAD: Final = """# Commands

`make docs` writes this page from the command line itself. A command ends with exit code 0 when it did what it says, 1
when it refused, 2 when its usage is wrong; those of workers are in [Deploying](deploying.md). A refusal is one sentence
on standard error.
"""


def commands() -> dict[str, Any]:
    """Return every command and group, by what is typed after `waybill`; the empty text is `waybill` itself."""
    return dict(_walk("", typer.main.get_command(cli)))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for each, below in sorted(getattr(command, "commands", {}).items()):
        yield from _walk(f"{name} {each}".strip(), below)


def options(command: Any) -> frozenset[str]:
    """Return the options that a command takes."""
    own = (option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
    return frozenset({"--help", *(option for option in own if option.startswith("-"))})


def page() -> str:
    """Return the text of the page."""
    return "".join([HEAD, *(_section(name, command) for name, command in commands().items() if name)])


def _section(name: str, command: Any) -> str:
    words = " ".join((command.help or "").split("\n\n")[0].split())
    further = [" ".join(part.split()) for part in (command.help or "").split("\n\n")[1:]]
    if hasattr(command, "commands"):
        return f"\n## waybill {name}\n\n{words}\n"
    level = "##" if " " not in name else "###"
    usage = " ".join(
        ["waybill", name, *(_usage(each) for each in command.params if each.param_type_name == "argument")]
    )
    parts = [f"{level} waybill {name}", words, *further, f"    {usage} [options]"]
    rows = [_row(each) for each in command.params if not each.hidden and each.help]
    if rows:
        parts.append("\n".join(["| | default | |", "|---|---|---|", *rows]))
    examples = [f"    {line}" for line in (command.epilog or "").splitlines() if line.startswith("waybill ")]
    if examples:
        parts.append("Examples:\n\n" + "\n".join(examples))
    return "\n" + "\n\n".join(parts) + "\n"


def _usage(argument: Any) -> str:
    shown = argument.metavar or argument.name.upper()
    return shown if argument.required else f"[{shown}]"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = _usage(parameter)
    else:
        value = (
            "" if parameter.is_flag or _type(parameter) is bool else f" {parameter.metavar or _type_name(parameter)}"
        )
        shown = ", ".join(parameter.opts) + value
    default = parameter.default
    has_default = default is not None and not isinstance(default, bool) and default != "" and not callable(default)
    text = parameter.help.replace("|", "\\|")
    return f"| `{shown}` | {f'`{default}`' if has_default else ''} | {text} |"


def _type(parameter: Any) -> Any:
    return parameter.type_descriptor.annotation


def _type_name(parameter: Any) -> str:
    kind = str(getattr(_type(parameter), "__args__", (_type(parameter),))[0])
    return next((name for part, name in {"Path": "FILE", "int": "N", "float": "N"}.items() if part in kind), "TEXT")
