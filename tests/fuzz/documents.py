"""Targets about what replies say, without HTTP around them: a hundred times as many inputs as through a client."""

from collections.abc import Callable, Mapping

from app.providers.bigcommerce import actions as shop
from app.providers.bigcommerce import cursor as shop_cursor
from app.providers.bigcommerce.order_mapping import to_order
from app.providers.flexe import actions as house
from app.providers.fno import access_token
from app.providers.fno import actions as erp
from app.providers.fno import odata as erp_odata
from app.providers.http_messages import MalformedReplyError, Reply
from app.providers.sap import actions as accounts
from app.providers.sap import billing
from app.providers.sap import odata as sap_odata
from tests.fuzz.records import SPLIT
from tests.fuzz.replies import BASE, HEADERS, STATUSES, recorded
from tests.fuzz.target import Target, check_sentence, parts_of
from tests.providers.flexe.bench import BENCH

ORDER = house.outbound_order(BENCH.action(0), "simulated-owner")


def _sap_documents(reply: Reply) -> None:
    page = sap_odata.page_of(reply)
    for document in page.entities:
        for read in (billing.stamp_of, billing.counts, billing.invoice_of, accounts.number_of_entity):
            _try(lambda read=read, document=document: read(document))  # type: ignore[misc]
    _try(lambda: billing.our_orders(page.entities))
    _try(lambda: billing.invoiced_quantities(page.entities))


def _shop_orders(reply: Reply) -> None:
    rows = shop.rows_of(reply)
    shop_cursor.Cursor().after(shop_cursor.Cursor().fresh(rows))
    for row in rows:
        refused = to_order("demo", row)
        check_sentence(getattr(refused, "reason", ""))


def _house_orders(reply: Reply) -> None:
    assert isinstance(ORDER, house.OutboundOrder)
    for read in (house.find_result, house.created_result):
        _try(lambda read=read: read(reply, ORDER))  # type: ignore[misc]


def _try(read: Callable[[], object]) -> None:
    try:
        read()
    except MalformedReplyError as problem:
        str(problem).encode()  # its length is bounded where it becomes a result


READS: Mapping[str, tuple[Callable[[Reply], object], ...]] = {
    "fno": (
        lambda reply: erp_odata.page_of(reply, BASE, erp.header),
        lambda reply: erp_odata.page_of(reply, BASE, erp.line),
        erp.header_of,
        erp.line_of,
        erp_odata.message_of,
        access_token._token_of,
    ),
    "sap": (_sap_documents, sap_odata.message_of, accounts.message_of, accounts.number_of),
    "flexe": (_house_orders, house.message_of),
    "bigcommerce": (
        _shop_orders,
        shop.fees_of,
        shop.message_of,
        lambda reply: shop.status_id_of(reply, "500"),
    ),
}


def reading(name: str) -> Callable[[bytes], None]:
    """Return what reads one reply in every way in which its provider's client may."""

    def run(data: bytes) -> None:
        kind, body = parts_of(data)
        reply = Reply(STATUSES[kind % len(STATUSES)], HEADERS[kind // len(STATUSES) % len(HEADERS)], body)
        for read in READS[name]:
            _try(lambda read=read: read(reply))  # type: ignore[misc]

    return run


def _each(name: str) -> Callable[[], tuple[bytes, ...]]:
    """Return what makes an input of each reply that a simulator gave."""
    return lambda: tuple(dict.fromkeys(reply for data in recorded(name) for reply in data[1:].split(SPLIT)))


TARGETS = tuple(Target(f"{name}-documents", reading(name), _each(name)) for name in READS)
