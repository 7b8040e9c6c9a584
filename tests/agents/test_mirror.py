"""`mirror`: F+O's rows raise what they show, each once, whatever comes twice or late."""

from typing import Any

import pytest

from app.agents.mirror import Mirror
from app.errors import RecordError
from app.events.headers import FORGET
from app.events.ids import derive
from app.events.model import OrderCreated, ProviderEvent
from app.events.record import Record
from app.events.sales_order_reference import reference_of, url_of
from app.lanes.role import Folded
from tests.agents.stand_ins import AT, CODEC, as_json, event_of, topics
from tests.dualwrite.rows import ORDERS

ORDER_ID = "fno-usmf-SO-1"
LINE = {
    "LineNumber": 1, "ItemNumber": "A", "OrderedSalesQuantity": "2", "SalesPrice": "10", "LineAmount": "20",
    "ShippingSiteId": "US", "ShippingWarehouseId": "US-SEA",
}  # fmt: skip
OURS = "Case-A"
LONG = "x" * 128
ROW = {
    "dataAreaId": "usmf", "SalesOrderNumber": "SO-1", "CurrencyCode": "USD", "InvoiceCustomerAccountNumber": "US-001",
    "DeliveryAddressCountryRegionId": "USA", "Lines": [LINE], "isReadyToSync": True,
}  # fmt: skip


def shown(status: str, version: int, **changes: Any) -> Record:
    after = {**ROW, "SalesOrderProcessingStatus": status, **changes}
    source = {"origin": "fno", "sequence": version, "name": "fno"}
    body = {"op": "u", "ts_ms": AT + version, "before": None, "after": after, "source": source}
    return as_json("dualwrite.fno.salesorders", ORDER_ID, body, offset=version)


class Driven:
    """The role with its ledger."""

    def __init__(self, enabled: bool = True) -> None:
        self.role, self.state = Mirror(CODEC, ORDERS, enabled), dict[bytes, bytes]()

    def fold(self, record: Record) -> Folded:
        folded = self.role.fold(record, self.state, repeated=False)
        self.state |= {key: value for key, value in folded.changes.items() if value is not None}
        return folded


def raised(folded: Folded) -> list[str]:
    bodies = [event_of(output).body for output in folded.outputs]
    return [body.event if isinstance(body, ProviderEvent) else "created" for body in bodies]


def test_the_first_row_makes_the_order() -> None:
    folded = Driven().fold(shown("Active", 1))
    assert topics(folded) == ["order-created"]
    event = event_of(folded.outputs[0])
    assert isinstance(event.body, OrderCreated)
    assert (event.order_id, event.source, event.at) == (ORDER_ID, "waybill/mirror", AT)
    assert event.event_id == derive(ORDER_ID, "created")
    assert event.cause_id == derive("dualwrite.fno.salesorders", "0/1")
    assert (event.body.order.company, event.body.order.state) == ("usmf", "New")


def test_each_status_is_raised_once_with_those_that_it_implies() -> None:
    driven = Driven()
    assert raised(driven.fold(shown("Active", 1))) == ["created"]
    assert raised(driven.fold(shown("Confirmed", 2))) == ["order confirmed"]
    assert raised(driven.fold(shown("Delivered", 3))) == ["order picked", "order shipped"]
    assert raised(driven.fold(shown("Invoiced", 4))) == ["order invoiced"]
    assert raised(driven.fold(shown("Invoiced", 5))) == []


def test_a_row_that_comes_twice_or_late_raises_nothing() -> None:
    driven = Driven()
    for record in (shown("Active", 1), shown("Confirmed", 2)):
        driven.fold(record)
        before = dict(driven.state)
        again = driven.fold(record)
        assert (again.outputs, again.changes, driven.state) == ((), {}, before)
    assert raised(driven.fold(shown("Active", 1))) == []


def test_the_first_row_to_come_may_be_the_last() -> None:
    folded = Driven().fold(shown("Invoiced", 4))
    assert raised(folded) == ["created", "order confirmed", "order picked", "order shipped", "order invoiced"]
    ids = [event_of(output).event_id for output in folded.outputs]
    assert len(set(ids)) == len(ids)


def test_a_changed_field_is_told() -> None:
    driven = Driven()
    driven.fold(shown("Active", 1))
    folded = driven.fold(shown("Active", 2, DeliveryAddressCity="Tacoma"))
    (body,) = (event_of(output).body for output in folded.outputs)
    assert isinstance(body, ProviderEvent)
    assert (body.event, dict(body.values)) == ("order changed", {"ship_to.city": "Tacoma"})


def test_while_the_map_is_off_every_row_is_set_aside_and_none_is_lost() -> None:
    with pytest.raises(RecordError, match="WAYBILL_DUALWRITE_MAPS") as caught:
        Driven(enabled=False).fold(shown("Active", 1))
    assert caught.value.code == "map-disabled"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SalesOrderProcessingStatus": "Teleported"}, "unknown-status"),
        ({"DeliveryAddressCountryRegionId": "ATL"}, "unknown-value"),
        ({"SalesOrderNumber": ""}, "invalid"),
        ({"Lines": [LINE, LINE]}, "invalid"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_by_code(changes: dict[str, Any], code: str) -> None:
    driven = Driven()
    with pytest.raises(RecordError) as caught:
        driven.fold(shown("Active", 1, **changes))
    assert (caught.value.code, driven.state) == (code, {})


def test_a_company_never_changes() -> None:
    driven = Driven()
    driven.fold(shown("Active", 1))
    record = shown("Active", 2, dataAreaId="demf")
    with pytest.raises(RecordError):
        driven.fold(record)


def test_a_tombstone_is_nothing_to_do() -> None:
    driven = Driven()
    driven.fold(shown("Active", 1))
    assert driven.fold(shown("Active", 1)._replace(value=None)) == Folded(outcome="tombstone")
    assert Driven(enabled=False).fold(shown("Active", 1)._replace(value=None)).outcome == "tombstone"


def ours(order_id: str, key: str | None, **changes: Any) -> Record:
    """A row of an order that we made, with the key that whoever publishes rows gave it."""
    line = {**LINE, "ExternalItemNumber": "1"}
    row = {"SalesOrderOriginCode": "IOM", "CustomersOrderReference": reference_of(order_id), "URL": url_of(order_id)}
    record = shown("Delivered", 1, **{**row, "Lines": [line], **changes})
    return record._replace(key=None if key is None else key.encode())


@pytest.mark.parametrize("order_id", [OURS, "case-a", LONG, "Wild-*"])
@pytest.mark.parametrize("key", ["none", "order id", "reference"])
def test_an_order_of_ours_is_known_by_its_reference_whatever_the_key(order_id: str, key: str) -> None:
    given = {"none": None, "order id": order_id, "reference": reference_of(order_id)}[key]
    driven, record = Driven(), ours(order_id, given)
    assert driven.role.owner_key(record) == order_id.encode()
    folded = driven.fold(record)
    assert raised(folded) == ["order confirmed", "order picked", "order shipped"]
    assert {event_of(output).order_id for output in folded.outputs} == {order_id}


def test_a_row_that_was_written_under_the_order_id_itself_is_known_as_well() -> None:
    """As it was before there were references."""
    record = ours(OURS, OURS, CustomersOrderReference=OURS, URL="")
    assert Driven().role.owner_key(record) == OURS.encode()
    assert event_of(Driven().fold(record).outputs[0]).order_id == OURS


@pytest.mark.parametrize(("changes", "key"), [({"URL": ""}, None), ({"URL": LONG + "x"}, reference_of(LONG))])
def test_a_digest_whose_id_is_not_there_is_refused_and_says_what_to_map(
    changes: dict[str, Any], key: str | None
) -> None:
    with pytest.raises(RecordError, match="map URL \\(msdyn_url\\) from F\\+O, or restore it there") as caught:
        Driven().role.owner_key(ours(LONG, key, **changes))
    assert caught.value.code == "invalid"


def test_a_key_of_another_order_is_refused() -> None:
    with pytest.raises(RecordError, match="is not the order id"):
        Driven().fold(ours(OURS, "case-a"))


def test_a_tombstone_needs_no_row_to_be_passed_over() -> None:
    tombstone = ours(LONG, reference_of(LONG))._replace(value=None)
    assert Driven().role.owner_key(tombstone) == reference_of(LONG).encode()
    assert Driven().fold(tombstone) == Folded(outcome="tombstone")


def test_the_owner_is_found_in_the_row_where_there_is_no_key() -> None:
    role = Driven().role
    assert role.owner_key(shown("Active", 1)) == ORDER_ID.encode()
    assert role.owner_key(shown("Active", 1)._replace(key=None)) == ORDER_ID.encode()


PERSON = {"DeliveryAddressName": "Ana", "DeliveryAddressStreet": "1 Pine St", "Email": "a@b.example"}
PEOPLE = (b"Ana", b"Pine St", b"a@b.example")


def erasure(key: str = ORDER_ID) -> Record:
    return shown("Active", 1)._replace(key=key.encode(), value=None, headers=((FORGET, b"e1"),))


def test_a_forgotten_order_has_no_person_and_gets_none_back() -> None:
    driven = Driven()
    driven.fold(shown("Delivered", 1, **PERSON))
    key = ORDER_ID.encode()
    assert all(word in driven.state[key] for word in PEOPLE)
    assert driven.role.owner_key(erasure()) == key
    assert driven.fold(erasure()).outcome == "forgotten"
    assert not [word for word in PEOPLE if word in driven.state[key]]
    late = driven.fold(shown("Invoiced", 2, **PERSON | {"DeliveryAddressName": "Ana Maria"}))
    assert raised(late) == ["order invoiced"]
    assert not [output for output in late.outputs if any(word in (output.value or b"") for word in PEOPLE)]
    assert not [word for word in PEOPLE if word in driven.state[key]]


def test_an_order_that_was_never_seen_is_forgotten_without_a_trace() -> None:
    assert Driven().fold(erasure()) == Folded(outcome="unknown")
