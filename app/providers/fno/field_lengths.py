"""Lengths of F+O's text fields, and what happens to longer texts. Pure.

A recipient's name and a line's description are cut: people read them, nothing is found or delivered by them alone. Any
other text is declined with its name: a shorter one would be another address, item or account. Lengths are those of the
columns of Dataverse that dual-write maps the fields to, or F+O's own where there is no such column, in UTF-16 code
units (docs/providers/fno.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from app.domain.external_keys import units
from app.dualwrite.write_plan import WritePlan
from app.events.sales_order_change import SalesOrderRow, SalesOrderRowLine, line_id
from app.events.sales_order_reference import ITEM_NUMBER_MAX, REFERENCE_MAX, URL_MAX
from app.providers.port import Code, Outcome, Result

HEADER: Final[Mapping[str, int]] = {
    "dataAreaId": 4,
    "CustomersOrderReference": REFERENCE_MAX,
    "URL": URL_MAX,
    "SalesOrderOriginCode": 10,
    "OrderingCustomerAccountNumber": 20,
    "InvoiceCustomerAccountNumber": 20,
    "CurrencyCode": 3,
    "DefaultShippingSiteId": 10,
    "DefaultShippingWarehouseId": 10,
    "DeliveryAddressName": 100,
    "DeliveryAddressStreet": 250,
    "DeliveryAddressCity": 80,
    "DeliveryAddressStateId": 50,
    "DeliveryAddressZipCode": 20,
    "DeliveryAddressCountryRegionId": 10,
    "Email": 100,
}
LINE: Final[Mapping[str, int]] = {
    "ItemNumber": 20,
    "ExternalItemNumber": ITEM_NUMBER_MAX,
    "LineDescription": 1000,
    "ShippingSiteId": 10,
    "ShippingWarehouseId": 10,
}
CUT: Final = frozenset({"DeliveryAddressName", "LineDescription"})
_LENGTHS: Final = {**HEADER, **LINE}


def cut(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of a header or a line, cut to the length of F+O's field where that may be."""
    return {name: _cut(value, _LENGTHS[name]) if name in CUT else value for name, value in values.items()}


def _cut(text: str, length: int) -> str:
    return text.encode("utf-16-le")[: 2 * length].decode("utf-16-le", "ignore").rstrip()


def refusal(row: SalesOrderRow, plan: WritePlan) -> Result | None:
    """Return the refusal of a plan that would write what F+O's fields cannot hold, None when all fits."""
    problems = ", ".join(_problems(row, plan))
    if not problems:
        return None
    return Result(Outcome.DECLINED, Code.INVALID, f"too long for F+O: {problems}; shorten it in the order")


def _problems(row: SalesOrderRow, plan: WritePlan) -> Iterator[str]:
    yield from _too_long("", row, (*plan.fields, *(() if plan.number else ("URL",))), HEADER)
    written = {write.line_id: write.fields for write in plan.lines if write.kind != "remove"}
    for line in row.Lines:
        name = line_id(row, line)
        yield from _too_long(f"Lines.{name}.", line, written.get(name, ()), LINE)


def _too_long(
    place: str, holder: SalesOrderRow | SalesOrderRowLine, fields: Iterable[str], lengths: Mapping[str, int]
) -> Iterator[str]:
    for name in fields:
        if name in lengths and name not in CUT and (length := units(getattr(holder, name))) > lengths[name]:
            yield f"{place}{name} has {length} characters, at most {lengths[name]}"
