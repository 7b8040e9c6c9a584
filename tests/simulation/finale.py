"""How a world ends: an operator mends what people have to mend, everything comes to rest, and all sides agree."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from app.agents import order_ledger
from app.commands.dead_letters import original, tombstone
from app.domain.fulfillment_orders import select_sourced_lines, stands_apart, waits
from app.domain.lifecycle import Status
from app.domain.order import OrderState
from app.dualwrite.write_plan import writable
from app.errors import RecordError
from app.events.headers import FORWARDED
from app.events.ids import derive
from app.events.record import DEAD_LETTER, Record
from app.events.sales_order_change import SalesOrderChange
from app.providers.port import OrderFinder
from app.sandbox.vendors.fno.order_store import SalesOrder
from tests.simulation.auditing import audit
from tests.simulation.expected import SOURCED
from tests.simulation.people import CHANGED
from tests.simulation.providers import ROWS
from tests.simulation.transaction import INPUTS, KEYS, decoded, header, origin

REST_S_MAX: Final = 200.0
"""Virtual seconds after the last fault within which everything must have come to its end."""
LOOK_S: Final = 1.0
MEND_S: Final = 10.0
TWO_HOURS_MS: Final = 7_200_000
SLA_MS: Final = 31 * 86_400_000
"""Longer than any line waits for stock."""
OUR_ROWS: Final = "dualwrite.iom.salesorders"
PULLED: Final = b"pull/"
JSON: Final = ("content-type", b"application/json")


class Finale:
    def __init__(self, world: Any) -> None:
        self._world, self._expected = world, world.workload.expected
        self._mended: dict[str, int] = {}
        self._rounds, self._late, self._delivered, self._gave_up = 0, False, False, False

    async def run(self) -> None:
        await self.rest()
        self._check_stock()
        # What waits for an order that never comes has an hour.
        self._world.clock.skew_ms += TWO_HOURS_MS
        self._late = True
        await self.rest()
        if self._world.workload.sourced:
            if not self._world.workload.is_patient:
                await self._give_up()
            self._world.workload.deliver()
            self._delivered = True
            await self.rest()
            self._check_stock()
        self._check_letters()
        for order_id in self._expected.orders:
            self._check_sides(order_id)
        await self._verify()

    async def _verify(self) -> None:
        """What `waybill verify --providers` says of it all."""
        clients = self._world.providers.clients()
        finders = {name: client for name, client in clients.items() if isinstance(client, OrderFinder)}
        verdict = await audit(self._world.cluster, finders=finders)
        for client in clients.values():
            await client.close()
        assert not verdict.not_asked, verdict.not_asked
        assert verdict.listed == [], f"`waybill verify` finds {verdict.listed[:5]}"

    async def _give_up(self) -> None:
        """Nothing comes for so long that no line waits any more."""
        self._world.clock.skew_ms += SLA_MS
        self._gave_up = True
        await self.rest()
        self._check_stock()

    async def rest(self) -> None:
        """Wait until nothing is left to do."""
        deadline = self._world.loop.time() + REST_S_MAX
        mend_at = self._world.loop.time() + MEND_S
        while (open_ends := self._open_ends()) and self._world.loop.time() < deadline:
            if self._world.loop.time() >= mend_at:
                self._mend()
                mend_at = self._world.loop.time() + MEND_S
            await asyncio.sleep(LOOK_S)
        assert not open_ends, f"not at rest {REST_S_MAX:g} s after the last fault: {'; '.join(open_ends[:8])}"

    def _open_ends(self) -> list[str]:
        return [*self._unread(), *self._unfinished(), *self._unmended(), *(self._unburied() if self._late else ())]

    def _unread(self) -> Iterator[str]:
        world = self._world
        for role, topics in INPUTS.items():
            for partition in range(world.partitions_of(role)):
                marks = world.checker.position(role, partition)
                for topic in topics:
                    mark = marks.get(topic)
                    waiting = world.cluster.read(topic, partition, mark.high if mark else 0, 1)
                    if waiting or (mark is not None and mark.unfinished):
                        yield f"{role} has not finished {topic}/{partition}"
        if world.providers.rows.travelling or len(world.providers.world.schedule):
            yield "providers are not done"
        if world.webhooks.travelling:
            yield "webhooks are on their way"

    def _unfinished(self) -> Iterator[str]:
        orders = self._orders()
        for order_id, wanted in self._expected.orders.items():
            state = orders.get(order_id)
            if state is None:
                yield f"{order_id} does not exist"
            elif (state.order.state, state.order.reason) not in wanted.ends and not self._waits(state):
                yield f"{order_id} is {state.order.state} / {state.order.reason}, failed {state.failed}"
            elif state.effects or _to_mend(state):
                yield f"{order_id} waits for {[effect.step for effect in state.effects] or state.failed}"

    def _waits(self, state: OrderState) -> bool:
        """Whether all that is open of the order is lines without stock, of which there is to be more."""
        open_lines = [line for line in state.order.lines if line.state not in ("Completed", "Canceled")]
        patient = not self._gave_up or not any(map(waits, open_lines))
        return patient and not self._delivered and not state.effects and all(map(stands_apart, open_lines))

    def _unburied(self) -> Iterator[str]:
        letters = self._letters()
        buried = {header(letter, FORWARDED) or name for name, letter in letters.items()}
        for name, code in self._expected.bad.items():
            if name not in buried:
                yield f"{name} is no dead letter yet ({code})"

    def _orders(self) -> dict[str, OrderState]:
        states = self._world.cluster.ledger("order-ledger").items()
        found = {
            key.decode(): order_ledger.decode(KEYS.open("order-ledger", key, value) or b"")
            for key, value in states
            if not key.startswith(b"\0")
        }
        return {key: state for key, state in found.items() if isinstance(state, OrderState)}

    # ---- the operator ----

    def _mend(self) -> None:
        """Runs failed steps again, and replays what waited too long for its order."""
        self._rounds += 1
        orders = self._orders()
        for order_id, state in sorted(orders.items()):
            failed = _to_mend(state) or (["source"] if self._delivered and _has_no_stock(state) else [])
            if failed and not state.effects:
                body = {"order_id": order_id, "command": "reprocess", "subject": failed[0], "actor": "ops"}
                self._produce("order-command", order_id, body, derive(order_id, f"mend {self._rounds}"))
        for letter in self._letters().values():
            if (letter.key or b"").startswith(PULLED):
                self._touch(letter)
            elif self._mendable(letter, orders):
                again, gone = original(letter), tombstone(letter)
                lane = self._world.lane_of(again.key or b"")
                first = header(letter, FORWARDED) or (letter.key or b"").decode()
                record = self._world.cluster.produce(again.topic, lane, again.key, again.value, again.headers)
                if first in self._expected.bad:
                    self._expected.bad[origin(record)] = self._expected.bad.pop(first)
                self._world.cluster.produce(DEAD_LETTER, letter.partition, gone.key, None)

    def _touch(self, letter: Record) -> None:
        """An order that could not be pulled is changed in the shop, so that it is pulled again."""
        shop_id = int(header(letter, "waybill-dead-key"))
        orders = self._world.providers.shop.orders
        orders.update(orders.get(shop_id), {"staff_notes": f"touched {self._rounds}"})
        self._world.cluster.produce(DEAD_LETTER, letter.partition, letter.key, None)

    def _unmended(self) -> Iterator[str]:
        orders = self._orders()
        for name, letter in self._letters().items():
            if self._mendable(letter, orders):
                yield f"{name} waits to be replayed"

    def _mendable(self, letter: Record, orders: Mapping[str, OrderState]) -> bool:
        if (letter.key or b"").startswith(PULLED):
            return True
        known = header(letter, "waybill-dead-key") in orders
        code, topic = header(letter, "waybill-dead-code"), header(letter, "waybill-dead-topic")
        if code == "no-transition" and topic == "provider-event":
            # It came before what had to be replayed first; of an order at its end it came too late.
            return orders[header(letter, "waybill-dead-key")].settled_at == 0
        return (code == "unknown-order" and known) or (
            topic == OUR_ROWS and code.startswith("sync-") and not _too_late(letter)
        )

    def _produce(self, topic: str, order_id: str, body: object, ce_id: str) -> None:
        headers = (JSON, ("ce_id", ce_id.encode()))
        key = order_id.encode()
        self._world.cluster.produce(topic, self._world.lane_of(key), key, msgspec.json.encode(body), headers)

    def _letters(self) -> dict[str, Record]:
        letters: dict[str, Record] = {}
        for record in self._world.cluster.read_all(DEAD_LETTER):
            letters.pop((record.key or b"").decode(), None)
            if record.value is not None or header(record, "waybill-dead-code"):
                letters[(record.key or b"").decode()] = record
        return letters

    # ---- all sides agree ----

    def _check_stock(self) -> None:
        for order_id, state in self._orders().items():
            if order_id in self._expected.orders and self._expected.orders[order_id].scenario == SOURCED:
                self._world.checker.replay.reserving.check_at_rest(state)

    def _check_letters(self) -> None:
        """Every bad record is a dead letter with its code, and nothing else is one."""
        wanted_codes = dict(self._expected.bad)
        for name, letter in self._letters().items():
            code = header(letter, "waybill-dead-code")
            first = header(letter, FORWARDED) or name
            wanted = wanted_codes.pop(first, None)
            assert wanted is not None or self._excused(letter, code), (
                f"unexpected dead letter {name}: {code}: {_why(letter)}"
            )
            assert wanted in (None, code), f"{name} was to be set aside as {wanted}, not as {code}: {_why(letter)}"

    def _excused(self, letter: Record, code: str) -> bool:
        """What came too late: an order that is final, here or at F+O, refuses changes."""
        if code == "no-transition":
            return header(letter, "waybill-dead-topic") in ("order-command", "provider-event")
        return _too_late(letter)

    def _check_sides(self, order_id: str) -> None:
        """What each side has in the end, for an order that completed and for one that did not."""
        state, wanted = self._orders()[order_id], self._expected.orders[order_id]
        truth, completed = self._world.checker.truth, state.order.state == "Completed"
        there = truth.at_fno(order_id, wanted)
        born = bool(wanted.erp[1])
        times = {1} if born or completed else {0, 1}
        assert len(there) in times, f"{order_id} exists {len(there)} times at F+O"
        if completed and wanted.scenario != 5:
            assert there[0].status == "Invoiced", f"{order_id} is {there[0].status} at F+O"
        if born:
            made = self._world.providers.erp.orders.with_reference(order_id)
            assert not made, f"{order_id}, which F+O has, was made there once more"
        for order in there if born or completed else ():
            self._agree(state, order)
            street = order.header.values["DeliveryAddressStreet"]
            assert not wanted.happened or street == CHANGED, f"{order_id}: the change at F+O became {street!r}"
        if wanted.shop_id:
            told = truth.told_the_shop(order_id)
            assert told[-1:] == ([10] if completed else []), f"the shop was told {told} of {order_id}"

    def _shown(self, order_id: str) -> Iterator[SalesOrderChange]:
        """What F+O showed of the order; a row may have come without a key."""
        for record in self._world.cluster.read_all(ROWS):
            with contextlib.suppress(RecordError):
                event = decoded(record)
                if event is not None and event.order_id == order_id:
                    yield event.body

    def _agree(self, state: OrderState, order: SalesOrder) -> None:
        """Both sides of dual-write have the same mapped fields and lines, unless F+O was told of a change too late."""
        if any(header(letter, "waybill-dead-key") == order.key for letter in self._letters().values()):
            return
        ours = self._world.orders.to_row(state.order, order.number)
        theirs = max(self._shown(order.key), key=lambda body: body.source.version).row
        skipped = {"SalesOrderProcessingStatus"}
        for name in writable(ours):
            if name not in skipped:
                mine, other = getattr(ours, name), getattr(theirs, name)
                same = mine == other or str(mine).casefold() == str(other).casefold()
                assert same, f"{state.order.order_id}: {name} is {mine!r} here and {other!r} at F+O"
        ours = self._world.orders.to_row(select_sourced_lines(state), order.number)
        lines = sorted((line.ItemNumber, line.OrderedSalesQuantity, line.LineAmount) for line in ours.Lines)
        others = sorted((line.ItemNumber, line.OrderedSalesQuantity, line.LineAmount) for line in theirs.Lines)
        assert lines == others, f"{state.order.order_id}: lines {lines} here, {others} at F+O"


def _to_mend(state: OrderState) -> list[str]:
    """Failed steps that an operator runs again. To send what F+O has invoiced already is none of them."""
    over = state.order.state == "Completed"
    return (
        []
        if state.order.state == "Canceled"
        else [name for name in state.failed if not (over and name in ("send", "bill"))]
    )


def _has_no_stock(state: OrderState) -> bool:
    """Lines that do not wait for stock are sourced again when somebody asks for it."""
    return any((line.state, line.reason) == Status.NOT_FOUND.value for line in state.order.lines)


def _too_late(letter: Record) -> bool:
    """F+O refused a change of an order that is invoiced or canceled there."""
    code, detail = header(letter, "waybill-dead-code"), header(letter, "waybill-dead-detail")
    return code == "sync-declined" and "Error: Sales order" in detail


def _why(letter: Record) -> str:
    return f"{header(letter, 'waybill-dead-detail')} ({origin(letter)})"
