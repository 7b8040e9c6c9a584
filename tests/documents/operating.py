"""The table of rights in docs/operating.md, as topics.yaml and the roles have it."""

from app.kafka import topics
from app.kafka.cluster_access import ClusterAccess
from app.resources import ROOT
from app.worker.access_rights import EVERY_PRINCIPAL, MEANINGS, Right, rights_of

DOCUMENT = ROOT / "docs/operating.md"
HEADING = "| who | reads | writes | more |\n|---|---|---|---|\n"


def written(text: str) -> str:
    """Return the text of the page with its table as it should be."""
    before, _, rest = text.partition(HEADING)
    after = rest[rest.index("\n\n") :]
    rows = "\n".join(_row(name) for name in EVERY_PRINCIPAL)
    return before + HEADING + rows + after


def _row(principal: str) -> str:
    rights = rights_of(principal, ClusterAccess(""), topics.load())
    who = f"`{principal}`" + (f": {MEANINGS[principal]}" if principal in MEANINGS else "")
    reads, writes = (", ".join(_topics(rights, operation)) for operation in ("Read", "Write"))
    others = "; ".join(filter(None, map(_other, rights)))
    return f"| {who} | {reads} | {writes} | {others} |"


def _topics(rights: list[Right], operation: str) -> list[str]:
    every = [spec.name for spec in topics.load()]
    names = [
        name for right in rights if right.kind == "topic" and operation in right.operations for name in right.names
    ]
    return ["every topic"] if set(names) == set(every) else [f"`{name}`" for name in dict.fromkeys(names)]


def _other(right: Right) -> str:
    if right.kind == "topic":
        more = [operation for operation in right.operations if operation not in ("Read", "Write")]
        return f"{', '.join(more)} on every topic" if more else ""
    names = ", ".join(f"`{name}{'*' if right.is_prefix else ''}`" for name in right.names)
    return f"{', '.join(right.operations)} on {right.kind.replace('-', ' ')}{names and f' {names}'}"
