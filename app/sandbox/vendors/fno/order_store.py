"""The sales orders of one F+O environment, and every change to them. In memory; a restart loses them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any, Final, Literal

from app.events.sales_order_change import FNO_PREFIX, IOM
from app.events.sales_order_reference import order_of
from app.sandbox.vendors.fno.collation import collated
from app.sandbox.vendors.fno.entities import HEADER, LINE, Entity, Values, iso, parse_insert, parse_patch, write_failed
from app.sandbox.vendors.simulation import RefusalError, World

PROVIDER: Final = "fno"
ORDERS_MAX: Final = 200_000
LINES_MAX: Final = 1000
_FIRST_RECORD_ID: Final = 5_637_144_576
_ONE: Final = Decimal("1.0000")
_CANCELED: Final = "Error: Update has been canceled."

_EFFECTS: Final = {
    "Confirmed": "order confirmed",
    "Picked": "order picked",
    "PartiallyDelivered": "order partially delivered",
    "Delivered": "order delivered",
    "PartiallyInvoiced": "order partially invoiced",
    "Invoiced": "order invoiced",
    "Canceled": "order canceled",
}
"""What the journal calls each status."""

Origin = Literal["iom", "fno"]
"""Who made a change: a service user through OData, or F+O's own people and jobs."""
Op = Literal["c", "u", "d"]


@dataclass(slots=True)
class SalesOrder:
    """`automatic`: the stages that F+O reaches by itself; `waiting`: the next one is scheduled.

    `version` counts published rows, `key` is the order id that they carry.
    """

    header: Entity
    born: Origin
    automatic: frozenset[str]
    lines: dict[str, Entity] = field(default_factory=dict)
    version: int = 0
    published: bytes | None = None
    """The last row, as JSON."""
    waiting: bool = False
    deleted: bool = False

    @property
    def company(self) -> str:
        return str(self.header.values["dataAreaId"])

    @property
    def number(self) -> str:
        return str(self.header.values["SalesOrderNumber"])

    @property
    def status(self) -> str:
        return str(self.header.values["SalesOrderProcessingStatus"])

    @property
    def stopped(self) -> bool:
        return bool(self.header.values["IsSalesProcessingStopped"] == "Yes")

    @property
    def key(self) -> str:
        values = self.header.values
        if values["SalesOrderOriginCode"].upper() == IOM and (reference := str(values["CustomersOrderReference"])):
            return order_of(reference, values["URL"]) or reference
        return f"{FNO_PREFIX}-{self.company.lower()}-{self.number}"


OnChange = Callable[[SalesOrder, Op, Origin], None]


class OrderStore:
    """Calls `changed` after each change that others may see. It is set by who listens (rows, then life)."""

    def __init__(self, world: World, stages: frozenset[str]) -> None:
        self._world, self._stages = world, stages
        self.on_change: OnChange = _ignore
        self._orders: dict[tuple[str, str], SalesOrder] = {}
        self._by_reference: dict[str, list[SalesOrder]] = {}
        self._by_lot: dict[str, SalesOrder] = {}
        self._numbers, self._lots, self._records = count(1), count(1), count(_FIRST_RECORD_ID)

    def __len__(self) -> int:
        return len(self._orders)

    def all(self) -> Iterator[SalesOrder]:
        return iter(self._orders.values())

    def find(self, company: str, number: str) -> SalesOrder | None:
        """Return the order with F+O's key, compared as F+O does: without regard to case."""
        return self._orders.get(_key(company, number))

    def with_reference(self, reference: str) -> list[SalesOrder]:
        """Return the orders with this CustomersOrderReference, compared as F+O does."""
        return self._by_reference.get(collated(reference), [])

    def with_lot(self, lot: str) -> SalesOrder | None:
        return self._by_lot.get(lot)

    def create(self, body: Mapping[str, Any], company: str) -> SalesOrder:
        """Create a header by POST. Raises RefusalError with 400 when a mandatory field is missing."""
        values = parse_insert(HEADER, body)
        if not values.get("OrderingCustomerAccountNumber"):
            raise write_failed(HEADER, f"Warning: Field 'Customer account' must be filled in.; {_CANCELED}")
        order = self.new(values, company, "", "iom", self._stages)
        self.record_effect(order, "order created", number=order.number)
        self.on_change(order, "c", "iom")
        return order

    def new(self, values: Values, company: str, number: str, born: Origin, automatic: frozenset[str]) -> SalesOrder:
        """Store an order without lines and without an event. Raises RefusalError when there are too many."""
        if len(self._orders) >= ORDERS_MAX:
            raise RefusalError(409, f"F+O holds {ORDERS_MAX} orders already", "start the simulators anew")
        company = (values.get("dataAreaId") or company).lower()
        account = values["OrderingCustomerAccountNumber"]
        own = {"dataAreaId": company, "SalesOrderNumber": number or self._number(company)}
        own |= {"SalesOrderStatus": "Backorder"}
        defaults = {"InvoiceCustomerAccountNumber": account, "CurrencyCode": "USD", "LanguageId": "en-us"}
        nonempty = {name: value for name, value in values.items() if value != ""}
        initial = {"OrderCreationDateTime": iso(self._world.clock()), "SalesOrderProcessingStatus": "Active"}
        entity = Entity(HEADER.empty() | initial | defaults | nonempty | own, next(self._records))
        _format_address(entity)
        order = SalesOrder(entity, born, automatic)
        self._orders[_key(company, order.number)] = order
        self._index(order)
        return order

    def add_line(self, body: Mapping[str, Any], company: str) -> tuple[SalesOrder, Entity]:
        """Create a line by POST. Raises RefusalError with 400, in F+O's words, when F+O's rules refuse it."""
        values = parse_insert(LINE, body)
        order = self.find(values.get("dataAreaId") or company, values.get("SalesOrderNumber", ""))
        if order is None:
            number = values.get("SalesOrderNumber", "")
            raise write_failed(LINE, f"Error: Sales order {number} does not exist.; {_CANCELED}")
        if order.status == "Canceled":
            self._check_open(order)
        line = self.new_line(order, values)
        self._reopen(order)
        self.record_effect(order, "line created", lot=line.values["InventoryLotId"])
        self._lines_changed(order)
        return order, line

    def new_line(self, order: SalesOrder, values: Values) -> Entity:
        """Store a line without an event. Raises RefusalError with 400 when item or site is missing."""
        if not values.get("ItemNumber"):
            raise write_failed(LINE, f"Warning: Field 'Item number' must be filled in.; {_CANCELED}")
        if len(order.lines) >= LINES_MAX:
            raise write_failed(LINE, f"Error: A sales order has at most {LINES_MAX} lines.; {_CANCELED}")
        header = order.header.values
        header_defaults = {
            "ShippingSiteId": header["DefaultShippingSiteId"],
            "ShippingWarehouseId": header["DefaultShippingWarehouseId"],
        }
        nonempty = {name: value for name, value in values.items() if value != ""}
        defaults = {"OrderedSalesQuantity": _ONE, "SalesPriceQuantity": _ONE, "SalesUnitSymbol": "ea"}
        merged = LINE.empty() | defaults | header_defaults | nonempty
        if not merged["ShippingSiteId"]:
            site = "Warning: Inventory dimension Site is mandatory and must consequently be specified."
            raise write_failed(LINE, f"{site}; {_CANCELED}")
        return self._stored_line(order, merged, has_amount="LineAmount" in nonempty)

    def _stored_line(self, order: SalesOrder, values: Values, *, has_amount: bool) -> Entity:
        lot = f"{next(self._lots):06}"
        numbers = (int(line.values["LineNumber"]) for line in order.lines.values())
        own = {"dataAreaId": order.company, "SalesOrderNumber": order.number, "InventoryLotId": lot}
        own |= {"SalesOrderLineStatus": "Backorder"}
        values = values | own | {"LineNumber": values["LineNumber"] or Decimal(max(numbers, default=0) + 1)}
        if not has_amount:
            values["LineAmount"] = _line_amount(values)
        line = Entity(values, next(self._records))
        order.lines[lot] = line
        self._by_lot[lot] = order
        _add_to_total(order, values["LineAmount"])
        return line

    def patch(self, order: SalesOrder, body: Mapping[str, Any], origin: Origin) -> None:
        """Change fields of a header. Raises RefusalError."""
        values = parse_patch(HEADER, body)
        was_stopped, reference = order.stopped, order.header.values["CustomersOrderReference"]
        if any(values[name] != order.header.values[name] for name in values.keys() - {"IsSalesProcessingStopped"}):
            self._check_open(order)
        changes = order.header.change(values)
        if changes:
            self._reindex(order, reference)
            _format_address(order.header)
            released = was_stopped and not order.stopped
            self.record_effect(order, "order released" if released else "order changed", fields=changes, by=origin)
            self.on_change(order, "u", origin)

    def patch_line(self, order: SalesOrder, line: Entity, body: Mapping[str, Any], origin: Origin) -> None:
        """Change fields of a line. Raises RefusalError."""
        values = parse_patch(LINE, body)
        self._check_open(order)
        before = line.values["LineAmount"]
        changes = line.change(values)
        if changes:
            if "LineAmount" not in values:
                line.values["LineAmount"] = _line_amount(line.values)
            _add_to_total(order, line.values["LineAmount"] - before)
            self.record_effect(order, "line changed", lot=line.values["InventoryLotId"], fields=changes, by=origin)
            self.on_change(order, "u", origin)

    def delete(self, order: SalesOrder, origin: Origin) -> None:
        self._check_open(order)
        del self._orders[_key(order.company, order.number)]
        self._forget_reference(order, order.header.values["CustomersOrderReference"])
        for lot in order.lines:
            del self._by_lot[lot]
        order.deleted = True
        self.record_effect(order, "order deleted", number=order.number)
        self.on_change(order, "d", origin)

    def delete_line(self, order: SalesOrder, lot: str) -> None:
        self._check_open(order)
        _add_to_total(order, -order.lines[lot].values["LineAmount"])
        del order.lines[lot], self._by_lot[lot]
        self.record_effect(order, "line deleted", lot=lot)
        self._lines_changed(order)

    def set_status(
        self, order: SalesOrder, status: str, origin: Origin, sales_status: str, lines: Mapping[str, str]
    ) -> None:
        """Move the order on. `lines`: the new SalesStatus of lines, by lot."""
        before = order.status
        for lot, line_status in lines.items():
            order.lines[lot].change({"SalesOrderLineStatus": line_status})
        order.header.change({"SalesOrderStatus": sales_status, "SalesOrderProcessingStatus": status})
        self.record_effect(order, _EFFECTS[status], previous=before, by=origin, lots=tuple(lines))
        self.on_change(order, "u", origin)

    def _reopen(self, order: SalesOrder) -> None:
        """Make an order with a new line active again, even an invoiced one: it is confirmed and picked once more."""
        if order.status not in ("Active", "Confirmed"):
            order.header.change({"SalesOrderStatus": "Backorder", "SalesOrderProcessingStatus": "Active"})
            self.record_effect(order, "order reopened")

    def _lines_changed(self, order: SalesOrder) -> None:
        """Announce changed lines. An order that is still being written (stopped) is published when it is released."""
        if not order.stopped:
            self.on_change(order, "u", "iom")

    def _check_open(self, order: SalesOrder) -> None:
        if order.status in ("Invoiced", "Canceled"):
            raise write_failed(HEADER, f"Error: Sales order {order.number} is {order.status.lower()}.; {_CANCELED}")

    def record_effect(self, order: SalesOrder, kind: str, **detail: object) -> None:
        """Write an effect into the journal."""
        self._world.journal.effect(PROVIDER, kind, order.key, detail)

    def _number(self, company: str) -> str:
        return next(number for n in self._numbers if _key(company, number := f"{n:06}") not in self._orders)

    def _index(self, order: SalesOrder) -> None:
        if reference := order.header.values["CustomersOrderReference"]:
            self._by_reference.setdefault(collated(reference), []).append(order)

    def _reindex(self, order: SalesOrder, old_reference: str) -> None:
        if order.header.values["CustomersOrderReference"] != old_reference:
            self._forget_reference(order, old_reference)
            self._index(order)

    def _forget_reference(self, order: SalesOrder, reference: str) -> None:
        if reference:
            self._by_reference[collated(reference)].remove(order)


def _key(company: str, number: str) -> tuple[str, str]:
    return company.lower(), number.lower()


def _ignore(_order: SalesOrder, _op: Op, _origin: Origin) -> None:
    """Stand in for `on_change` until it is set."""


def _line_amount(values: Values) -> Decimal:
    """Return quantity times price less discount, as F+O computes it."""
    price_quantity = values["SalesPriceQuantity"] or _ONE
    gross = values["OrderedSalesQuantity"] * (values["SalesPrice"] / price_quantity - values["LineDiscountAmount"])
    net: Decimal = gross * (1 - values["LineDiscountPercentage"] / 100)
    return net.quantize(Decimal("0.0001"))


def _add_to_total(order: SalesOrder, amount: Decimal) -> None:
    order.header.values["OrderTotalAmount"] += amount


def _format_address(header: Entity) -> None:
    values = header.values
    town = " ".join(filter(None, (values["DeliveryAddressZipCode"], values["DeliveryAddressCity"])))
    parts = (values["DeliveryAddressStreet"], town, values["DeliveryAddressStateId"])
    values["FormattedDelveryAddress"] = "\n".join(filter(None, (*parts, values["DeliveryAddressCountryRegionId"])))
