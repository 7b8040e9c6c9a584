"""SAP for the contract."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from app.providers.http import Timeouts
from app.providers.port import Action, Provider, UnsharedLease
from app.providers.sap.actions import mark_of
from app.providers.sap.client import Sap
from app.sandbox.vendors.host import Simulators
from app.sandbox.vendors.sap import SapSimulator
from app.sandbox.vendors.sap.progression import STAGES
from tests.providers.bench import Clock
from tests.providers.bigcommerce.bench import an_update
from tests.providers.recording_proxy import RecordedRequest
from tests.providers.sap.orders import AREA, PASSWORD, USER, a_line, an_order, billing

AMOUNTS_ID = "fno-usmf-amounts"


class SapBench:
    name = "sap"
    secret = PASSWORD
    orders = 40

    async def seed(self, simulators: Simulators) -> None:
        """Nothing is billed by itself: the contract looks at what the client does."""
        simulators.of(SapSimulator).set_delays(dict.fromkeys(STAGES))

    def open(self, base_url: str, timeouts: Timeouts, clock: Clock) -> Sap:
        return Sap(f"{base_url}/sap", USER, lambda: self.secret, AREA, timeouts=timeouts, clock=clock)

    def action(self, order: int, *, repeated: bool = False) -> Action:
        return billing(an_order(order_id_of(order)), repeated=repeated)

    def foreign_action(self) -> Action:
        return replace(an_update("1"), name="Create sales order for accounting")

    def action_for(self, order_id: str, *, repeated: bool = False) -> Action:
        return billing(an_order(order_id), repeated=repeated)

    def accepts(self, order_id: str) -> bool:
        return True

    def effects_of(self, simulators: Simulators, order_id: str) -> Sequence[str]:
        """Sales orders with this order's mark, each with its items by our line id."""
        ours = [
            one
            for one in simulators.of(SapSimulator).orders.by_number.values()
            if one.values["PurchaseOrderByShipToParty"] == mark_of(order_id)
        ]
        return [str([item.values["UnderlyingPurchaseOrderItem"] for item in one.lists["to_Item"]]) for one in ours]

    def write(self, request: RecordedRequest) -> bool:
        return request.matches("POST", r"/A_SalesOrder$")

    def look(self, request: RecordedRequest) -> bool:
        return request.matches("GET", r"/A_SalesOrder\?")

    def effects(self, simulators: Simulators, order: int) -> Sequence[str]:
        return self.effects_of(simulators, order_id_of(order))

    def one_effect(self) -> Sequence[str]:
        return ["['1', '2']"]

    def reference(self, simulators: Simulators, order: int) -> str:
        return str(simulators.of(SapSimulator).orders.with_reference(order_id_of(order))[0].values["SalesOrder"])

    def strange(self, body: Any) -> Any:
        odd = {"OverallSDProcessStatus": "Z", "OverallSDDocumentRejectionSts": "?", "NewField": {"deep": [1]}}
        return {"d": {"results": [{**order, **odd} for order in body["d"]["results"]], "__count": "?"}}

    async def amounts(self, provider: Provider, simulators: Simulators) -> Sequence[tuple[int, int]]:
        """What each line costs by its price at SAP, in ten-thousandths, beside its total; then the quantities."""
        totals = (1, 12_345_678, 9_999_999_999_999, 3_333)
        quantities = (10_000, 25_000, 70, 990_000)
        pairs = enumerate(zip(totals, quantities, strict=True), 1)
        lines = tuple(a_line(at, total=total, quantity=quantity) for at, (total, quantity) in pairs)
        await provider.perform(billing(an_order(AMOUNTS_ID, lines=lines)), UnsharedLease())
        items = simulators.of(SapSimulator).orders.with_reference(AMOUNTS_ID)[0].lists["to_Item"]
        held = [_cost(item.lists["to_PricingElement"][0].values, item.values["RequestedQuantity"]) for item in items]
        counted = [int(item.values["RequestedQuantity"] * 10_000) for item in items]
        return [*zip(held, totals, strict=True), *zip(counted, quantities, strict=True)]


def _cost(price: dict[str, Any], quantity: Decimal) -> int:
    cost = price["ConditionRateValue"] * quantity / price["ConditionQuantity"] * 10_000
    assert cost == int(cost), "to the last place"
    return int(cost)


def order_id_of(order: int) -> str:
    return f"fno-usmf-so-{order}"


BENCH = SapBench()
