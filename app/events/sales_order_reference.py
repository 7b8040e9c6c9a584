"""The fields by which a sales order of F+O and an order of ours are known to be the same, and back (docs/adr/0022).

F+O compares texts without regard to case, width and blanks at the end, its filter reads `*` as any text, and
CustomersOrderReference takes 60 characters (column msdyn_customersorderreference). So an order id stands there as it is
when it is short and has nothing but lower-case letters, digits, `-`, `_` and single dots. Any other is followed by a
digest of it. Where even then the reference does not say the whole id, that stands in URL, the header's "Internet
address", which dual-write maps both ways (msdyn_url, 255 characters).
"""

import re
from typing import Final

from app.domain.external_keys import MARK, is_key, key_of, line_key

REFERENCE_MAX: Final = 60
"""Characters of CustomersOrderReference."""
URL_MAX: Final = 255
ITEM_NUMBER_MAX: Final = 20
"""Characters of ExternalItemNumber (msdyn_externalitemnumber)."""
_PLAIN: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_ODD: Final = re.compile(r"[^A-Za-z0-9_.-]|^\.|\.(?=\.)|\.$")
_BEGINNING_MAX: Final = REFERENCE_MAX - len(key_of(""))


def reference_of(order_id: str) -> str:
    """Return CustomersOrderReference of an order: F+O never takes the references of two orders for one another."""
    if len(order_id) <= REFERENCE_MAX and _PLAIN.fullmatch(order_id):
        return order_id
    return _ODD.sub("_", order_id)[:_BEGINNING_MAX] + key_of(order_id)


def url_of(order_id: str) -> str:
    """Return URL of an order: its id where the reference does not say it, else empty."""
    reference = reference_of(order_id)
    return "" if reference == order_id or order_of(reference, "") else order_id


def order_of(reference: str, url: str) -> str | None:
    """Return the order id behind both fields, None where neither of them says it.

    A reference without a digest is an order id, whatever it looks like: so they were written before there were digests.
    """
    beginning, mark, digest = reference.rpartition(MARK)
    if not is_key(mark + digest):
        return reference
    return next((text for text in (beginning, url) if text and reference_of(text) == reference), None)


def item_number_of(line_id: str) -> str:
    """Return ExternalItemNumber of a line of ours."""
    return line_key(line_id, ITEM_NUMBER_MAX)
