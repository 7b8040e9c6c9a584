"""Flexe for the contract."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from app.domain.order import Order
from app.events.model import FulfillmentRequested
from app.providers.flexe.client import Flexe
from app.providers.flexe.quantities import from_text
from app.providers.http import Timeouts
from app.providers.port import Action, Provider, UnsharedLease
from app.sandbox.vendors.flexe import FlexeSimulator
from app.sandbox.vendors.flexe.progression import STAGES
from app.sandbox.vendors.host import Simulators
from tests.providers.bench import Clock
from tests.providers.orders import a_line, an_order
from tests.providers.recording_proxy import RecordedRequest

ORDERS = "/v1/outbound-orders"


class FlexeBench:
    name = "flexe"
    secret = "simulated-flexe-key"
    orders = 40

    async def seed(self, simulators: Simulators) -> None:
        """Nothing moves by itself: the contract looks at what the client does."""
        simulators.of(FlexeSimulator).set_limits(100_000, 60_000)
        simulators.of(FlexeSimulator).set_delays(dict.fromkeys(STAGES))

    def open(self, base_url: str, timeouts: Timeouts, clock: Clock) -> Flexe:
        return Flexe(f"{base_url}/flexe", lambda: self.secret, "simulated-owner", timeouts=timeouts, clock=clock)

    def action(self, order: int, *, repeated: bool = False) -> Action:
        return a_request(an_order(f"bc-demo-{order}"), repeated=repeated)

    def foreign_action(self) -> Action:
        return replace(a_request(an_order()), name="Update order status")

    def action_for(self, order_id: str, *, repeated: bool = False) -> Action:
        return a_request(an_order(order_id), repeated=repeated)

    def accepts(self, order_id: str) -> bool:
        return True

    def effects_of(self, simulators: Simulators, order_id: str) -> Sequence[str]:
        journal = simulators.world.journal.effects("flexe")
        return [effect.kind for effect in journal if effect.order == order_id]

    def write(self, request: RecordedRequest) -> bool:
        return request.matches("POST", rf"{ORDERS}$")

    def look(self, request: RecordedRequest) -> bool:
        return request.matches("GET", rf"{ORDERS}\?external_id=bc-demo-\d+$")

    def effects(self, simulators: Simulators, order: int) -> Sequence[str]:
        return self.effects_of(simulators, f"bc-demo-{order}")

    def one_effect(self) -> Sequence[str]:
        return ["order created"]

    def reference(self, simulators: Simulators, order: int) -> str:
        held = simulators.of(FlexeSimulator).orders.with_external_id(f"bc-demo-{order}")
        assert held is not None
        return held.order_id

    def strange(self, body: Any) -> Any:
        odd = {"status": "teleported", "hold": {"deep": [1]}, "new_field": None}
        return {"outbound_orders": [{**order, **odd} for order in body["outbound_orders"]], "total": 1}

    async def amounts(self, provider: Provider, simulators: Simulators) -> Sequence[tuple[int, int]]:
        """Quantities as Flexe holds them, in ten-thousandths, beside those of the order."""
        wanted = (1, 5_000, 20_000, 12_345_678, 999_999_999_999_999_999)
        order = an_order("bc-demo-amounts", tuple(a_line(str(at), quantity) for at, quantity in enumerate(wanted)))
        await provider.perform(a_request(order), UnsharedLease())
        held = simulators.of(FlexeSimulator).orders.with_external_id("bc-demo-amounts")
        assert held is not None
        return [
            (from_text(item.quantity), quantity) for item, quantity in zip(held.creation.items, wanted, strict=True)
        ]


def a_request(order: Order, *, repeated: bool = False) -> Action:
    body = FulfillmentRequested(order, "e1", "flexe", "Send order to fulfillment", 1, "http")
    return Action("Send order to fulfillment", "e1", order.order_id, 1, repeated, body)


BENCH = FlexeBench()
