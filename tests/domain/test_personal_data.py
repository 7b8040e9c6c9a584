"""Personal data is marked field by field, and a redacted value has none of it."""

from typing import Any

import pytest
from msgspec import Struct, inspect, json
from msgspec.structs import replace

from app.domain.order import Address, Line, Order, OrderState, TimelineEntry
from app.domain.personal_data import personal_fields, redact
from app.dualwrite.status_handler import MirrorState
from app.events.model import ProviderEvent
from app.events.sales_order_change import SalesOrderChange, SalesOrderRow
from app.inventory.ledger_values import SourcedOrder
from app.optimizer.gazetteer import UNKNOWN, Place
from tests.flows.journey import an_order

NOT_PERSONAL = {
    Address: {"country"},
    Order: {"order_id", "origin", "source_ref", "channel", "currency", "state", "reason"}
    | {"company", "invoice_customer", "site", "warehouse"},
    Line: {"line_id", "sku", "name", "reference", "site", "warehouse", "state", "reason"},
    TimelineEntry: {"event", "event_id", "cause_id", "source", "step", "state", "reason"},
    SalesOrderRow: {"dataAreaId", "SalesOrderNumber", "CurrencyCode", "SalesOrderProcessingStatus", "URL"}
    | {"CustomersOrderReference", "SalesOrderOriginCode", "InvoiceCustomerAccountNumber", "SalesOrderStatus"}
    | {"DefaultShippingSiteId", "DefaultShippingWarehouseId", "DeliveryAddressCountryRegionId"}
    | {"IsSalesProcessingStopped"},
}
"""Fields of text that say nothing about a person. A new field is either marked as personal or named here."""


def texts(kind: type[Struct]) -> set[str]:
    info: Any = inspect.type_info(kind)
    return {field.name for field in info.fields if "StrType" in repr(field.type) and "Struct" not in repr(field.type)}


@pytest.mark.parametrize("kind", NOT_PERSONAL, ids=lambda kind: kind.__name__)
def test_every_text_is_personal_or_known_not_to_be(kind: type[Struct]) -> None:
    marked = {path for path in personal_fields(kind) if "." not in path}
    assert texts(kind) == marked | NOT_PERSONAL[kind]
    assert not marked & NOT_PERSONAL[kind]


def test_paths_go_through_lists_and_absent_values() -> None:
    assert "order.ship_to.street" in personal_fields(MirrorState)
    assert "timeline[].note" in personal_fields(OrderState)
    assert {"before.Email", "after.Email"} <= set(personal_fields(SalesOrderChange))
    assert personal_fields(ProviderEvent) == ("values",)


def test_a_redacted_order_has_its_amounts_and_no_person() -> None:
    named = an_order(customer="ana-7")
    entry = TimelineEntry("order held", "e1", "", 1, "test", "", "On Hold", "Needs attention", "no street for Ana")
    state = OrderState(named, "flow", 1, timeline=(entry,), references=(("fno", "SO-1"),))
    cleaned = redact(state)
    text = json.encode(cleaned).decode()
    assert not [each for each in ("Ana", "Pine", "Seattle", "98101", "a@b.example", "ana-7") if each in text]
    assert cleaned.order == replace(named, customer="", ship_to=Address(country="US"), bill_to=Address(country="US"))
    assert cleaned.timeline == (replace(entry, note=""),)
    assert redact(cleaned) == cleaned


def test_what_is_marked_takes_its_default() -> None:
    assert redact(SourcedOrder("o1", "main", place=Place(52.5, 13.4, "city"))).place == UNKNOWN
    assert redact(ProviderEvent("o1", "fno", "order changed", values={"ship_to.name": "Ana"})).values == {}


def test_a_value_without_personal_data_is_the_same_one() -> None:
    line = an_order().lines[0]
    assert redact(line) is line
