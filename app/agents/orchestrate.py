"""Role `orchestrate`: takes each order through its flow, event by event, and writes the requests and events that
follow."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from secrets import token_bytes
from typing import Final

from app.agents import order_ledger
from app.agents.order_figures import FollowedOrder, OrderFigures, OrderObserver, UnobservedOrders, followed
from app.agents.order_ledger import Early
from app.agents.timers import Timers
from app.domain.command_names import OrderCommandName, PoolCommandName
from app.domain.event_names import EventName
from app.domain.order import Effect, OrderState, Timer
from app.dualwrite.sales_order_mapping import SalesOrders
from app.errors import NewerVersionError, RecordError
from app.events.catalog import CHANGED_AT_IOM, ERP_ROWS, RECORDS, ChangeEvent
from app.events.codec import Codec
from app.events.dead_letters import dead_letter
from app.events.headers import FORGET
from app.events.ids import derive
from app.events.model import (
    BillingRequested,
    ChannelUpdateRequested,
    Event,
    FulfillmentRequested,
    OrderCommand,
    OrderCreated,
    SourcingCommand,
    SourcingRequested,
)
from app.events.order_records import RecordReader, encoded, opened
from app.events.record import Output, Record
from app.events.sales_order_reference import reference_of
from app.flows.engine import Step, StepOutcome, is_forget, step
from app.flows.installed import MAIN_POOL
from app.flows.loading.published import Published
from app.lanes.role import Folded, Role
from app.sealing.aes_siv import KEY_BYTES
from app.sealing.key_book import TOPIC as KEYS_TOPIC
from app.sealing.master_keys import NO_KEYS, MasterKeys
from app.sealing.order_cipher import OrderCipher

SOURCE: Final = "waybill/orchestrate"
EARLY_RECORDS_MAX: Final = 32
EARLY_WAIT_MS: Final = 3_600_000
UNKNOWN: Final = "unknown-order"
EARLY_TIMER: Final = "early"
OF_POOLS: Final = frozenset({PoolCommandName.RUN_BACKORDERS, PoolCommandName.SET_PREFERENCES})
"""Commands to a pool of warehouses."""
DUAL_WRITE: Final = "dual-write"
Requests = FulfillmentRequested | BillingRequested | ChannelUpdateRequested


class Orchestrate(Role):
    """A lane of the role `orchestrate`: the orders of one partition."""

    name = "orchestrate"
    inputs: tuple[str, ...] = (
        "order-created", "order-command", "provider-event", "provider-result", "sourcing-result",
    )  # fmt: skip
    ledger = "order-ledger"

    def __init__(
        self,
        codec: Codec,
        published: Published,
        orders: SalesOrders,
        pools: Mapping[str, int] | None = None,
        partitions: int = 1,
        *,
        lane: int = 0,
        observer: OrderObserver | None = None,
        master_keys: MasterKeys = NO_KEYS,
        random_bytes: Callable[[int], bytes] = token_bytes,
    ) -> None:
        """`pools`: each pool of warehouses and the partition of its requests; the main pool alone by default.

        `partitions` is how many the topic of the ERP's rows has. `lane` is the partition, for the observer.
        `random_bytes` gives the keys of new orders, which are sealed if the `master_keys` are for that.
        """
        self._master_keys, self._random_bytes = master_keys, random_bytes
        self._partitions = partitions
        self._codec, self._published, self._orders = codec, published, orders
        self._pools = pools or {MAIN_POOL: 0}
        self._timers, self._reader = Timers(), RecordReader(codec)
        observer = observer or UnobservedOrders()
        self._figures = OrderFigures([flow.name for flow in published.flows], published.within_ms, observer)
        self._written: dict[bytes, tuple[bytes, FollowedOrder]] = {}
        """Ledger values that folds of this turn have made, and what is followed of their orders, so that a commit need
        not decode them. What a fold that came to nothing leaves here is the value of no order. Whole states are not
        kept: to let go of them later, when no cache has them any more, costs more than to decode some again."""
        self._created_now: set[bytes] = set()
        """Orders that folds of this turn have created."""
        observer.follow(lane, self._figures, self._timers)

    def owner_key(self, record: Record) -> bytes | None:
        return self._reader.owner_key(record)

    def fold(self, record: Record, state: Mapping[bytes, bytes], *, repeated: bool) -> Folded:
        event = self._reader.event(record)
        if isinstance(event.body, OrderCommand) and event.body.command in OF_POOLS:
            return self._pass_on(event, event.body)
        key = event.order_id.encode()
        value = state.get(key)
        entry = order_ledger.decode(value) if value is not None else None
        if isinstance(entry, OrderState):
            order_key = order_ledger.wrapped_key(value or b"")
            event = opened(event, record, self._cipher(event.order_id, order_key)) or event
            return self._folded(key, entry, [self._step(entry, event)], order_key)
        if isinstance(event.body, OrderCreated):
            return self._created(key, event, event.body, entry)
        return self._early(key, record, event, entry)

    # ---- a pool of warehouses ----

    def _pass_on(self, event: Event, body: OrderCommand) -> Folded:
        """Pass a command to a pool, which its order id names, on to the role that keeps the pool."""
        if body.order_id not in self._pools:
            pools = ", ".join(sorted(self._pools))
            raise RecordError(
                "unknown-pool", f"{body.command!r} goes to a pool of warehouses; order_id is one of {pools}"
            )
        command_body = SourcingCommand(
            pool=body.order_id, command=body.command, order_id="", lines=(), values=body.values, actor=body.actor
        )
        event_id = derive(event.event_id, "pool")
        command = Event(
            name=EventName.SOURCING_COMMAND,
            event_id=event_id,
            order_id=body.order_id,
            at=event.at,
            source=SOURCE,
            cause_id=event.event_id,
            body=command_body,
            trace=event.trace,
        )
        return Folded((self._output(command),), outcome="passed on")

    def _output(self, event: Event, cipher: OrderCipher | None = None) -> Output:
        """Return the record of an event: on its pool's partition where it is about stock, else on the order's own."""
        output = encoded(self._codec, event, cipher)
        if isinstance(event.body, SourcingRequested | SourcingCommand):
            return output._replace(partition=self._pools[event.body.pool])
        return output

    # ---- an order that is known ----

    def _step(self, state: OrderState, event: Event) -> Step:
        return _accept(step(self._published.flow_of(state), state, event))

    def _folded(self, key: bytes, before: OrderState | None, steps: Sequence[Step], order_key: bytes) -> Folded:
        """Return what steps of an order lead to. `order_key` is its wrapped key, empty where it is not sealed."""
        outputs: list[Output] = []
        state, cipher = before, self._cipher(key.decode(), order_key)
        for result in steps:
            outputs += [self._output(event, cipher) for event in result.events]
            if result.synced and result.state is not None:
                outputs.append(encoded(self._codec, self._change(state, result.state, result), cipher))
            if is_forget(result.cause) and result.outcome is StepOutcome.APPLIED:
                outputs += _erasures(result.cause, self._partitions)
            state = result.state
        outcome = steps[-1].outcome
        if state is None or state is before:
            return Folded(outputs, outcome=outcome)
        order_key = self._keep_key(key, state, order_key, outputs, is_new=before is None)
        value = order_ledger.encode(state, order_key)
        self._written[key] = value, followed(state)
        if before is None:
            self._created_now.add(key)
        return Folded(outputs, {key: value}, outcome=outcome, settled=bool(state.settled_at))

    # ---- the key of an order ----

    def _cipher(self, order_id: str, order_key: bytes) -> OrderCipher | None:
        return self._master_keys.cipher(order_id, order_key) if order_key else None

    def _new_key(self, order_id: str) -> bytes:
        """Return a wrapped key for an order that is created; empty where nothing is sealed."""
        if not self._master_keys.seals:
            return b""
        return self._master_keys.wrap(order_id, self._random_bytes(KEY_BYTES))

    def _keep_key(
        self, key: bytes, state: OrderState, order_key: bytes, outputs: list[Output], *, is_new: bool
    ) -> bytes:
        """Return the key to keep with an order, wrapped with the newest master key. Tell the others where it changed.

        Of an order that is forgotten it is removed: nobody can read its sealed records any more.
        """
        if not order_key:
            return b""
        if state.forgotten_at:
            outputs.append(Output(KEYS_TOPIC, key, None))
            return b""
        after = self._master_keys.rewrap(key.decode(), order_key)
        if is_new or after != order_key:
            outputs.append(Output(KEYS_TOPIC, key, after))
        return after

    def _change(self, before: OrderState | None, after: OrderState, result: Step) -> ChangeEvent:
        """Return the dual-write row of the order after the step, for the effect that asked for it if one did."""
        cause = result.cause
        synced = before if before is not None and before.order.ready_to_sync else None
        body = self._orders.to_change(synced, after, cause.at, effect=_requested_effect(result))
        event_id = derive(cause.event_id, "dual-write")
        return ChangeEvent(
            name=CHANGED_AT_IOM,
            event_id=event_id,
            order_id=cause.order_id,
            at=cause.at,
            source=SOURCE,
            cause_id=cause.event_id,
            body=body,
            trace=cause.trace,
        )

    # ---- an order that is not known yet ----

    def _created(self, key: bytes, event: Event, body: OrderCreated, early: Early | None) -> Folded:
        steps = [_accept(step(self._published.choose(body), None, event))]
        late, codes = [], []
        for record in early.records if early else ():
            state = steps[-1].state
            assert state is not None, "a created order has a state"
            try:
                steps.append(self._step(state, self._codec.decode(record)))
            except NewerVersionError:
                raise
            except RecordError as refused:
                late.append(dead_letter(record, refused.code, refused.detail, self.name, event.at))
                codes.append(refused.code)
        folded = self._folded(key, None, steps, self._new_key(event.order_id))
        return folded._replace(outputs=[*late, *folded.outputs], dead=codes) if late else folded

    def _early(self, key: bytes, record: Record, event: Event, early: Early | None) -> Folded:
        if isinstance(event.body, OrderCommand) and event.body.command == OrderCommandName.FIRE_TIMER:
            return self._waited_in_vain(key, event, early)
        records = early.records if early else ()
        if len(records) >= EARLY_RECORDS_MAX:
            raise RecordError(
                UNKNOWN, f"order {event.order_id} is not known, and {len(records)} events wait for it already"
            )
        waiting = Early((*records, record), early.expires_at if early else record.timestamp + EARLY_WAIT_MS)
        return Folded((), {key: order_ledger.encode(waiting)}, outcome="early")

    def _waited_in_vain(self, key: bytes, event: Event, early: Early | None) -> Folded:
        if early is None:
            return Folded(outcome="ignored")
        why = f"no order {event.order_id} was created in the hour after it"
        letters = [dead_letter(record, UNKNOWN, why, self.name, event.at) for record in early.records]
        return Folded(letters, {key: None}, outcome="expired", dead=[UNKNOWN] * len(letters))

    # ---- timers ----

    def due(self, now_ms: int) -> Sequence[Output]:
        self._written.clear()
        self._created_now.clear()
        self._figures.pass_time(now_ms)
        return [
            encoded(self._codec, self._fire(key.decode(), timer, now_ms)) for key, timer in self._timers.due(now_ms)
        ]

    def _fire(self, order_id: str, timer: Timer, now_ms: int) -> Event:
        event_id = derive(f"{order_id}/{timer.timer_id}", timer.due_at)
        body = OrderCommand(order_id, OrderCommandName.FIRE_TIMER, timer.timer_id, SOURCE)
        return Event(
            name=EventName.ORDER_COMMAND,
            event_id=event_id,
            order_id=order_id,
            at=now_ms,
            source=SOURCE,
            cause_id="",
            body=body,
        )

    def restored(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        super().restored(items)
        self._figures.arrange()

    def changed(self, key: bytes, value: bytes | None) -> None:
        order: FollowedOrder
        written, is_new = self._written.pop(key, None), key in self._created_now
        if is_new:
            self._created_now.remove(key)
        if written is not None and written[0] is value:
            order = written[1]
        elif value is None or (order_ledger.settled_at(value) and not is_new):
            return self._forget(key, ())
        elif isinstance(entry := order_ledger.followed(value), Early):
            return self._forget(key, (Timer(EARLY_TIMER, entry.expires_at, EARLY_TIMER, ""),))
        else:
            order = entry
        self._timers.keep(key, () if order.settled_at else order.timers)
        self._figures.keep(key, order, is_new=is_new)
        return None

    def _forget(self, key: bytes, timers: Sequence[Timer]) -> None:
        self._timers.keep(key, timers)
        self._figures.remove(key)

    def settled_at(self, value: bytes) -> int:
        return order_ledger.settled_at(value)


def _accept(result: Step) -> Step:
    """Return the step. Raise RecordError where the order cannot take the event: its lane makes the record a dead
    letter."""
    if result.outcome is StepOutcome.PARKED:
        raise RecordError(result.code, result.detail)
    return result


def _erasures(command: Event, partitions: int) -> list[Output]:
    """Return the tombstones that take an order's rows off both topics of dual-write, and tell the mirror to forget it.

    A row of F+O lies under the order id or what stands for it there, and in any partition: who publishes it chooses.
    """
    ours = _erasure(command, RECORDS[CHANGED_AT_IOM].topic, command.order_id, None)
    keys = dict.fromkeys((command.order_id, reference_of(command.order_id)))
    theirs = [_erasure(command, ERP_ROWS, key, partition) for key in keys for partition in range(partitions)]
    return [ours, *theirs]


def _erasure(command: Event, topic: str, key: str, partition: int | None) -> Output:
    event_id = derive(command.event_id, f"{topic}/{key}/{partition}").encode()
    cause_id = command.event_id.encode()
    headers = (("ce_id", event_id), ("ce_causationid", cause_id), (FORGET, cause_id))
    return Output(topic, key.encode(), None, headers=headers, partition=partition)


def _requested_effect(result: Step) -> Effect | None:
    """Return the effect that the step asked dual-write to carry out."""
    requests = [event.body for event in result.events if isinstance(event.body, Requests)]
    through = [body.effect_id for body in requests if body.through == DUAL_WRITE]
    return result.state.effect(through[-1]) if through and result.state is not None else None
