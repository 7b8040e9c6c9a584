"""Topics with personal data: which fields, for how long, and when what is there of one order is gone."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from app.agents.source import Source
from app.domain.order import OrderState
from app.domain.personal_data import personal_fields
from app.dualwrite.status_handler import MirrorState
from app.events.catalog import BY_TOPIC
from app.events.record import DEAD_LETTER
from app.inventory import source_ledger
from app.inventory.ledger_values import ExplainedPlan, SourcedOrder
from app.kafka.topics import COMPACTION_LAG_MS, TopicSpec

LEDGERS: Final[Mapping[str, tuple[type[Struct], ...]]] = {
    "order-ledger": (OrderState,),
    "mirror-ledger": (MirrorState,),
    "source-ledger": (SourcedOrder, ExplainedPlan),
}
"""Ledgers with personal data, and the values in them that have it. The others keep keys and digests."""
_OF_ORDERS: Final = tuple(source_ledger.key_of(kind, "") for kind in (SourcedOrder, ExplainedPlan))
SEGMENT_MS: Final = 7 * 86_400_000
"""Kafka's own `segment.ms`: the broker deletes whole segments, and one may be filled for so long before it rests."""


class PersonalTopic(Struct, frozen=True):
    """One topic with the paths of its personal fields; of dead letters any field may be one."""

    spec: TopicSpec
    fields: tuple[str, ...]

    @property
    def is_overwritten(self) -> bool:
        """Whether `waybill orders forget` overwrites what is there; otherwise retention removes it."""
        return self.spec.retention_ms is None

    @property
    def is_sealed(self) -> bool:
        """Whether Waybill seals what it writes there of orders that have a key. What producers may write is plain."""
        name = self.spec.name
        return name in LEDGERS or (name in BY_TOPIC and not BY_TOPIC[name].intake)

    def gone_at(self, now_ms: int) -> int:
        """Return by when the broker has removed what is there now and is not wanted any more, in milliseconds."""
        retention_ms = self.spec.retention_ms
        return now_ms + (COMPACTION_LAG_MS if retention_ms is None else retention_ms + SEGMENT_MS)


def is_personal(ledger: str, key: bytes) -> bool:
    """Return whether the value of a key of a ledger may have personal data. Stock is nobody's."""
    return ledger in LEDGERS and (ledger != Source.ledger or key.startswith(_OF_ORDERS))


def personal_topics(specs: Sequence[TopicSpec]) -> list[PersonalTopic]:
    """Return the topics that have personal data, as topics.yaml has them in order."""
    topics = (PersonalTopic(spec, _fields(spec.name)) for spec in specs)
    return [topic for topic in topics if topic.fields]


def _fields(topic: str) -> tuple[str, ...]:
    if topic == DEAD_LETTER:
        return ("the whole record",)
    kinds = (BY_TOPIC[topic].body,) if topic in BY_TOPIC else LEDGERS.get(topic, ())
    return tuple(dict.fromkeys(field for kind in kinds for field in personal_fields(kind)))
