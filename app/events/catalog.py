"""Which event travels on which topic, under which schema and with which body. Codec and topics.yaml follow it.

Some events of the flows have no record of their own (CARRIED): they arrive inside a provider event or a provider result
and are seen on `order-status`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from app.domain import order
from app.events import model, sales_order_change
from app.events.avro import Attributes
from app.events.sales_order_change import SalesOrderChange

CHANGED_AT_FNO: Final = "sales order changed at fno"
CHANGED_AT_IOM: Final = "sales order changed at iom"


class RecordSpec(Struct, frozen=True):
    """One record type. `intake` says that producers outside may write it, in JSON too.

    `by_order` says that the key is the order id; otherwise the key says nothing, and the value names a pool.
    `by_connectors` says that connectors write it, in a form and with keys of their own.
    """

    name: str
    topic: str
    body: type[Struct]
    intake: bool = False
    by_order: bool = True
    by_connectors: bool = False

    @property
    def stem(self) -> str:
        """Its schema files are `<stem>.v<n>.avsc`."""
        return self.topic


class ChangeEvent(Struct, frozen=True):
    """An Event whose body is a dual-write change; `name` is CHANGED_AT_FNO or CHANGED_AT_IOM."""

    name: str
    event_id: str
    order_id: str
    at: int
    source: str
    cause_id: str
    body: SalesOrderChange
    trace: str = ""


_SPECS: Final = (
    RecordSpec("order created", "order-created", model.OrderCreated, intake=True),
    RecordSpec("order command", "order-command", model.OrderCommand, intake=True),
    RecordSpec("provider event", "provider-event", model.ProviderEvent, intake=True),
    RecordSpec("provider result", "provider-result", model.ProviderResult, intake=True),
    RecordSpec("order validated", "order-validated", model.OrderValidated),
    RecordSpec("order assigned", "order-assigned", model.OrderAssigned),
    RecordSpec("fulfillment requested", "fulfillment-requested", model.FulfillmentRequested),
    RecordSpec("billing requested", "billing-requested", model.BillingRequested),
    RecordSpec("channel update requested", "channel-update-requested", model.ChannelUpdateRequested),
    RecordSpec("sourcing requested", "sourcing-requested", model.SourcingRequested),
    RecordSpec("sourcing result", "sourcing-result", model.SourcingResult),
    RecordSpec("sourcing command", "sourcing-command", model.SourcingCommand, by_order=False),
    RecordSpec("stock change", "stock-change", model.StockChange, intake=True, by_order=False),
    RecordSpec("order picked", "order-picked", model.OrderProgressed),
    RecordSpec("order shipped", "order-shipped", model.OrderProgressed),
    RecordSpec("order invoiced", "order-invoiced", model.OrderProgressed),
    RecordSpec("order held", "order-held", model.OrderStopped),
    RecordSpec("order rejected", "order-rejected", model.OrderStopped),
    RecordSpec("order status changed", "order-status", model.OrderStatus),
    RecordSpec(CHANGED_AT_FNO, "dualwrite.fno.salesorders", SalesOrderChange, intake=True, by_connectors=True),
    RecordSpec(CHANGED_AT_IOM, "dualwrite.iom.salesorders", SalesOrderChange),
)

RECORDS: Final[Mapping[str, RecordSpec]] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""Event name -> its record type."""
BY_TOPIC: Final[Mapping[str, RecordSpec]] = MappingProxyType({spec.topic: spec for spec in _SPECS})
"""Topic -> the one record type on it."""

CARRIED: Final = frozenset(
    {
        "order confirmed",
        "order sent to fulfillment",
        "order canceled",
        "order changed",
        "order delayed",
        "order sourced",
        "order backordered",
        "order not sourced",
        "backorder expired",
    }
)
EVENT_NAMES: Final = frozenset(RECORDS) | CARRIED
"""Every name that a flow may listen for or emit, and the names of dual-write records."""

_SAME_NAME: Final = (
    order.Order, order.Line, order.Address,
    model.LineStatus, model.LineAssignment, order.LineQuantity, model.PolicyResult,
    model.OrderCreated, model.OrderCommand, model.ProviderEvent, model.ProviderResult,
    model.OrderValidated, model.OrderAssigned, model.FulfillmentRequested, model.BillingRequested,
    model.ChannelUpdateRequested, model.SourcingRequested, model.SourcingResult, model.SourceExplanation,
    model.SourcingCommand, model.ReservedLine, model.StockChange, order.FulfillmentOrder,
    sales_order_change.SalesOrderRow, sales_order_change.SalesOrderRowLine,
)  # fmt: skip

TYPES: Final[Mapping[str, Attributes]] = MappingProxyType(
    {kind.__name__: Attributes(kind) for kind in _SAME_NAME}
    | {name: Attributes(model.OrderProgressed) for name in ("OrderPicked", "OrderShipped", "OrderInvoiced")}
    | {name: Attributes(model.OrderStopped) for name in ("OrderHeld", "OrderRejected")}
    | {"OrderStatusChanged": Attributes(model.OrderStatus)}
    | {name: Attributes(SalesOrderChange) for name in ("FnoSalesOrderChange", "IomSalesOrderChange")}
    # Debezium's source block calls our version `sequence`; its own `version` and `db` say nothing that we keep.
    | {
        "ChangeSource": Attributes(
            sales_order_change.ChangeSource, {"sequence": "version"}, frozenset({"version", "db"})
        )
    }
)
"""Avro record name -> the struct it stands for."""
