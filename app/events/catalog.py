"""Which event travels on which topic, under which schema and with which body. Codec and topics.yaml follow it.

Some events of the flows have no record of their own: they arrive inside a provider event or a provider result
and are seen on `order-status`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from app.domain import order
from app.domain.event_names import EventName
from app.events import model, sales_order_change
from app.events.avro import Attributes
from app.events.sales_order_change import SalesOrderChange

ERP_ROWS: Final = "dualwrite.fno.salesorders"
"""The topic with the ERP's rows of sales orders, which dual-write fills."""
CHANGED_AT_FNO: Final = EventName.SALES_ORDER_CHANGED_AT_FNO
CHANGED_AT_IOM: Final = EventName.SALES_ORDER_CHANGED_AT_IOM


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
    RecordSpec(EventName.ORDER_CREATED, "order-created", model.OrderCreated, intake=True),
    RecordSpec(EventName.ORDER_COMMAND, "order-command", model.OrderCommand, intake=True),
    RecordSpec(EventName.PROVIDER_EVENT, "provider-event", model.ProviderEvent, intake=True),
    RecordSpec(EventName.PROVIDER_RESULT, "provider-result", model.ProviderResult, intake=True),
    RecordSpec(EventName.ORDER_VALIDATED, "order-validated", model.OrderValidated),
    RecordSpec(EventName.ORDER_ASSIGNED, "order-assigned", model.OrderAssigned),
    RecordSpec(EventName.FULFILLMENT_REQUESTED, "fulfillment-requested", model.FulfillmentRequested),
    RecordSpec(EventName.BILLING_REQUESTED, "billing-requested", model.BillingRequested),
    RecordSpec(EventName.CHANNEL_UPDATE_REQUESTED, "channel-update-requested", model.ChannelUpdateRequested),
    RecordSpec(EventName.SOURCING_REQUESTED, "sourcing-requested", model.SourcingRequested),
    RecordSpec(EventName.SOURCING_RESULT, "sourcing-result", model.SourcingResult),
    RecordSpec(EventName.SOURCING_COMMAND, "sourcing-command", model.SourcingCommand, by_order=False),
    RecordSpec(EventName.STOCK_CHANGE, "stock-change", model.StockChange, intake=True, by_order=False),
    RecordSpec(EventName.ORDER_PICKED, "order-picked", model.OrderProgressed),
    RecordSpec(EventName.ORDER_SHIPPED, "order-shipped", model.OrderProgressed),
    RecordSpec(EventName.ORDER_INVOICED, "order-invoiced", model.OrderProgressed),
    RecordSpec(EventName.ORDER_HELD, "order-held", model.OrderStopped),
    RecordSpec(EventName.ORDER_REJECTED, "order-rejected", model.OrderStopped),
    RecordSpec(EventName.ORDER_STATUS_CHANGED, "order-status", model.OrderStatus),
    RecordSpec(CHANGED_AT_FNO, ERP_ROWS, SalesOrderChange, intake=True, by_connectors=True),
    RecordSpec(CHANGED_AT_IOM, "dualwrite.iom.salesorders", SalesOrderChange),
)

RECORDS: Final[Mapping[str, RecordSpec]] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""Event name -> its record type."""
BY_TOPIC: Final[Mapping[str, RecordSpec]] = MappingProxyType({spec.topic: spec for spec in _SPECS})
"""Topic -> the one record type on it."""

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
