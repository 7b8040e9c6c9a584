"""Rows of F+O sales orders as dual-write hands them to the client."""

from typing import Any

from app.events.sales_order_change import SalesOrderRow, SalesOrderRowLine


def a_line(number: int = 1, **fields: Any) -> SalesOrderRowLine:
    values: dict[str, Any] = {
        "LineNumber": number,
        "ItemNumber": f"SKU-{number}",
        "OrderedSalesQuantity": 20_000,
        "SalesPrice": 125_000,
        "LineAmount": 250_000,
        "ExternalItemNumber": str(number),
        "LineDescription": f"Œuvre {number}",
        "ShippingSiteId": "1",
        "ShippingWarehouseId": "13",
    }
    return SalesOrderRowLine(**{**values, **fields})


def a_row(reference: str = "bc-demo-500", **fields: Any) -> SalesOrderRow:
    values: dict[str, Any] = {
        "dataAreaId": "usmf",
        "SalesOrderNumber": "",
        "CurrencyCode": "USD",
        "SalesOrderProcessingStatus": "Active",
        "Lines": (a_line(1), a_line(2)),
        "CustomersOrderReference": reference,
        "SalesOrderOriginCode": "IOM",
        "OrderingCustomerAccountNumber": "WEB-01",
        "InvoiceCustomerAccountNumber": "WEB-01",
        "DefaultShippingSiteId": "1",
        "DefaultShippingWarehouseId": "13",
        "DeliveryAddressName": "Jane O'Doe",
        "DeliveryAddressStreet": "555 East Street",
        "DeliveryAddressCity": "Austin",
        "DeliveryAddressStateId": "TX",
        "DeliveryAddressZipCode": "78108",
        "DeliveryAddressCountryRegionId": "USA",
        "Email": "jane@example.com",
        "RequestedShippingDate": 1_551_787_200_000,
    }
    return SalesOrderRow(**{**values, **fields})
