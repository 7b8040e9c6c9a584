"""Values as authors write them in YAML -> exact values: text, and decimals as integers of ten-thousandths."""

import re
from decimal import Decimal
from typing import Final

from app.definitions.model_errors import describe
from app.definitions.yaml_document import Node
from app.domain.order import AMOUNT_SCALE

TEXT_MAX: Final = 200
_DECIMAL: Final = re.compile(r"-?[0-9]{1,14}(\.[0-9]{1,4})?")


class LiteralError(ValueError):
    """A value that cannot be used; carries the problem and the fix."""

    def __init__(self, problem: str, fix: str) -> None:
        self.problem, self.fix = problem, fix
        super().__init__(f"{problem}; {fix}")


def text(node: Node) -> str:
    """Return text of 1 to TEXT_MAX characters. Raises LiteralError."""
    if not isinstance(node, str) or not node.strip():
        raise LiteralError(f"{describe(node)} is not text", "write some text; for no value use `does not contain data`")
    if len(node) > TEXT_MAX:
        raise LiteralError(f"text of {len(node)} characters", f"use at most {TEXT_MAX}")
    return node


def amount(node: Node) -> int:
    """Return an exact decimal in ten-thousandths. Raises LiteralError."""
    if not isinstance(node, str) or not _DECIMAL.fullmatch(node):
        raise LiteralError(
            f"{describe(node)} is not a decimal", 'write an exact decimal with at most 4 places, such as "0.01"'
        )
    return int(Decimal(node) * AMOUNT_SCALE)
