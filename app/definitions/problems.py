"""The list of all that is wrong with one definition, so that its author corrects it in one go."""

from app.errors import DefinitionError


class Problems:
    """The errors of one file, in the order in which they were met."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.errors: list[DefinitionError] = []

    def add(self, path: str, problem: str, fix: str) -> None:
        """Add an error at a path of the file."""
        self.errors.append(DefinitionError(self.file, path, problem, fix))
