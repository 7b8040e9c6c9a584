"""Ten ways to break the product, each in a copy of it: the simulated worlds must notice every one.

    python -m tests.simulation.breaks [--seeds 1:60]

Runs the worlds of the seeds in each copy up to the first that fails. The exit code is 1 where a break went unnoticed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from app.resources import ROOT
from tests.repository_copy import copy_to

LIMIT_S: Final = 1_200
SEEDS: Final = "1:60"


class Break(NamedTuple):
    """`text` stands once in the file and is replaced. `consequence` is what would happen to a user's orders."""

    consequence: str
    path: str
    text: str
    replacement: str


BREAKS: Final = (
    Break(
        "nobody notes what is under way when a process dies",
        "app/lanes/position.py",
        "unfinished = tuple(sorted((*self.unfinished, *self._to_repeat)))",
        "unfinished = () and tuple(sorted((*self.unfinished, *self._to_repeat)))",
    ),
    Break(
        "an order that Finance + Operations has is created again",
        "app/providers/fno/upsert.py",
        "            if ours:\n",
        "            if ours and self._plan.number:\n",
    ),
    Break(
        "a record goes to the lane of another order",
        "app/lanes/checkpoint.py",
        "        if owner != self._partition:\n",
        "        if owner > self._partition:\n",
    ),
    Break(
        "what a crashed process had begun is not taken up again",
        "app/lanes/position.py",
        "self._to_repeat = set(self._mark.unfinished)",
        "self._to_repeat = set[int]()",
    ),
    Break(
        "what came before its order is forgotten",
        "app/agents/orchestrate.py",
        "for record in early.records if early else ():",
        "for record in ():",
    ),
    Break(
        "no timer ever fires",
        "app/agents/orchestrate.py",
        "self._timers.keep(key, () if order.settled_at else order.timers)",
        "self._timers.keep(key, ())",
    ),
    Break(
        "a milestone that a row repeats is raised again",
        "app/dualwrite/status_handler.py",
        "if before.reached < step <= reached]",
        "if min(before.reached, 1) < step <= reached]",
    ),
    Break(
        "goods that have left are free to be sold again",
        "app/inventory/record_effects.py",
        "book.confirm(order, lambda",
        "book.release(order, lambda",
    ),
    Break(
        "goods of a canceled order are booked as shipped",
        "app/inventory/stock_book.py",
        "self._close(order, is_chosen, RELEASED, item_stock.release)",
        "self._close(order, is_chosen, RELEASED, item_stock.ship)",
    ),
    Break(
        "a record that cannot be used disappears",
        "app/lanes/checkpoint.py",
        'checkpoint.add(Folded((letter,), outcome="dead-letter")',
        'checkpoint.add(Folded((), outcome="dead-letter")',
    ),
)


def broken_copy(each: Break, root: Path) -> None:
    """Copy the product to `root` and break it. Raises AssertionError when the text does not stand there once."""
    copy_to(root)
    path = root / each.path
    source = path.read_text(encoding="utf-8")
    assert source.count(each.text) == 1, f"{each.path} has {source.count(each.text)} times: {each.text}"
    path.write_text(source.replace(each.text, each.replacement), encoding="utf-8")


def notice(each: Break, seeds: str) -> str:
    """Return what the first world says that fails in a broken copy; empty when none of the seeds does."""
    with tempfile.TemporaryDirectory() as folder:
        broken_copy(each, Path(folder))
        command = [sys.executable, "-m", "tests.simulation", "--seeds", seeds]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    _, is_noticed, sentence = done.stdout.partition("python -m tests.simulation --seed ")
    assert is_noticed or done.returncode == 0, f"no world could be run:\n{done.stderr[-2000:]}"
    return " ".join(f"seed {sentence}".split())[:400] if is_noticed else ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.breaks", description=__doc__)
    parser.add_argument("--seeds", default=SEEDS, help="a range, first:last, both included")
    seeds = parser.parse_args().seeds
    unnoticed = 0
    for each in BREAKS:
        began = time.monotonic()
        sentence = notice(each, seeds)
        unnoticed += not sentence
        sys.stdout.write(f"{each.consequence} ({each.path})\n    {time.monotonic() - began:.0f} s: ")
        sys.stdout.write(f"{sentence or 'NOT NOTICED'}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(BREAKS) - unnoticed} of {len(BREAKS)} breaks were noticed in {ROOT.name}\n")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
