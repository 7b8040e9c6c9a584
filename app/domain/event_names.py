"""The names of all events, the same on the wire (`ce_type`), in flows, in an order's timeline and in reports."""

from app.domain.vocabulary import Term


class EventName(Term):
    """What happened, as the specification spells it."""

    # Inputs of an order.
    ORDER_CREATED = "order created"
    ORDER_COMMAND = "order command"
    PROVIDER_EVENT = "provider event"
    PROVIDER_RESULT = "provider result"
    SOURCING_RESULT = "sourcing result"

    # What becomes of an order: raised by a step of its flow, by a provider's report or by a failure edge.
    ORDER_CONFIRMED = "order confirmed"
    ORDER_VALIDATED = "order validated"
    ORDER_ASSIGNED = "order assigned"
    ORDER_SOURCED = "order sourced"
    ORDER_BACKORDERED = "order backordered"
    ORDER_NOT_SOURCED = "order not sourced"
    BACKORDER_EXPIRED = "backorder expired"
    ORDER_SENT_TO_FULFILLMENT = "order sent to fulfillment"
    ORDER_PICKED = "order picked"
    ORDER_SHIPPED = "order shipped"
    ORDER_INVOICED = "order invoiced"
    ORDER_CHANGED = "order changed"
    ORDER_DELAYED = "order delayed"
    ORDER_HELD = "order held"
    ORDER_REJECTED = "order rejected"
    ORDER_CANCELED = "order canceled"

    # Requests to those who carry out actions, and what the role `source` is told.
    FULFILLMENT_REQUESTED = "fulfillment requested"
    BILLING_REQUESTED = "billing requested"
    CHANNEL_UPDATE_REQUESTED = "channel update requested"
    SOURCING_REQUESTED = "sourcing requested"
    SOURCING_COMMAND = "sourcing command"
    STOCK_CHANGE = "stock change"

    # The record that each applied event leaves.
    ORDER_STATUS_CHANGED = "order status changed"

    # Rows of dual-write.
    SALES_ORDER_CHANGED_AT_FNO = "sales order changed at fno"
    SALES_ORDER_CHANGED_AT_IOM = "sales order changed at iom"

    # Notes in an order's timeline; no record bears these names.
    WAIT_PROLONGED = "wait prolonged"
    PROVIDER_ACTION_REPEATED = "provider action repeated"
    PROVIDER_ACTION_FAILED = "provider action failed"
