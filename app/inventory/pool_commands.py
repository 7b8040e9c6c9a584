"""What is said to a pool of warehouses: the names of its commands."""

from typing import Final

CONFIRM: Final = "confirm"
RELEASE: Final = "release"
RUN: Final = "run backorders"
SET: Final = "set preferences"
