"""The fifteen order statuses, as GET /order_statuses gives them. Merchants rename them: switch on `id`."""

from typing import Final

SHIPPED: Final = 2
PARTIALLY_SHIPPED: Final = 3

# id, name, place in the merchant's list (reference: GET /order_statuses).
_STATUSES: Final = (
    (0, "Incomplete", 0, "A shopper reached the payment page, but did not complete the transaction."),
    (1, "Pending", 1, "Customer started the checkout process, but did not complete it."),
    (2, "Shipped", 8, "Order has been shipped, but receipt has not been confirmed."),
    (3, "Partially Shipped", 6, "Only some items in the order have been shipped."),
    (4, "Refunded", 11, "Seller has used the Refund action."),
    (5, "Cancelled", 9, "Seller has cancelled the order."),
    (6, "Declined", 10, "Seller has marked the order as declined."),
    (7, "Awaiting Payment", 2, "Customer has completed checkout, but payment has yet to be confirmed."),
    (8, "Awaiting Pickup", 5, "Order has been pulled and is awaiting customer pickup."),
    (9, "Awaiting Shipment", 4, "Order has been pulled and packaged and is awaiting collection."),
    (10, "Completed", 7, "Client has paid for the digital product, or has received the shipped one."),
    (11, "Awaiting Fulfillment", 3, "Customer has completed the checkout process and payment has been confirmed."),
    (12, "Manual Verification Required", 13, "Order is on hold while some aspect needs to be confirmed."),
    (13, "Disputed", 12, "Customer has initiated a dispute resolution process."),
    (14, "Partially Refunded", 14, "Seller has partially refunded the order."),
)
NAMES: Final = {number: name for number, name, _, _ in _STATUSES}


def list_statuses(place: str = "order") -> list[dict[str, object]]:
    """Return all statuses. `place` names the field of the place in the list: `sort_order` beside the counts."""
    return [
        {
            "id": number,
            "name": name,
            "system_label": name,
            "custom_label": name,
            "system_description": description,
            place: order,
        }
        for number, name, order, description in _STATUSES
    ]
