"""What really happened to the goods and the invoices of each order, by the providers' own books alone.

An order may only say of itself what is true there; and nobody may be told what he must not, or before his turn.
"""

from decimal import Decimal
from typing import Any, Final

import httpx

from app.domain.lifecycle import RANKS
from app.domain.order import AMOUNT_SCALE, Order
from app.events.model import OrderStatus
from app.events.sales_order_change import SalesOrderChange
from app.sandbox.vendors.fno.order_store import SalesOrder
from app.sandbox.vendors.sap.invoicing import is_standing
from app.sandbox.vendors.simulation import JournalEffect
from tests.simulation.expected import (
    MADE_AT_FNO,
    NEVER_WRITTEN_TO_FNO,
    SHIPPED_BY_FLEXE,
    TOLD_THE_SHOP,
    Expectation,
    Expected,
)
from tests.simulation.providers import Providers
from tests.simulation.transaction import decoded

_GONE: Final = ("Delivered", "Invoiced")
DAY_MS: Final = 86_400_000
"""No backorder is given up sooner than that."""
_WRITES: Final = ("POST", "PATCH", "PUT", "DELETE")


class Truth:
    def __init__(self, world: Any) -> None:
        self._expected: Expected = world.workload.expected
        self._providers: Providers = world.providers
        self._cluster = world.cluster
        self._since: dict[str, int] = {}
        self._seen = 0
        self._statuses: dict[str, list[int]] = {}
        self._created: dict[tuple[str, str], int] = {}
        self._posted: dict[str, dict[str, Decimal]] = {}
        """By order and item, the most that ever stood invoiced at SAP at a time."""

    # ---- what is true ----

    def shipped(self, order_id: str, wanted: Expectation) -> set[str]:
        """The lines all of which has left."""
        if wanted.scenario not in SHIPPED_BY_FLEXE:
            return self._at_fno(order_id, wanted, _GONE)
        held = self._providers.house.orders.with_external_id(order_id)
        return set() if held is None else held.creation.ordered().keys() - held.remaining().keys()

    def invoiced(self, order_id: str, wanted: Expectation) -> set[str]:
        """The lines all of which is invoiced, or was before an invoice was cancelled."""
        if wanted.scenario != 5:
            return self._at_fno(order_id, wanted, ("Invoiced",))
        found = self._providers.accounts.orders.with_reference(order_id)
        posted = self._posted.get(order_id, {})
        return {
            item.values["UnderlyingPurchaseOrderItem"]
            for order in found
            for item in order.lists["to_Item"]
            if posted.get(item.values["SalesOrderItem"], 0) >= item.values["RequestedQuantity"]
        }

    def at_fno(self, order_id: str, wanted: Expectation) -> list[SalesOrder]:
        if wanted.erp[1]:
            found = self._providers.erp.orders.find(*wanted.erp)
            return [] if found is None else [found]
        return self._providers.erp.orders.with_reference(order_id)

    def _at_fno(self, order_id: str, wanted: Expectation, statuses: tuple[str, ...]) -> set[str]:
        return {
            str(line.values["ExternalItemNumber"] or int(line.values["LineNumber"]))
            for order in self.at_fno(order_id, wanted)
            for line in order.lines.values()
            if line.values["SalesOrderLineStatus"] in statuses
        }

    def told_the_shop(self, order_id: str) -> list[int]:
        """The statuses that the order was given in the shop, one after another."""
        return self._statuses.get(order_id, [])

    # ---- what an order says of itself ----

    def check_status(self, status: OrderStatus, at: int) -> None:
        """`at`: when what it tells of happened (ms)."""
        wanted = self._expected.orders[status.order_id]
        shipped, invoiced = self.shipped(status.order_id, wanted), self.invoiced(status.order_id, wanted)
        for line in status.lines:
            rank = RANKS.get((line.state, line.reason), 0)
            where = f"line {line.line_id} of {status.order_id} is {line.state}"
            assert rank < 2 or line.line_id in shipped, f"{where}, but not all of it has left"
            assert rank < 3 or line.line_id in invoiced, f"{where}, but not all of it is invoiced"
        waited_ms = at - self._since.setdefault(status.order_id, at)
        assert status.event != "backorder expired" or waited_ms >= DAY_MS, f"{status.order_id} waited {waited_ms} ms"

    def check_complete(self, order: Order) -> None:
        """All that was ordered has left and is invoiced, but for lines that were canceled."""
        wanted = self._expected.orders[order.order_id]
        lines = {line.line_id for line in order.lines if line.state != "Canceled"}
        missing = lines - (self.shipped(order.order_id, wanted) & self.invoiced(order.order_id, wanted))
        assert not missing, f"{order.order_id} is completed: lines {missing} have not left, or are not invoiced"
        pieces = sum(line.quantity for line in order.lines)
        assert pieces == wanted.pieces * AMOUNT_SCALE, f"{order.order_id}: {wanted.pieces} pieces became {pieces}"

    def check_row(self, order_id: str, change: SalesOrderChange) -> None:
        """A row for F+O: an action asked for it, or somebody here changed a field (S3)."""
        wanted = self._expected.orders[order_id]
        if not change.source.effect_id:
            assert wanted.course == "moved", f"F+O is to be told of a change of {order_id} that nobody made here"
            return
        assert wanted.scenario not in NEVER_WRITTEN_TO_FNO, f"F+O is to be told of {order_id}"
        if wanted.scenario in SHIPPED_BY_FLEXE:
            self._check_left(order_id, wanted, "F+O is to be told")

    # ---- what providers are told ----

    def check_request(self, request: httpx.Request) -> None:
        """Nothing is written about orders that F+O must hear nothing of."""
        if request.url.host != "erp.example" or request.method not in _WRITES:
            return
        for order_id, wanted in self._expected.orders.items():
            if wanted.scenario in NEVER_WRITTEN_TO_FNO and wanted.course != "moved":
                named = f"'{wanted.erp[1]}'" in request.url.path or wanted.erp[1].encode() in request.content
                assert not named, f"{request.method} {request.url} is about {order_id}"

    def check_effects(self) -> None:
        for effect in self._providers.world.journal.effects(after=self._seen):
            self._seen = effect.seq
            if effect.order in self._expected.orders:
                self._check_effect(effect, self._expected.orders[effect.order])

    def _check_effect(self, effect: JournalEffect, wanted: Expectation) -> None:
        match effect.provider, effect.kind:
            case "bigcommerce", "status changed":
                seen = self._statuses.setdefault(effect.order, [])
                seen.append(int(str(effect.detail["status_id"])))
                assert seen in TOLD_THE_SHOP[wanted.scenario], f"the shop was told {seen} of {effect.order}"
            case _, "order created":
                self._check_created(effect, wanted)
            case "fno", "line created":
                self._check_lines(effect.order, wanted)
            case "sap", "order invoiced" | "invoice canceled":
                self._note_posted(effect.order)
        if effect.provider == "fno" and effect.detail.get("by") == "iom":
            self._check_written_to_fno(effect, wanted)

    def _check_written_to_fno(self, effect: JournalEffect, wanted: Expectation) -> None:
        """Of orders born there F+O hears what somebody changed here, and that Flexe has shipped where F+O invoices."""
        if wanted.scenario == 3 and effect.kind == "order delivered":
            self._check_left(effect.order, wanted, "F+O is told")
        elif wanted.erp[1]:
            moved = wanted.course == "moved" and effect.kind == "order changed"
            assert moved, f"F+O was told of {effect.order}: {effect.kind} {effect.detail}"

    def _check_created(self, effect: JournalEffect, wanted: Expectation) -> None:
        """Each provider has an order once. Flexe is asked without a company, accounting when all has left."""
        place = (effect.provider, effect.order)
        self._created[place] = self._created.get(place, 0) + 1
        assert self._created[place] == 1, f"{effect.order} exists {self._created[place]} times at {effect.provider}"
        match effect.provider:
            case "flexe":
                assert wanted.scenario in SHIPPED_BY_FLEXE, f"{effect.order} is not for Flexe"
                self._check_asked_of_flexe(effect.order, wanted)
            case "sap":
                assert wanted.scenario == 5, f"{effect.order} is not for SAP"
                self._check_left(effect.order, wanted, "SAP bills")
            case "fno" if not wanted.erp[1]:
                assert wanted.scenario in MADE_AT_FNO, f"{effect.order} is not to be made at F+O"
                if wanted.scenario in SHIPPED_BY_FLEXE:
                    self._check_left(effect.order, wanted, "F+O bills")

    def _check_asked_of_flexe(self, order_id: str, wanted: Expectation) -> None:
        asked = [r for r in self._cluster.read_all("fulfillment-requested") if r.key == order_id.encode()]
        assert asked, f"nobody asked Flexe to fulfill {order_id}"
        companies = {decoded(record).body.order.company for record in asked}
        assert wanted.scenario != 2 or companies == {None}, f"{order_id} went to Flexe with {companies}"

    def _check_left(self, order_id: str, wanted: Expectation, what: str) -> None:
        left = len(self.shipped(order_id, wanted))
        assert left == wanted.lines, f"{what} of {order_id} when {left} of {wanted.lines} lines have left"

    def _check_lines(self, order_id: str, wanted: Expectation) -> None:
        for order in self.at_fno(order_id, wanted):
            lines = [line.values["ExternalItemNumber"] for line in order.lines.values()]
            assert len(lines) == len(set(lines)), f"a line of {order_id} exists twice at F+O: {lines}"

    def _note_posted(self, order_id: str) -> None:
        book = self._providers.accounts.orders
        numbers = {order.values["SalesOrder"] for order in book.with_reference(order_id)}
        now: dict[str, Decimal] = {}
        for document in book.billing_documents.values():
            posted = is_standing(document) and document.values["AccountingTransferStatus"] == "C"
            for item in document.lists["to_Item"] if posted else ():
                if item.values["SalesDocument"] in numbers:
                    number = item.values["SalesDocumentItem"]
                    now[number] = now.get(number, Decimal(0)) + item.values["BillingQuantity"]
        most = self._posted.setdefault(order_id, {})
        for number, quantity in now.items():
            most[number] = max(most.get(number, Decimal(0)), quantity)
