"""Orders of BigCommerce in the shape that the simulator is seeded with: products and addresses expanded."""

from typing import Any

Wire = dict[str, Any]


def a_product(number: int = 1, **fields: Any) -> Wire:
    return {
        "id": 7000 + number,
        "product_id": 77,
        "order_address_id": 51,
        "name": f"Œuvre {number}",
        "sku": f"SKU-{number}",
        "type": "physical",
        "price_ex_tax": "10.0000",
        "price_inc_tax": "12.5000",
        "total_ex_tax": "20.0000",
        "total_inc_tax": "25.0000",
        "quantity": 2,
        "quantity_shipped": 0,
        "parent_order_product_id": None,
        "is_bundled_product": False,
        **fields,
    }


def an_address(**fields: Any) -> Wire:
    return {
        "id": 51,
        "first_name": "Jane",
        "last_name": "Doe",
        "company": "",
        "street_1": "555 East Street",
        "street_2": "",
        "city": "Austin",
        "state": "Texas",
        "zip": "78108",
        "country": "United States",
        "country_iso2": "US",
        "phone": "1234567890",
        "email": "jane@example.com",
        **fields,
    }


def a_wire_order(order_id: int = 218, **fields: Any) -> Wire:
    """Two lines of 25.00, shipping 5.00, discount 1.50, coupon 2.50: 51.00 in all."""
    return {
        "id": order_id,
        "customer_id": 11,
        "date_created": "Tue, 05 Mar 2019 21:40:11 +0000",
        "date_modified": "Mon, 11 Mar 2019 15:17:25 +0000",
        "status_id": 11,
        "subtotal_ex_tax": "40.0000",
        "subtotal_inc_tax": "50.0000",
        "shipping_cost_ex_tax": "4.0000",
        "shipping_cost_inc_tax": "5.0000",
        "discount_amount": "1.5000",
        "coupon_discount": "2.5000",
        "total_ex_tax": "41.0000",
        "total_inc_tax": "51.0000",
        "total_tax": "10.0000",
        "currency_code": "USD",
        "channel_id": 1,
        "billing_address": {name: value for name, value in an_address().items() if name != "id"},
        "products": [a_product(1), a_product(2)],
        "shipping_addresses": [an_address()],
        **fields,
    }
