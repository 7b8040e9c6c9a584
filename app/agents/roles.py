"""The roles that a worker can run, by name."""

from typing import Final

ROLES: Final = ("orchestrate", "source", "perform", "apply", "mirror", "pull")
