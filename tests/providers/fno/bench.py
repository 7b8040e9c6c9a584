"""Finance + Operations for the contract."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from app.events.sales_order_reference import reference_of as fno_reference
from app.providers.fno.actions import status_field
from app.providers.fno.client import Fno
from app.providers.http import Timeouts
from app.providers.port import Action, Provider, UnsharedLease
from app.sandbox.vendors.fno import STATUS_FIELD, FnoSimulator
from app.sandbox.vendors.host import Simulators
from tests.dualwrite.rows import ORDERS, an_order
from tests.providers.bench import Clock
from tests.providers.bigcommerce.bench import an_update
from tests.providers.fno.sales_order_rows import a_line, a_row
from tests.providers.recording_proxy import RecordedRequest

STAGES = ("Confirmed", "Picked", "Delivered", "Invoiced")
STATUS_AT = status_field(STATUS_FIELD)
"""Where the simulated tenant takes a status."""


class FnoBench:
    name = "fno"
    secret = "simulated-fno-secret"
    orders = 40

    async def seed(self, simulators: Simulators) -> None:
        """Nothing moves by itself: the contract looks at what the client does."""
        simulators.of(FnoSimulator).set_delays(dict.fromkeys(STAGES))

    def open(self, base_url: str, timeouts: Timeouts, clock: Clock) -> Fno:
        url = f"{base_url}/fno"
        return Fno(
            url,
            f"{url}/token",
            "simulated-client",
            lambda: self.secret,
            timeouts=timeouts,
            clock=clock,
            status_field=STATUS_AT,
        )

    def action(self, order: int, *, repeated: bool = False) -> Action:
        row = a_row(reference_of(order))
        return Action("Send order to fulfillment", "e1", reference_of(order), 1, repeated, row)

    def foreign_action(self) -> Action:
        return replace(an_update("1"), name="Send order to fulfillment")

    def action_for(self, order_id: str, *, repeated: bool = False) -> Action:
        row = replace(ORDERS.to_row(an_order(order_id=order_id)), Lines=(a_line(1), a_line(2)))
        return Action("Send order to fulfillment", "e1", order_id, 1, repeated, row)

    def accepts(self, order_id: str) -> bool:
        """An id that does not fit CustomersOrderReference stands in URL as well."""
        return len(order_id.encode("utf-16-le")) // 2 <= 255

    def effects_of(self, simulators: Simulators, order_id: str) -> Sequence[str]:
        """Headers with their lines by our line id, and whether F+O may work on them."""
        return [
            f"{[line.values['ExternalItemNumber'] for line in order.lines.values()]} stopped: {order.stopped}"
            for order in simulators.of(FnoSimulator).orders.all()
            if order.header.values["CustomersOrderReference"] == fno_reference(order_id)
        ]

    def write(self, request: RecordedRequest) -> bool:
        return request.matches("POST", r"/data/SalesOrderHeadersV4\b")

    def look(self, request: RecordedRequest) -> bool:
        return request.matches("GET", r"/data/SalesOrderHeadersV4\?")

    def effects(self, simulators: Simulators, order: int) -> Sequence[str]:
        return self.effects_of(simulators, reference_of(order))

    def one_effect(self) -> Sequence[str]:
        return ["['1', '2'] stopped: False"]

    def reference(self, simulators: Simulators, order: int) -> str:
        return simulators.of(FnoSimulator).orders.with_reference(reference_of(order))[0].number

    def strange(self, body: Any) -> Any:
        odd = {"SalesOrderStatus": "Frozen", "SalesOrderProcessingStatus": "Thawed", "NewField": {"deep": [1]}}
        return {**body, "value": [{**header, **odd} for header in body["value"]]}

    async def amounts(self, provider: Provider, simulators: Simulators) -> Sequence[tuple[int, int]]:
        """Amounts as F+O holds them, in ten-thousandths, beside those of the row."""
        wanted = (1, 12_345_678, 9_999_999_999_999_999, 3_333)
        lines = tuple(a_line(at, SalesPrice=amount, LineAmount=amount) for at, amount in enumerate(wanted, 1))
        row = a_row("bc-demo-amounts", Lines=lines)
        await provider.perform(
            Action("Send order to fulfillment", "e2", "bc-demo-amounts", 1, False, row), UnsharedLease()
        )
        held = simulators.of(FnoSimulator).orders.with_reference("bc-demo-amounts")[0].lines.values()
        return [(int(line.values["SalesPrice"] * 10_000), amount) for line, amount in zip(held, wanted, strict=True)]


def reference_of(order: int) -> str:
    return f"bc-demo-{order}"


BENCH = FnoBench()
