"""`orchestrate`: what a record does to an order, what is written because of it, and what becomes of early records."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.agents import order_ledger
from app.agents.orchestrate import EARLY_RECORDS_MAX, EARLY_WAIT_MS, Orchestrate
from app.domain.order import FulfillmentOrder, LineQuantity, Order, OrderState
from app.errors import RecordError
from app.events.ids import derive
from app.events.model import (
    Body,
    Event,
    OrderCommand,
    OrderCreated,
    OrderStatus,
    ProviderEvent,
    ProviderResult,
    SourcingCommand,
    SourcingRequested,
    SourcingResult,
)
from app.events.record import Output, Record
from app.events.sales_order_reference import reference_of
from app.flows.installed import Setup
from app.flows.loading.published import publish
from app.lanes.role import Folded
from app.policies import all_rules
from app.resources import flow_files, policy_files
from tests.agents.stand_ins import (
    AT,
    CODEC,
    TRACE,
    as_json,
    as_record,
    change_of,
    event_of,
    marks_of,
    on,
    read_back,
    topics,
)
from tests.dualwrite.rows import ORDERS
from tests.flows.journey import an_erp_order, an_order, published

KEY = b"bc-shop-1"
HOUR_MS = 3_600_000


class Driven:
    """The role with its ledger; changes are told to it as its lane does."""

    def __init__(self) -> None:
        self.role, self.state = Orchestrate(CODEC, published(), ORDERS, {"main": 3}), dict[bytes, bytes]()
        self.number = 0

    def fold(self, record: Record) -> Folded:
        folded = self.role.fold(record, self.state, repeated=False)
        for key, value in folded.changes.items():
            self.role.changed(key, value)
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        return folded

    def take(self, name: str, body: Body, event_id: str = "", at: int = 0) -> Folded:
        self.number += 1
        order_id = body.order.order_id if isinstance(body, OrderCreated) else body.order_id  # type: ignore[union-attr]
        at = at or AT + 1000 * self.number
        event = Event(name, event_id or f"e{self.number}", order_id, at, "test", "", body, TRACE)
        return self.fold(as_record(event, offset=self.number, timestamp=at))

    def created(self, order: Order | None = None) -> Folded:
        return self.take("order created", OrderCreated(order or an_order(2)))

    def reported(self, event: str, order_id: str = "bc-shop-1", **more: Any) -> Folded:
        return self.take("provider event", ProviderEvent(order_id, "fno", event), **more)

    def answered(self, outcome: str, **more: Any) -> Folded:
        (effect,) = self.order().effects
        body = ProviderResult(
            "bc-shop-1", effect.effect_id, effect.provider, effect.action, effect.attempt, outcome, outcome, **more
        )
        return self.take("provider result", body)

    def order(self, key: bytes = KEY) -> OrderState:
        entry = order_ledger.decode(self.state[key])
        assert isinstance(entry, OrderState)
        return entry

    def early(self) -> order_ledger.Early:
        entry = order_ledger.decode(self.state[KEY])
        assert isinstance(entry, order_ledger.Early)
        return entry


def statuses(folded: Folded) -> list[str]:
    bodies = [event_of(output).body for output in on(folded, "order-status")]
    return [f"{body.event}: {body.state} / {body.reason}" for body in bodies if isinstance(body, OrderStatus)]


# ---- an order that is known ----


def test_an_order_is_validated_assigned_and_asked_for_in_one_fold() -> None:
    driven = Driven()
    folded = driven.created()
    assert sorted(topics(folded)) == sorted(
        ["order-status"] * 3
        + ["order-validated", "order-assigned", "fulfillment-requested", "dualwrite.iom.salesorders"]
    )
    assert statuses(folded) == [
        "order created: New / New",
        "order validated: Validated / Validated",
        "order assigned: Validated / Assigned",
    ]
    assert (list(folded.changes), folded.outcome, folded.settled) == ([KEY], "applied", False)
    assert all(output.key == KEY and output.partition is None for output in folded.outputs)


def test_ids_come_from_the_cause_so_that_a_fold_twice_is_the_same() -> None:
    first, second = Driven().created(), Driven().created()
    assert first == second
    events = [event_of(output) for output in first.outputs if not output.topic.startswith("dualwrite")]
    assert {event.cause_id for event in events} == {"e1"}
    assert {event.source for event in events} == {"waybill/orchestrate"}
    ids = [event.event_id for event in events]
    assert len(set(ids)) == len(ids)
    assert {event.trace[:36] for event in events} == {TRACE[:36]}


def test_the_row_for_fno_carries_the_effect_that_asked_for_it() -> None:
    driven = Driven()
    folded = driven.created()
    change = change_of(on(folded, "dualwrite.iom.salesorders")[0])
    (effect,) = driven.order().effects
    source = change.body.source
    assert (source.effect_id, source.action, source.attempt) == (effect.effect_id, "Send order to fulfillment", 1)
    assert (source.origin, source.name, source.version) == ("iom", "iom", 1)
    assert change.event_id == derive("e1", "dual-write")
    assert (change.body.op, change.body.before) == ("c", None)
    assert change.body.row.isReadyToSync
    assert change.body.row.dataAreaId == driven.order().order.company


def test_a_retry_sends_the_row_again_under_the_same_effect() -> None:
    driven = Driven()
    driven.created()
    (effect,) = driven.order().effects
    assert topics(driven.answered("retry")) == []
    (fire,) = driven.role.due(AT + HOUR_MS)
    assert (fire.topic, fire.key) == ("order-command", KEY)
    assert driven.role.due(AT + 2 * HOUR_MS) == []
    again = driven.fold(read_back(fire))
    change = change_of(on(again, "dualwrite.iom.salesorders")[0])
    assert (change.body.source.effect_id, change.body.source.attempt) == (effect.effect_id, 2)
    request = event_of(on(again, "fulfillment-requested")[0]).body
    assert (request.effect_id, request.attempt) == (effect.effect_id, 2)  # type: ignore[union-attr]


def test_a_record_that_was_applied_changes_nothing_and_writes_nothing() -> None:
    driven = Driven()
    driven.created()
    before = dict(driven.state)
    again = driven.take("order created", OrderCreated(an_order(2)), event_id="e1")
    assert (again.outputs, dict(again.changes), again.outcome) == ([], {}, "duplicate")
    assert driven.state == before


def test_the_way_to_the_end_settles_the_order() -> None:
    driven = Driven()
    driven.created()
    driven.answered("ok", reference="000123")
    assert topics(driven.reported("order picked")) == ["order-picked", "order-status"]
    shipped = driven.reported("order shipped")
    assert set(topics(shipped)) == {"order-shipped", "order-status", "channel-update-requested"}
    invoiced = driven.reported("order invoiced")
    assert statuses(invoiced) == ["order invoiced: Completed / Fulfilled"]
    value = driven.state[KEY]
    assert driven.role.settled_at(value) == 0
    for effect in driven.order().effects:
        body = ProviderResult("bc-shop-1", effect.effect_id, effect.provider, effect.action, 1, "ok", "ok")
        last = driven.take("provider result", body)
    assert last.settled
    assert driven.role.settled_at(driven.state[KEY]) > 0


def test_what_an_order_cannot_take_is_a_record_error_and_leaves_it_alone() -> None:
    driven = Driven()
    driven.created()
    before = dict(driven.state)
    with pytest.raises(RecordError) as caught:
        driven.reported("order teleported")
    assert caught.value.code == "invalid"
    with pytest.raises(RecordError) as caught:
        driven.take("order created", OrderCreated(an_order(2, currency="EUR")))
    assert caught.value.code == "other-content"
    assert driven.state == before


def test_an_order_whose_flow_is_not_set_up_is_a_record_error() -> None:
    bare = publish(flow_files(), all_rules(policy_files()), Setup(actions={}, events={}, maps=frozenset()))
    role = Orchestrate(CODEC, bare, ORDERS)
    event = Event("order created", "e1", "bc-shop-1", AT, "test", "", OrderCreated(an_order(1)))
    with pytest.raises(RecordError) as caught:
        role.fold(as_record(event), {}, repeated=False)
    assert caught.value.code == "flow-refused"


def test_an_order_of_fno_is_never_written_back() -> None:
    driven = Driven()
    folded = driven.created(an_erp_order(1))
    assert topics(folded) == ["order-status"]
    confirmed = driven.reported("order confirmed", "fno-usmf-7")
    assert "order-validated" in topics(confirmed)
    assert on(confirmed, "dualwrite.iom.salesorders") == []


# ---- an order that is not known yet ----


def test_events_that_come_first_wait_and_are_applied_in_order_when_the_order_comes() -> None:
    driven = Driven()
    for event in ("order picked", "order shipped"):
        folded = driven.reported(event)
        assert (folded.outputs, folded.outcome, folded.settled) == ((), "early", False)
    assert [record.offset for record in driven.early().records] == [1, 2]
    created = driven.created()
    assert driven.order().order.reason == "Packed"
    assert statuses(created)[-2:] == [
        "order picked: Fulfillment in Process / Picked",
        "order shipped: Fulfillment in Process / Packed",
    ]
    assert driven.order().version == 3


def test_the_same_event_twice_before_its_order_is_applied_once() -> None:
    driven = Driven()
    for _ in range(2):
        driven.reported("order picked", event_id="once")
    assert statuses(driven.created())[-1] == "order picked: Fulfillment in Process / Picked"
    assert driven.order().version == 2


def test_of_the_waiting_events_one_that_cannot_be_taken_becomes_a_letter_and_the_others_go_on() -> None:
    driven = Driven()
    driven.reported("order teleported")
    driven.reported("order picked")
    folded = driven.created()
    (letter,) = on(folded, "dead-letter")
    assert letter.key == b"provider-event/0/1"
    assert (marks_of(letter)["code"], marks_of(letter)["key"]) == ("invalid", "bc-shop-1")
    assert folded.dead == ["invalid"], "it is counted"
    assert driven.order().order.reason == "Picked"


def test_so_many_wait_and_no_more() -> None:
    driven = Driven()
    for _ in range(EARLY_RECORDS_MAX):
        driven.reported("order picked")
    with pytest.raises(RecordError, match="32 events wait for it already") as caught:
        driven.reported("order picked")
    assert caught.value.code == "unknown-order"
    assert len(driven.early().records) == EARLY_RECORDS_MAX


def expired(driven: Driven, now: int) -> list[Output]:
    folds = [driven.fold(read_back(fire)) for fire in driven.role.due(now)]
    letters = [output for folded in folds for output in folded.outputs]
    assert [code for folded in folds for code in folded.dead] == [marks_of(letter)["code"] for letter in letters]
    return letters


def test_after_an_hour_those_that_waited_in_vain_become_letters() -> None:
    driven = Driven()
    driven.reported("order picked", at=AT)
    driven.reported("order shipped", at=AT + 60_000)
    assert expired(driven, AT + EARLY_WAIT_MS - 1) == []
    letters = expired(driven, AT + EARLY_WAIT_MS)
    assert [letter.key for letter in letters] == [b"provider-event/0/1", b"provider-event/0/2"]
    assert {marks_of(letter)["code"] for letter in letters} == {"unknown-order"}
    assert driven.state == {}
    assert driven.role.due(AT + 10 * HOUR_MS) == []


def test_after_that_the_order_may_still_come_and_others_may_wait_again() -> None:
    driven = Driven()
    driven.reported("order picked", at=AT)
    expired(driven, AT + EARLY_WAIT_MS)
    driven.reported("order shipped", at=AT + 2 * HOUR_MS)
    assert len(expired(driven, AT + 3 * HOUR_MS)) == 1
    driven.created()
    assert driven.order().order.reason == "Assigned"


def test_a_timer_that_fires_after_the_order_came_does_nothing() -> None:
    driven = Driven()
    driven.reported("order picked", at=AT)
    (fire,) = driven.role.due(AT + EARLY_WAIT_MS)
    driven.created()
    before = driven.order().order
    folded = driven.fold(read_back(fire))
    assert (on(folded, "dead-letter"), driven.order().order) == ([], before)


def test_a_timer_of_an_order_that_nobody_knows_is_ignored() -> None:
    folded = Driven().take("order command", OrderCommand("bc-shop-1", "fire timer", "early", "test"))
    assert folded == Folded(outcome="ignored")


# ---- timers ----


def test_timers_are_found_again_after_a_restore() -> None:
    driven = Driven()
    driven.created()
    driven.answered("retry")
    (first,) = driven.role.due(AT + HOUR_MS)
    heir = Orchestrate(CODEC, published(), ORDERS)
    heir.restored(driven.state.items())
    (second,) = heir.due(AT + HOUR_MS)
    assert event_of(first).event_id == event_of(second).event_id


def test_a_timer_fires_once_however_often_its_record_comes() -> None:
    driven = Driven()
    driven.created()
    driven.answered("retry")
    (fire,) = driven.role.due(AT + HOUR_MS)
    assert on(driven.fold(read_back(fire)), "fulfillment-requested") != []
    again = driven.fold(read_back(fire))
    assert (again.outputs, again.outcome) == ([], "duplicate")


# ---- records as producers write them ----


def test_the_owner_is_the_key_or_is_found_in_the_value() -> None:
    role = Driven().role
    record = as_json("provider-event", "bc-shop-1", {"order_id": "bc-shop-1", "provider": "fno", "event": "x"})
    assert role.owner_key(record) == KEY
    assert role.owner_key(record._replace(key=None)) == KEY
    with pytest.raises(RecordError):
        role.owner_key(record._replace(key=None, value=b"{}"))


def test_json_of_a_producer_is_an_event_like_any_other() -> None:
    driven = Driven()
    driven.created()
    body = {"order_id": "bc-shop-1", "provider": "fno", "event": "order picked"}
    folded = driven.fold(as_json("provider-event", "bc-shop-1", body, ce_id="hook-1"))
    assert statuses(folded) == ["order picked: Fulfillment in Process / Picked"]
    again = driven.fold(as_json("provider-event", "bc-shop-1", body, offset=9, ce_id="hook-1"))
    assert again.outcome == "duplicate"


def test_an_unreadable_record_is_a_record_error() -> None:
    record = replace_value(as_json("order-created", "bc-shop-1", {}), b"\x00")
    with pytest.raises(RecordError) as caught:
        Driven().fold(record)
    assert caught.value.code == "malformed"


def replace_value(record: Record, value: bytes) -> Record:
    return record._replace(value=value)


def test_a_change_by_an_operator_reaches_fno_without_an_effect() -> None:
    driven = Driven()
    driven.created()
    driven.answered("ok", reference="000123")
    command = OrderCommand("bc-shop-1", "change", "", "ops", {"ship_to.city": "Tacoma"})
    folded = driven.take("order command", command)
    (row,) = on(folded, "dualwrite.iom.salesorders")
    change = change_of(row)
    assert (change.body.op, change.body.source.effect_id) == ("u", "")
    assert change.body.before is not None
    assert replace(change.body.before, DeliveryAddressCity="Tacoma") == change.body.after


# ---- pools of warehouses ----


def test_what_is_about_stock_goes_to_the_partition_of_its_pool() -> None:
    driven = Driven()
    (asked,) = on(driven.created(an_order(2, channel="bigcommerce-6")), "sourcing-requested")
    assert (asked.key, asked.partition) == (KEY, 3)
    body = event_of(asked).body
    assert isinstance(body, SourcingRequested)
    assert (body.pool, body.provider, body.through) == ("main", "dom", "sourcing")
    found = FulfillmentOrder("FO1", "US", "US-SEA", (LineQuantity("1", 20_000),))
    lacking = (LineQuantity("2", 20_000),)
    result = SourcingResult("bc-shop-1", body.effect_id, "partial", "partial", "", (found,), lacking, waits=True)
    (row,) = on(driven.take("sourcing result", result), "dualwrite.iom.salesorders")
    after = change_of(row).body.after
    assert after is not None
    assert [(line.ExternalItemNumber, line.ShippingWarehouseId) for line in after.Lines] == [("1", "US-SEA")]
    (told,) = on(driven.reported("order canceled"), "sourcing-command")
    assert (told.key, told.partition) == (KEY, 3)


@pytest.mark.parametrize("command", ["run backorders", "set preferences"])
def test_a_command_to_a_pool_is_passed_on_to_who_keeps_it(command: str) -> None:
    driven = Driven()
    folded = driven.take("order command", OrderCommand("main", command, "", "ops", {"backorders": "off"}))
    (told,) = folded.outputs
    assert (told.topic, told.key, told.partition, folded.outcome) == ("sourcing-command", b"main", 3, "passed on")
    assert event_of(told).body == SourcingCommand("main", command, "", (), {"backorders": "off"}, "ops")
    assert not folded.changes


def test_a_command_to_a_pool_that_is_not_there_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecordError, match="order_id is one of main"):
        Driven().take("order command", OrderCommand("nosuch", "run backorders"))


# ---- an order that is forgotten ----


PEOPLE = (b"Ana", b"Pine St", b"Seattle", b"98101", b"a@b.example")


def forgotten(driven: Driven) -> Folded:
    return driven.take("order command", OrderCommand(KEY.decode(), "forget", actor="clerk"))


def test_an_order_that_is_under_way_is_not_forgotten() -> None:
    driven = Driven()
    driven.created()
    before = driven.state[KEY]
    with pytest.raises(RecordError, match=r"^not-ended: the order is Validated \(Assigned\)"):
        forgotten(driven)
    assert driven.state[KEY] == before


def test_of_a_forgotten_order_nothing_personal_stays() -> None:
    driven = Driven()
    driven.created()
    driven.reported("order canceled")
    before = driven.order()
    assert all(word in driven.state[KEY] for word in PEOPLE)
    folded = forgotten(driven)
    assert not [word for word in PEOPLE if word in driven.state[KEY]]
    assert not [output for output in folded.outputs if output.value is not None]
    assert [(each.topic, each.key) for each in folded.outputs] == [
        ("dualwrite.iom.salesorders", KEY),
        ("dualwrite.fno.salesorders", KEY),
    ]
    after = driven.order()
    assert (after.order.state, after.order.total, after.content) == ("Canceled", before.order.total, before.content)
    assert (after.settled_at, after.order.ship_to.country) == (before.settled_at, "US")
    assert after.forgotten_at > before.settled_at
    assert after.timeline[-1].note == "forget by clerk"
    assert folded.settled


def test_no_later_event_brings_personal_data_back() -> None:
    driven = Driven()
    driven.created()
    driven.reported("order canceled")
    forgotten(driven)
    before = driven.state[KEY]
    change = ProviderEvent(KEY.decode(), "fno", "order changed", values={"ship_to.name": "Ana"})
    ignored = driven.take("provider event", change)
    assert (ignored.outcome, *ignored.outputs) == ("ignored",)
    assert driven.created().outcome == "duplicate"
    assert driven.state[KEY] == before
    again = forgotten(driven)
    assert (again.outcome, len(again.outputs)) == ("applied", 2)
    assert driven.order().timeline[-2].note == ""


def test_rows_under_another_key_of_the_order_are_removed_as_well() -> None:
    driven = Driven()
    order_id = "Case-A"
    driven.created(an_order(order_id=order_id))
    driven.reported("order canceled", order_id)
    folded = driven.take("order command", OrderCommand(order_id, "forget"))
    keys = [output.key for output in on(folded, "dualwrite.fno.salesorders")]
    assert keys == [order_id.encode(), reference_of(order_id).encode()]
