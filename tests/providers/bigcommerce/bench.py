"""BigCommerce for the contract."""

from collections.abc import Sequence
from typing import Any

from app.domain.order import Order
from app.events.model import ChannelUpdateRequested
from app.providers.bigcommerce.client import BigCommerce
from app.providers.http import Timeouts
from app.providers.port import Action, Provider
from app.sandbox.vendors.bigcommerce import BigCommerceSimulator
from app.sandbox.vendors.host import Simulators
from tests.providers.bench import Clock
from tests.providers.bigcommerce.wire_orders import a_product, a_wire_order
from tests.providers.recording_proxy import RecordedRequest

FIRST_ID = 500


class BigCommerceBench:
    name = "bigcommerce"
    secret = "simulated-bigcommerce-token"
    orders = 40

    async def seed(self, simulators: Simulators) -> None:
        simulators.of(BigCommerceSimulator).set_limits(100_000, 30_000)
        wires = [a_wire_order(FIRST_ID + number) for number in range(self.orders)]
        simulators.of(BigCommerceSimulator).orders.seed(wires, touch=False)

    def open(self, base_url: str, timeouts: Timeouts, clock: Clock) -> BigCommerce:
        return BigCommerce(
            f"{base_url}/bigcommerce", "demo", lambda: self.secret, timeouts=timeouts, clock=clock, sleep=_no_sleep
        )

    def action(self, order: int, *, repeated: bool = False) -> Action:
        return an_update(str(FIRST_ID + order), repeated=repeated)

    def foreign_action(self) -> Action:
        return an_update(str(FIRST_ID), name="Send order to fulfillment")

    def action_for(self, order_id: str, *, repeated: bool = False) -> Action:
        """The ids of BigCommerce are whole numbers."""
        return an_update(order_id, repeated=repeated)

    def accepts(self, order_id: str) -> bool:
        return order_id == str(FIRST_ID)

    def effects_of(self, simulators: Simulators, order_id: str) -> Sequence[str]:
        return self.effects(simulators, 0) if self.accepts(order_id) else []

    def write(self, request: RecordedRequest) -> bool:
        return request.matches("PUT", r"/orders/\d+$")

    def look(self, request: RecordedRequest) -> bool:
        return request.matches("GET", r"/orders/\d+$")

    def effects(self, simulators: Simulators, order: int) -> Sequence[str]:
        """The order's status, once for each change of it."""
        journal = simulators.world.journal.effects("bigcommerce")
        _seeded, *changes = [effect for effect in journal if effect.order == f"bc-demo-{FIRST_ID + order}"]
        status_id = simulators.of(BigCommerceSimulator).orders.get(FIRST_ID + order).fields["status_id"]
        return [f"status {status_id}" for _ in changes]

    def one_effect(self) -> Sequence[str]:
        return ["status 2"]

    def reference(self, simulators: Simulators, order: int) -> str:
        return str(FIRST_ID + order)

    def strange(self, body: Any) -> Any:
        return {**body, "status": "Freshly Renamed", "payment_status": "paid in shells", "new_field": {"deep": [1]}}

    async def amounts(self, provider: Provider, simulators: Simulators) -> Sequence[tuple[int, int]]:
        """Amounts as they are in the order that was pulled, beside those of the wire."""
        odd = [a_product(1, price_inc_tax="0.0001"), a_product(2, total_inc_tax="999999999999.9999")]
        simulators.of(BigCommerceSimulator).orders.seed([a_wire_order(9000, products=odd)], touch=True)
        assert isinstance(provider, BigCommerce)
        orders = [order for order in await everything(provider) if order.source_ref == "9000"]
        lines = orders[0].lines
        return [(lines[0].unit_price, 1), (lines[1].total, 9_999_999_999_999_999), (lines[0].quantity, 20_000)]


async def everything(provider: BigCommerce) -> list[Order]:
    """All orders, page by page."""
    cursor: str | None = None
    orders: list[Order] = []
    while True:
        page = await provider.pull(cursor)
        cursor = page.cursor
        orders += page.orders
        if not page.more:
            return orders


def an_update(source_ref: str, *, reason: str = "Packed", repeated: bool = False, name: str = "") -> Action:
    body = ChannelUpdateRequested(
        order_id=f"bc-demo-{source_ref}",
        source_ref=source_ref,
        effect_id="e1",
        provider="bigcommerce",
        action="Update order status",
        attempt=1,
        through="http",
        state="Fulfillment in Process",
        reason=reason,
        lines=(),
    )
    return Action(name or "Update order status", "e1", body.order_id, 1, repeated, body)


async def _no_sleep(_seconds: float) -> None:
    return


BENCH = BigCommerceBench()
