"""How long others wait while a long queue of one item is released.

    python -m tests.agents.long_queue [--waiting 20000]

So many orders wait for one item, then stock for all of them arrives, together with stock for an order that waits for
another item, and with a request for a third one that is there. Prints the processor time of the lane until each of the
two others is answered, and until all are: a lane of `source` over a log in memory, with the shipped sizes of batches.
"""

import argparse
import asyncio
import sys
import time

from app.events.model import SourcingResult
from tests.agents.source_cluster import Room, order_of
from tests.agents.stand_ins import CODEC
from tests.lanes.lane_driver import Driven

LONG, SHORT, THERE = "A", "B", "C"
WAITED, ASKS = "other", "asks"


def request(room: Room, order_id: str, sku: str) -> None:
    room.request(order_of(order_id, (sku, 1)))


class Watch:
    """Takes turns of a lane, counts their processor seconds and notes when each order is answered."""

    def __init__(self, room: Room, driven: Driven) -> None:
        self._room, self._driven, self._read = room, driven, 0
        self.seconds, self.answers = 0.0, dict[str, float]()

    async def turn(self) -> None:
        self._driven.feed()
        began = time.process_time()
        await self._driven.lane.turn()
        self.seconds += time.process_time() - began
        self._room.clock.advance(0.1)
        records = self._room.cluster.read("sourcing-result", 0, self._read)
        self._read = records[-1].offset + 1 if records else self._read
        for record in records:
            body = CODEC.decode(record).body
            assert isinstance(body, SourcingResult)
            self.answers[body.order_id] = self.seconds


async def measure(waiting: int) -> dict[str, float]:
    """Return the seconds from the receipt on: until the other line is released, the request answered, all done."""
    room = Room()
    room.receive(THERE, 1)
    watch = Watch(room, await room.start())
    for number in range(waiting):
        request(room, f"long-{number:06}", LONG)
    request(room, WAITED, SHORT)
    while len(watch.answers) < waiting + 1:
        await watch.turn()
    room.receive(LONG, waiting)
    room.receive(SHORT, 1)
    request(room, ASKS, THERE)
    watch.answers, watch.seconds = {}, 0.0
    while len(watch.answers) < waiting + 2:
        await watch.turn()
    return {
        "line that waited for another item": watch.answers[WAITED],
        "new request": watch.answers[ASKS],
        "all": watch.seconds,
    }


def main() -> None:
    summary = (__doc__ or "").splitlines()[0]
    options = argparse.ArgumentParser(prog="python -m tests.agents.long_queue", description=summary)
    options.add_argument("--waiting", type=int, default=20_000)
    for name, seconds in asyncio.run(measure(options.parse_args().waiting)).items():
        sys.stdout.write(f"{seconds:8.2f} s  {name}\n")


if __name__ == "__main__":
    main()
