"""The table of docs/privacy.md, as the marks of personal fields and topics.yaml have it."""

from collections.abc import Iterator

from app.events.record import DEAD_LETTER
from app.kafka import topics
from app.queries.personal_topics import PersonalTopic, personal_topics
from app.resources import ROOT

DOCUMENT = ROOT / "docs/privacy.md"
DAY_MS = 86_400_000
HEADING = "| topic | personal fields | for how long | sealed |\n|---|---|---|---|\n"


def written(text: str) -> str:
    """Return the text of the page with its table as it should be."""
    before, _, rest = text.partition(HEADING)
    after = rest[rest.index("\n\n") :]
    rows = "\n".join(_row(topic) for topic in personal_topics(topics.load()))
    return before + HEADING + rows + after


def _row(topic: PersonalTopic) -> str:
    retention_ms = topic.spec.retention_ms
    time = "compacted: until it is overwritten" if retention_ms is None else f"{retention_ms // DAY_MS} days"
    sealed = "yes" if topic.is_sealed else "as it came" if topic.spec.name == DEAD_LETTER else "no"
    return f"| `{topic.spec.name}` | {', '.join(_grouped(topic.fields))} | {time} | {sealed} |"


def _grouped(fields: tuple[str, ...]) -> Iterator[str]:
    """Yield the fields; those of one struct together, as `order.ship_to.(name, street)`."""
    groups: dict[str, list[str]] = {}
    for field in fields:
        head, _, name = field.rpartition(".")
        groups.setdefault(head, []).append(name)
    for head, names in groups.items():
        if len(names) == 1 or not head:
            yield from (f"{head}.{name}".lstrip(".") for name in names)
        else:
            yield f"{head}.({', '.join(names)})"
