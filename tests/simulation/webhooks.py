"""Webhooks on their way from the vendors' senders to the intake of some process, which may die meanwhile.

The senders and the intake are the product's own; only the wire between them is written here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from app.sandbox.vendors.simulation import FaultRequest, WebhookFault, World
from app.sandbox.vendors.simulation_webhooks import ANSWER_S, WebhookSender
from tests.simulation.dice import Dice
from tests.simulation.workers import Worker

WEBHOOKS: Final = "http://waybill.example/webhooks/"
FAULTY_S: Final = 3600.0
"""Longer than any world has faults."""


class Receivers(Protocol):
    @property
    def workers(self) -> Sequence[Worker]: ...


class Webhooks:
    """`receivers` has the processes that take webhooks in, whichever there are."""

    def __init__(self, receivers: Receivers, dice: Dice, world: World, senders: Mapping[str, WebhookSender]) -> None:
        self._receivers, self._dice, self._senders = receivers, dice, senders
        for name in senders:
            self._disorder(world, name)

    def _disorder(self, world: World, provider: str) -> None:
        odds, random = self._dice.odds, self._dice.random
        faults: list[tuple[WebhookFault, float]]
        faults = [("duplicate-webhooks", odds.row_twice), ("reorder-webhooks", odds.row_late)]
        for kind, share in faults:
            asked = {
                "kind": kind,
                "share": share,
                "seed": random.randrange(1000),
                "delay_ms": random.randint(200, 4000),
            }
            world.faults.add(FaultRequest(provider, seconds=FAULTY_S, **asked))  # type: ignore[arg-type]

    @property
    def travelling(self) -> int:
        return sum(sender.waiting for sender in self._senders.values())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for sender in self._senders.values():
                tasks.create_task(sender.deliver(self._post))

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer, 0 for none: nobody was there, or what was sent or answered got lost."""
        dice = self._dice
        await asyncio.sleep(dice.between(0.001, dice.latency_s))
        lost = dice.happens(dice.odds.call)
        where = dice.random.choice(("request", "answer"))
        if (lost and where == "request") or not self._receivers.workers:
            await asyncio.sleep(1)
            return 0
        worker = dice.random.choice(self._receivers.workers)
        taken = worker.run(worker.intake.take(url.removeprefix(WEBHOOKS), headers, body))
        done, _ = await asyncio.wait([taken], timeout=ANSWER_S)
        return taken.result().status if done and not taken.cancelled() and not lost else 0
