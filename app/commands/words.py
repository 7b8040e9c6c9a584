"""Parts of the help that many commands have in common."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


def examples(*lines: str) -> str:
    """Return the end of a command's help. Each line is a command without its first word, `waybill`."""
    return "\n\n".join(["Examples:", *(f"waybill {each}" for each in lines)])
