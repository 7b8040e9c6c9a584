"""What an order of each scenario goes through, and what happens at the providers meanwhile, judged from outside.

Nothing of `app` is imported. Three things are compared with what a course says: the changes of status in their order,
how often each event came, and every effect at every provider.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tests.kafka.black_box import COMPLETED, REFUSED, Effect, Found

Status = tuple[str, str, str]
"""Event, state, reason, as order-status tells them."""
CREATED: Final = ("order created", "New", "New")
CONFIRMED: Final = ("order confirmed", "New", "Confirmed")
VALIDATED: Final = ("order validated", "Validated", "Validated")
SENT: Final = ("order sent to fulfillment", "Validated", "Sent to fulfillment")
"""It may come late, when the fulfiller was faster than the answer: then it changes nothing."""
PACKED: Final = ("Fulfillment in Process", "Packed")
SHIPPED: Final = ("order shipped", *PACKED)
INVOICED: Final = ("order invoiced", *COMPLETED)
REQUESTS: Final = ("fulfillment-requested", "billing-requested", "channel-update-requested")
OUR_ROWS: Final = "dualwrite.iom.salesorders"
STATUS_CHANGED: Final = "status changed"


@dataclass(frozen=True)
class Course:
    """`main` are the changes of status; `beside` are events that come once each besides and change nothing, each after
    one of `main`. `raised` are events with a topic of their own, and their status where they have one. `at` are the
    effects at providers, `asked` the requests to providers other than the shop."""

    main: tuple[Status, ...]
    beside: Mapping[str, Status]
    raised: Mapping[str, tuple[str, ...]]
    at: Mapping[str, tuple[str, ...]]
    asked: tuple[tuple[str, str], ...]
    in_parts: Mapping[str, str] = field(default_factory=dict)
    """Provider that may do it in several parts -> the event of each."""
    makes_fno_order: bool = False
    shop_sees: tuple[int, ...] = ()
    """Status ids of BigCommerce's order, in this order: 2 is Shipped, 10 Completed."""

    def problems(self, records: list[Found], effects: list[Effect]) -> Iterator[str]:
        statuses = [_status(record) for record in on(records, "order-status")]
        if statuses and statuses[-1][1:] == REFUSED:
            yield from _refused(records, statuses, effects)
            return
        yield from self._statuses(statuses, Counter(effect["kind"] for effect in effects))
        yield from self._own_topics(records)
        yield from self._requests(records)
        yield from self._effects(records, effects)

    def _statuses(self, statuses: list[Status], done: Counter[str]) -> Iterator[str]:
        moves = [now for before, now in zip([None, *statuses], statuses, strict=False) if _moves(before, now)]
        counts = Counter(event for event, _, _ in self.main) + Counter(list(self.beside))
        for event in self.in_parts.values():
            counts[event] += done[event] - 1
        if tuple(move for move in moves if move != SENT) != self.main:
            yield f"went through {_told(statuses)}"
        elif Counter(event for event, _, _ in statuses) != counts:
            yield f"met {_told(statuses)}, not {dict(counts)}"
        else:
            yield from (f"{event} came too early: {_told(statuses)}" for event in self._early(statuses))

    def _early(self, statuses: list[Status]) -> Iterator[str]:
        """Events that changed nothing before they could."""
        events = [event for event, _, _ in statuses]
        for event, after in self.beside.items():
            last = len(events) - 1 - events[::-1].index(event)
            if last < statuses.index(after):
                yield event

    def _own_topics(self, records: list[Found]) -> Iterator[str]:
        """Each event is on its own topic too, once, with the same state and reason."""
        created = [record for record in on(records, "order-created") if not record.forwarded]
        if len(created) != 1:
            yield f"has {len(created)} records on order-created"
        for event, status in self.raised.items():
            raised = on(records, event.replace(" ", "-"))
            if [record.type for record in raised] != [event]:
                yield f"{event}: {len(raised)} records on its topic"
            elif status and _state(raised[0]) != status:
                yield f"{event} says {_state(raised[0])}"

    def _requests(self, records: list[Found]) -> Iterator[str]:
        """One effect for each request, however often it was tried."""
        asked = [(topic, record.body or {}) for topic in REQUESTS for record in on(records, topic)]
        effects = {(topic, body["provider"], body["effect_id"]) for topic, body in asked}
        found = Counter((topic, provider) for topic, provider, _ in effects)
        wanted = Counter(self.asked)
        if _of_the_shop(records):
            wanted["channel-update-requested", "bigcommerce"] += len(self.shop_sees)
        if found != wanted:
            yield f"asked for {dict(found)}, not {dict(wanted)}"

    def _effects(self, records: list[Found], effects: list[Effect]) -> Iterator[str]:
        """Every effect at every provider once, and none that nobody asked for."""
        lines = _lines(records)
        for provider in ("fno", "flexe", "sap"):
            there = Counter(effect["kind"] for effect in effects if effect["provider"] == provider)
            wanted = Counter(self.at.get(provider, ()))
            if provider == "fno" and self.makes_fno_order:
                wanted += Counter({"order released": 1, "line created": len(lines)})
            if part := self.in_parts.get(provider):
                wanted[part] = max(1, there[part])
                yield from _parts(provider, part, effects, lines)
            if there != wanted:
                yield f"{provider} did {dict(there)}, not {dict(wanted)}"
        shop = [effect for effect in effects if effect["provider"] == "bigcommerce"]
        told = tuple(effect["detail"]["status_id"] for effect in shop if effect["kind"] == STATUS_CHANGED)
        if shop and (told not in self._shown(records) or len(shop) != len(told) + 1):
            yield f"the shop saw {_kinds(shop)} with status {told}"

    def _shown(self, records: list[Found]) -> list[tuple[int, ...]]:
        """What the shop may have seen: an update that had to be repeated tells what is true by then."""
        repeated = any((record.body or {})["attempt"] > 1 for record in on(records, "channel-update-requested"))
        return [self.shop_sees, self.shop_sees[-1:]] if repeated else [self.shop_sees]


def _parts(provider: str, kind: str, effects: list[Effect], lines: list[Any]) -> Iterator[str]:
    """All that was ordered left, or was invoiced, in parts that come to no more."""
    total = Decimal(0)
    for effect in effects:
        if (effect["provider"], effect["kind"]) == (provider, kind):
            items = effect["detail"]["items"]
            total += sum(map(Decimal, items.values() if isinstance(items, dict) else (i["quantity"] for i in items)))
    ordered = sum(Decimal(line["quantity"]) for line in lines)
    if total != ordered:
        yield f"{kind} at {provider}: {total} of {ordered}"


def _moves(before: Status | None, now: Status) -> bool:
    return before is None or before[1:] != now[1:]


def _refused(records: list[Found], statuses: list[Status], effects: list[Effect]) -> Iterator[str]:
    if statuses[0] != CREATED or statuses[-1] != ("order rejected", *REFUSED) or len(statuses) != len(set(statuses)):
        yield f"was refused after {_told(statuses)}"
    if len(on(records, "order-rejected")) != 1:
        yield f"has {len(on(records, 'order-rejected'))} records on order-rejected"
    onward = [record for record in records if record.topic in (*REQUESTS, OUR_ROWS, "order-shipped")]
    if onward:
        yield f"was refused and went on: {onward[0]}"
    if [effect["kind"] for effect in effects].count("order created") != 1:
        yield f"was refused, with these effects: {_kinds(effects)}"


def on(records: Iterable[Found], topic: str) -> list[Found]:
    return sorted((r for r in records if r.topic == topic), key=lambda record: record.offset)


def _status(record: Found) -> Status:
    body = record.body or {}
    return body["event"], body["state"], body["reason"]


def _state(record: Found) -> tuple[str, str]:
    body = record.body or {}
    return body["state"], body["reason"]


def _lines(records: list[Found]) -> list[Any]:
    created = on(records, "order-created")
    return list(_order(created[0])["lines"]) if created else []


def _of_the_shop(records: list[Found]) -> bool:
    created = on(records, "order-created")
    return bool(created) and _order(created[0]).get("origin") == "bigcommerce"


def _order(created: Found) -> Mapping[str, Any]:
    """Producers of JSON may leave the wrapping out."""
    body = created.body or {}
    order: Mapping[str, Any] = body.get("order", body)
    return order


def _told(statuses: Iterable[Status]) -> str:
    return " > ".join(f"{event} ({state}/{reason})" for event, state, reason in statuses) or "nothing"


def _kinds(effects: Iterable[Effect]) -> dict[str, int]:
    return dict(Counter(effect["kind"] for effect in effects))


_LIFE: Final = ("order confirmed", "order delivered", "order invoiced")
_PICKED_LATE: Final = {"order picked": SHIPPED, "order shipped": SHIPPED}
"""What F+O says of goods that Flexe had shipped: raised once where nobody had said so, and nothing changes."""
BIGCOMMERCE_FNO: Final = Course(
    main=(
        CREATED,
        VALIDATED,
        ("order assigned", "Validated", "Assigned"),
        ("order picked", "Fulfillment in Process", "Picked"),
        SHIPPED,
        INVOICED,
    ),
    beside={
        "order sent to fulfillment": ("order assigned", "Validated", "Assigned"),
        "order confirmed": ("order assigned", "Validated", "Assigned"),
    },
    raised={
        "order validated": (),
        "order assigned": (),
        "order picked": ("Fulfillment in Process", "Picked"),
        "order shipped": PACKED,
        "order invoiced": COMPLETED,
    },
    at={"fno": ("order created", *_LIFE, "order picked")},
    asked=(("fulfillment-requested", "fno"),),
    makes_fno_order=True,
    shop_sees=(2, 10),
)
BIGCOMMERCE_FLEXE_FNO: Final = Course(
    main=(CREATED, VALIDATED, SHIPPED, INVOICED),
    beside={
        "order sent to fulfillment": VALIDATED,
        "order assigned": SHIPPED,
        "order confirmed": SHIPPED,
        **_PICKED_LATE,
    },
    raised={
        "order validated": (),
        "order assigned": (),
        "order picked": PACKED,
        "order shipped": PACKED,
        "order invoiced": COMPLETED,
    },
    at={"fno": ("order created", *_LIFE, "order picked"), "flexe": ("order created",)},
    asked=(("fulfillment-requested", "flexe"), ("billing-requested", "fno")),
    in_parts={"flexe": "order shipped"},
    makes_fno_order=True,
    shop_sees=(10,),
)
FNO_FLEXE_FNO: Final = Course(
    main=(CREATED, CONFIRMED, VALIDATED, SHIPPED, INVOICED),
    beside={"order sent to fulfillment": VALIDATED, **_PICKED_LATE},
    raised={"order validated": (), "order picked": PACKED, "order shipped": PACKED, "order invoiced": COMPLETED},
    at={"fno": ("order created", *_LIFE), "flexe": ("order created",)},
    asked=(("fulfillment-requested", "flexe"), ("channel-update-requested", "fno")),
    in_parts={"flexe": "order shipped"},
)
FNO_FNO: Final = Course(
    main=(
        CREATED,
        CONFIRMED,
        VALIDATED,
        ("order picked", "Fulfillment in Process", "Picked"),
        SHIPPED,
        INVOICED,
    ),
    beside={},
    raised={
        "order validated": (),
        "order picked": ("Fulfillment in Process", "Picked"),
        "order shipped": PACKED,
        "order invoiced": COMPLETED,
    },
    at={"fno": ("order created", *_LIFE)},
    asked=(),
)
FNO_FLEXE_SAP: Final = Course(
    main=(CREATED, CONFIRMED, VALIDATED, SHIPPED, INVOICED),
    beside={"order sent to fulfillment": VALIDATED},
    raised={"order validated": (), "order shipped": PACKED, "order invoiced": COMPLETED},
    at={"fno": ("order created", "order confirmed"), "flexe": ("order created",), "sap": ("order created",)},
    asked=(("fulfillment-requested", "flexe"), ("billing-requested", "sap")),
    in_parts={"flexe": "order shipped", "sap": "order invoiced"},
)
BY_CHANNEL: Final = {"bigcommerce-3": BIGCOMMERCE_FLEXE_FNO, "FLEXE": FNO_FLEXE_FNO, "SAP": FNO_FLEXE_SAP}
BY_ORIGIN: Final = {"bigcommerce": BIGCOMMERCE_FNO, "fno": FNO_FNO}


def born(found: Iterable[Found], effects: Iterable[Effect]) -> dict[str, Course]:
    """Every order that came into being at a provider, with what it must go through: by the channel that it came by."""
    channels = {record.key: _order(record).get("channel", "") for record in found if record.topic == "order-created"}
    created = [(effect["provider"], effect["order"]) for effect in effects if effect["kind"] == "order created"]
    own = [(provider, order) for provider, order in created if order.startswith(_PREFIX.get(provider, "/"))]
    return {order: BY_CHANNEL.get(channels.get(order, ""), BY_ORIGIN[provider]) for provider, order in own}


_PREFIX: Final = {"bigcommerce": "bc-", "fno": "fno-"}
