"""Feed of SAP: the invoices since a cursor, with the sales orders behind them, as events of orders.

One call asks for many documents: a page of invoices takes one call for each 20 of their sales orders.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from app.providers.http_messages import Call, MalformedReplyError
from app.providers.port import Page, RefusedOrder, UnsharedLease
from app.providers.sap import billing
from app.providers.sap.cursor import Cursor, Stamp, fresh_of, parse, settled_at, write
from app.providers.sap.session import Session

INVOICES_PER_PULL: Final = 200
WINDOWS_MAX: Final = 100
"""Windows of a list that are looked at for an invoice not read yet: 20,000 invoices."""
_LEASE: Final = UnsharedLease()

Rows = list[dict[str, Any]]


class InvoiceFeed:
    """The feed of one sales organization. `item_reference` is the field of an item that carries the line id."""

    def __init__(self, session: Session, organization: str, item_reference: str) -> None:
        self._session = session
        self._organization = organization
        self._item_reference = item_reference

    async def pull(self, cursor: str | None) -> Page:
        """Pull at most INVOICES_PER_PULL invoices. See PullSource.pull."""
        position = parse(cursor)
        unread, rest, settled = await self._unread(position)
        stamps = fresh_of(position, unread)[:INVOICES_PER_PULL]
        if not stamps:
            return Page((), write(position.idle(settled)))
        invoices, refused = _readable([unread[stamp] for stamp in stamps])
        report = await self._report(invoices, position)
        more = rest or len(stamps) < len(unread)
        return Page(
            orders=(),
            cursor=write(position.after(stamps, report.reported, settled, more=more)),
            refused=(*refused, *report.refused),
            more=more,
            events=tuple(report.events),
        )

    async def _unread(self, position: Cursor) -> tuple[dict[Stamp, dict[str, Any]], bool, int]:
        """Return the first window with an invoice not read yet, whether more may follow, and the settled time.

        A window is passed over only when all of it was read before, and is then read again: an invoice that changes
        meanwhile moves to the end, and another one moves across the border of two windows, unseen.
        """
        rows, sap_time = await self._window(position, 0)
        settled, skip = settled_at(sap_time, self._stamps(rows)), 0
        for _ in range(WINDOWS_MAX):
            full = len(rows) >= billing.PAGE_DOCUMENTS
            unread = self._fresh(position, rows)
            if unread and skip:
                for earlier in range(0, skip, billing.PAGE_DOCUMENTS):
                    rows = (await self._window(position, earlier))[0] + rows
                unread = self._fresh(position, rows)
            if unread or not full:
                return unread, full, settled
            skip += billing.PAGE_DOCUMENTS
            rows, _at = await self._window(position, skip)
        raise self._session.failure(f"a list of more than {WINDOWS_MAX} windows")

    async def _window(self, position: Cursor, skip: int) -> tuple[Rows, int | None]:
        page = await self._session.all(billing.list_documents(position, self._organization, skip), _LEASE)
        return page.entities, page.at

    def _fresh(self, position: Cursor, rows: Rows) -> dict[Stamp, dict[str, Any]]:
        """Return the rows that count and are not read yet, by stamp."""
        return {
            stamp: row
            for stamp, row in zip(self._stamps(rows), rows, strict=True)
            if billing.counts(row) and position.is_fresh(stamp)
        }

    def _stamps(self, rows: Rows) -> list[Stamp]:
        """Return the stamp of each row. One without number or time fails the pull: no cursor could go past it."""
        return self._session.interpret(rows, lambda documents: list(map(billing.stamp_of, documents)))

    async def _report(self, invoices: Sequence[billing.Invoice], position: Cursor) -> billing.InvoiceReport:
        numbers = sorted({billed.sales_order for invoice in invoices for billed in invoice.billed})
        list_call = partial(billing.list_sales_orders, item_reference=self._item_reference)
        orders = self._session.interpret(await self._batches(list_call, numbers), billing.our_orders)
        billed = await self._batches(billing.list_billed, sorted(orders))
        quantities = self._session.interpret(billed, billing.invoiced_quantities)
        return billing.report(invoices, orders, quantities, position.reported)

    async def _batches(self, call: Callable[[Sequence[str]], Call], numbers: Sequence[str]) -> Rows:
        rows: Rows = []
        for start in range(0, len(numbers), billing.ORDERS_PER_CALL):
            batch = numbers[start : start + billing.ORDERS_PER_CALL]
            rows += (await self._session.all(call(batch), _LEASE)).entities
        return rows


def _readable(documents: Iterable[dict[str, Any]]) -> tuple[list[billing.Invoice], list[RefusedOrder]]:
    """Return the invoices, and refusals of malformed ones: one odd document does not stop all others."""
    invoices: list[billing.Invoice] = []
    refused: list[RefusedOrder] = []
    for document in documents:
        try:
            invoices.append(billing.invoice_of(document))
        except MalformedReplyError as exc:
            refused.append(billing.refuse(document, str(exc)))
    return invoices, refused
