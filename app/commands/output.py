"""How commands speak: data as JSON on standard output when asked, sentences and tables for people otherwise."""

import json
import sys
from typing import Any

from rich.console import Console

people = Console(soft_wrap=True)
"""Standard output for people."""
aside = Console(stderr=True, soft_wrap=True)
"""Standard error: progress and problems, so that data on standard output stays clean."""


def data(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def data_line(value: Any) -> None:
    """One JSON document on one line, at once: for streams."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()
