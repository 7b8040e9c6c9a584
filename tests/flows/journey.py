"""Takes one order through a shipped flow, event by event: the way in which flow tests make data and drive `step`."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from msgspec.structs import replace

from app.domain.order import Address, Effect, FulfillmentOrder, Line, Order, OrderState, Timer
from app.events.ids import derive
from app.events.model import (
    Body,
    Event,
    LineQuantity,
    OrderCommand,
    OrderCreated,
    OrderStatus,
    ProviderEvent,
    ProviderResult,
    SourcingResult,
)
from app.flows.engine import Step, step
from app.flows.installed import INSIDE, ActionSpec, EngineLimits, Setup
from app.flows.loading.flow_compiler import Flow
from app.flows.loading.published import Published, publish
from app.policies.policy_compiler import CompiledPolicy, all_rules
from app.resources import flow_files, policy_files

START_MS = 1_760_000_000_000
MAPS = ("salesorders.fno-to-iom", "salesorders.iom-to-fno")
SEND = ActionSpec("fno", "Send order to fulfillment", "fulfillment requested", "dual-write", MAPS)
UPDATE = ActionSpec("bigcommerce", "Update order status", "channel update requested", "http")
BILL = ActionSpec("fno", "Send sales order lines to billing", "billing requested", "dual-write", MAPS)
TELL = ActionSpec("fno", "Send order status", "channel update requested", "dual-write", MAPS[1:])
FULFILL = ActionSpec("flexe", "Send order to fulfillment", "fulfillment requested", "http")
ACCOUNT = ActionSpec("sap", "Create sales order for accounting", "billing requested", "http")
REPORTED = ("order confirmed", "order picked", "order shipped", "order invoiced", "order canceled", "order changed")
SETUP = Setup(
    actions={
        "fno": {spec.action: spec for spec in (SEND, BILL, TELL)},
        "bigcommerce": {UPDATE.action: UPDATE},
        "flexe": {FULFILL.action: FULFILL},
        "sap": {ACCOUNT.action: ACCOUNT},
        **INSIDE.actions,
    },
    events={
        "fno": frozenset(REPORTED),
        "bigcommerce": frozenset({"order created"}),
        "flexe": frozenset({"order shipped", "order delayed", "order canceled"}),
        "sap": frozenset({"order invoiced"}),
        **INSIDE.events,
    },
    maps=frozenset(MAPS),
)
LIMITS = EngineLimits(attempts_max=3)


@cache
def policies() -> dict[str, CompiledPolicy]:
    return all_rules(policy_files())


@cache
def published() -> Published:
    return publish(flow_files(), policies(), SETUP, LIMITS)


def a_line(number: int = 1, **changes: Any) -> Line:
    line = Line(str(number), f"SKU-{number}", f"Thing {number}", 20_000, 125_000, 250_000, reference=f"op-{number}")
    return replace(line, **changes)


def an_order(lines: int = 2, **changes: Any) -> Order:
    """An order of the shop that every policy accepts."""
    address = Address(
        name="Ana",
        street="1 Pine St",
        city="Seattle",
        region="WA",
        postal_code="98101",
        country="US",
        email="a@b.example",
    )
    total = 250_000 * lines
    order = Order(
        order_id="bc-shop-1",
        origin="bigcommerce",
        source_ref="1",
        channel="bigcommerce-1",
        placed_at=START_MS,
        currency="USD",
        subtotal=total,
        shipping=0,
        tax=0,
        discount=0,
        total=total,
        ship_to=address,
        bill_to=address,
        lines=tuple(a_line(number) for number in range(1, lines + 1)),
    )
    return replace(order, **changes)


def an_erp_order(lines: int = 2, **changes: Any) -> Order:
    """An order of F+O, as dual-write brings it: complete and ready."""
    placed = tuple(a_line(number, site="US", warehouse="US-SEA") for number in range(1, lines + 1))
    erp = an_order(
        lines, order_id="fno-usmf-7", origin="fno", source_ref="7", company="USMF", invoice_customer="US-001"
    )
    return replace(erp, **{"lines": placed, "ready_to_sync": True, **changes})


class Journey:
    """Each method applies one event, a second after the last one, and returns the Step."""

    def __init__(self, order: Order, flow: str = "") -> None:
        self.order = order
        self.flow: Flow = published().choose(OrderCreated(order, flow))
        self.kept: OrderState | None = None
        self.steps: list[Step] = []
        self.events: list[Event] = []

    @property
    def state(self) -> OrderState:
        assert self.kept is not None, "the order was not created"
        return self.kept

    @property
    def status(self) -> str:
        return f"{self.state.order.state} / {self.state.order.reason}"

    def apply(self, name: str, body: Body, event_id: str = "") -> Step:
        number = len(self.events)
        event_id = event_id or derive(f"input of {self.order.order_id}", number)
        at = START_MS + 1000 * number
        return self.take(
            Event(name, event_id, self.order.order_id, at, "test", "", body, f"00-{number:032x}-{1:016x}-01")
        )

    def take(self, event: Event) -> Step:
        taken = step(self.flow, self.kept, event)
        self.kept = taken.state
        self.events.append(event)
        self.steps.append(taken)
        return taken

    def created(self, order: Order | None = None) -> Step:
        return self.apply("order created", OrderCreated(order or self.order))

    def reported(
        self,
        event: str,
        *,
        by: str = "fno",
        lines: Mapping[str, int] | None = None,
        values: Mapping[str, str] | None = None,
    ) -> Step:
        quantities = tuple(LineQuantity(line_id, quantity) for line_id, quantity in (lines or {}).items())
        return self.apply(
            "provider event",
            ProviderEvent(self.order.order_id, by, event, f"DOC-{len(self.events)}", 0, quantities, values or {}),
        )

    def answered(self, name: str, outcome: str = "ok", code: str = "", **more: Any) -> Step:
        effect = self.effect(name)
        body = ProviderResult(
            self.order.order_id,
            effect.effect_id,
            effect.provider,
            effect.action,
            more.pop("attempt", effect.attempt),
            outcome,
            code or outcome,
            **more,
        )
        return self.apply("provider result", body)

    def sourced(self, by: Mapping[str, Sequence[str]] | None = None, **more: Any) -> Step:
        """`by`: warehouse -> the lines that it ships, each as `line` or `line=ten-thousandths`."""
        quantities = {line.line_id: line.quantity for line in self.state.order.lines}
        made = len(self.state.fulfillment_orders)
        found = []
        for number, (warehouse, lines) in enumerate((by or {}).items(), start=made + 1):
            parts = [text.partition("=") for text in lines]
            shipped = tuple(LineQuantity(name, int(size) if size else quantities[name]) for name, _, size in parts)
            fo_id = f"{self.order.order_id}-FO{more.get('number', number)}"
            found.append(FulfillmentOrder(fo_id, warehouse[:2], warehouse, shipped))
        lacking = tuple(LineQuantity(name, quantities.get(name, 1)) for name in more.get("lacking", ()))
        outcome = more.get("outcome") or ("none" if not found else "partial" if lacking else "sourced")
        effects = [effect.effect_id for effect in self.state.effects if effect.provider == "dom"]
        effect_id = more.get("effect_id") or (effects[0] if effects else "no-effect")
        waits, cancel_at = more.get("waits", True), more.get("cancel_at", START_MS + 86_400_000)
        return self.apply(
            "sourcing result",
            SourcingResult(
                self.order.order_id, effect_id, outcome, outcome, "", tuple(found), lacking, (), waits, cancel_at
            ),
        )

    def fires(self, name: str) -> Step:
        return self.command("fire timer", subject=self.timer(name).timer_id)

    def command(self, command: str, **more: Any) -> Step:
        return self.apply("order command", OrderCommand(self.order.order_id, command, actor="ops", **more))

    def effect(self, name: str) -> Effect:
        return next(effect for effect in self.state.effects if effect.step == name)

    def timer(self, name: str) -> Timer:
        """The timer of a wait, or the retry timer of a step's effect."""
        effects = {effect.effect_id: effect.step for effect in self.state.effects}
        return next(timer for timer in self.state.timers if name in (timer.subject, effects.get(timer.subject)))


def names(taken: Step) -> list[str]:
    """The outputs in order; a status record is named by the event that it tells of."""
    return [
        f"status of {event.body.event}" if isinstance(event.body, OrderStatus) else event.name for event in taken.events
    ]


def effects(state: OrderState) -> list[str]:
    return [f"{effect.step} #{effect.attempt}" for effect in state.effects]


def waits(state: OrderState) -> list[str]:
    return [timer.subject for timer in state.timers if timer.purpose == "wait"]
