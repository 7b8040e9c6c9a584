"""Reads the invoices that came since a cursor, with the sales orders behind them, and tells what they mean for orders.

SAP is asked for many documents at once: a page of invoices takes a call for each 20 of their sales orders.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from app.providers.port import Always, Page, RefusedOrder
from app.providers.sap import billing
from app.providers.sap.cursor import Cursor, Stamp, fresh_of, parse, settled_at, write
from app.providers.sap.session import Session
from app.providers.wire import Call, MalformedReplyError

INVOICES_PER_PULL: Final = 200
_ALWAYS: Final = Always()

Rows = list[dict[str, Any]]


class Invoices:
    """Of one sales organization. `item_reference` is the field of an item that carries the line id."""

    def __init__(self, session: Session, organization: str, item_reference: str) -> None:
        self._session, self._organization, self._item_reference = session, organization, item_reference

    async def pull(self, cursor: str | None) -> Page:
        """At most INVOICES_PER_PULL invoices. See Source.pull."""
        position = parse(cursor)
        unread, rest, settled = await self._unread(position)
        taken = fresh_of(position, unread)[:INVOICES_PER_PULL]
        if not taken:
            return Page((), write(position.idle(settled)))
        invoices, refused = _readable([unread[stamp] for stamp in taken])
        found = await self._found(invoices, position)
        more = rest or len(taken) < len(unread)
        return Page(
            orders=(),
            cursor=write(position.after(taken, found.reported, settled, more=more)),
            refused=(*refused, *found.refused),
            more=more,
            events=tuple(found.events),
        )

    async def _unread(self, position: Cursor) -> tuple[dict[Stamp, dict[str, Any]], bool, int]:
        """The first window that has an invoice not read yet, whether more may follow, and what time is settled.

        A window is only passed over when all of it is known, and is read again then: an invoice that changes
        meanwhile moves to the end, and another one across the border of two windows, unseen.
        """
        rows, sap_time = await self._window(position, 0)
        settled, skip = settled_at(sap_time, self._stamps(rows)), 0
        while True:
            full = len(rows) >= billing.PAGE_DOCUMENTS
            unread = self._fresh(position, rows)
            if unread and skip:
                for earlier in range(0, skip, billing.PAGE_DOCUMENTS):
                    rows = (await self._window(position, earlier))[0] + rows
                unread = self._fresh(position, rows)
            if unread or not full:
                return unread, full, settled
            skip += billing.PAGE_DOCUMENTS
            rows, _ = await self._window(position, skip)

    async def _window(self, position: Cursor, skip: int) -> tuple[Rows, int | None]:
        page = await self._session.all(billing.list_documents(position, self._organization, skip), _ALWAYS)
        return page.entities, page.at

    def _fresh(self, position: Cursor, rows: Rows) -> dict[Stamp, dict[str, Any]]:
        """By what they are remembered by."""
        return {
            stamp: row
            for stamp, row in zip(self._stamps(rows), rows, strict=True)
            if billing.counts(row) and position.is_fresh(stamp)
        }

    def _stamps(self, rows: Rows) -> list[Stamp]:
        """A document that has no number or time leaves nothing to go on from, so that it fails the pull."""
        return self._session.understood(rows, lambda documents: list(map(billing.stamp_of, documents)))

    async def _found(self, invoices: Sequence[billing.Invoice], position: Cursor) -> billing.Found:
        numbers = sorted({billed.sales_order for invoice in invoices for billed in invoice.billed})
        listed = partial(billing.list_sales_orders, item_reference=self._item_reference)
        orders = self._session.understood(await self._batches(listed, numbers), billing.our_orders)
        billed = await self._batches(billing.list_billed, sorted(orders))
        quantities = self._session.understood(billed, billing.standing)
        return billing.report(invoices, orders, quantities, position.reported)

    async def _batches(self, call: Callable[[Sequence[str]], Call], numbers: Sequence[str]) -> Rows:
        rows: Rows = []
        for start in range(0, len(numbers), billing.ORDERS_PER_CALL):
            batch = numbers[start : start + billing.ORDERS_PER_CALL]
            rows += (await self._session.all(call(batch), _ALWAYS)).entities
        return rows


def _readable(documents: Iterable[dict[str, Any]]) -> tuple[list[billing.Invoice], list[RefusedOrder]]:
    """The invoices, and those that are not as documented: one odd document does not stop all others."""
    invoices, refused = [], []
    for document in documents:
        try:
            invoices.append(billing.invoice_of(document))
        except MalformedReplyError as exc:
            refused.append(billing.refuse(document, str(exc)))
    return invoices, refused
