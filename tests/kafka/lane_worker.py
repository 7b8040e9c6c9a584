"""The process that the tests on the real broker start: a role of tests/lanes/example_roles.py, with faults on demand.

Environment: ROLE (Counting or Calling), NAME, INPUTS, OUT, LEDGER, and the faults: CRASH (`before`, `inside` or `after`
and the number of the transaction), SLOW_S (each write takes longer), AGENT (the agent fails at that batch), DWELL_S (it
takes that long from seeking to reading on after a rebalance), OVERTAKEN (meanwhile the end of an earlier rebalance lets
records flow, and Faust remembers fetches that went further), CALLS (a folder in which each call is noted and waits for
its answer).
"""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from faust.types import TP

from app.events.record import Output
from app.kafka.kafka_log import KafkaLog
from app.lanes.hosting import LaneHost
from app.lanes.inbox import Batch
from app.lanes.lane_log import Change
from app.settings import Settings
from app.worker.app_factory import build_app
from app.worker.serving import serve
from app.worker.transport import BatchConsumer, BatchTransport
from tests.lanes import example_roles

ENVIRON = os.environ
CRASHED = 9
FAR = 1 << 40


class FaultyLog(KafkaLog):
    """Dies at a chosen transaction of the process, or is slow."""

    transactions = 0
    """Begun by all lanes of the process."""
    mine = 0
    step, _, number = ENVIRON.get("CRASH", "never 0").partition(" ")

    async def begin(self) -> None:
        FaultyLog.transactions += 1
        self.mine = FaultyLog.transactions
        self._die("before")
        await super().begin()

    async def send(self, outputs: Sequence[Output], changes: Sequence[Change]) -> Sequence[int]:
        stored = await super().send(outputs, changes)
        await asyncio.sleep(float(ENVIRON.get("SLOW_S", "0")))
        self._die("inside")
        return stored

    async def commit(self) -> None:
        await super().commit()
        self._die("after")

    def _die(self, step: str) -> None:
        if step == self.step and self.mine == int(self.number):
            os._exit(CRASHED)


class FaultyHost(LaneHost):
    """Fails at a chosen batch."""

    batches = 0

    def offer(self, partition: int, start: int, batch: Batch) -> None:
        self.batches += 1
        if self.batches == int(ENVIRON.get("AGENT", "0")):
            raise RuntimeError("the agent's own fault")
        super().offer(partition, start, batch)


class DwellingConsumer(BatchConsumer):
    """Does not read on at once where it went to after a rebalance."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        found = await super().seek_to_committed()
        if "OVERTAKEN" in ENVIRON:
            self._read_offset.update(dict.fromkeys(found, FAR))
            self.app.flow_control.resume()
            self.resume_flow()
        await asyncio.sleep(float(ENVIRON.get("DWELL_S", "0")))
        return found


class DwellingTransport(BatchTransport):
    """The transport with that consumer."""

    Consumer = DwellingConsumer


async def call(effect: bytes, repeated: bool) -> None:
    """Note the call in a file and wait until the test has put an answer beside it."""
    folder = Path(ENVIRON["CALLS"])
    with (folder / "calls").open("a") as calls:
        calls.write(f"{effect.decode()} {repeated}\n")
    answer = folder / f"{effect.decode()}.answer"
    while not answer.exists():  # noqa: ASYNC110 - the answer comes from another process
        await asyncio.sleep(0.02)


def main() -> int:
    logging.basicConfig(level="INFO", stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    kind = getattr(example_roles, ENVIRON.get("ROLE", "Counting"))
    role = kind(tuple(ENVIRON["INPUTS"].split(",")), ENVIRON["NAME"], ENVIRON["OUT"])
    role.ledger = ENVIRON["LEDGER"]
    app = build_app(
        Settings.from_env(ENVIRON),
        role,
        int(ENVIRON.get("PARTITIONS", "4")),
        make_log=FaultyLog,
        make_host=FaultyHost,
        transport=DwellingTransport,
    )
    return asyncio.run(serve([app]))


if __name__ == "__main__":
    example_roles.Calling.call = staticmethod(call)
    sys.exit(main())
