"""A hundred worlds, the seeds that once found something, and the promise that a seed decides everything."""

import subprocess
import sys

import pytest
from app.resources import ROOT

from tests.simulation.trace import Outcome
from tests.simulation.world import World

SEEDS = range(1, 101)
PINNED = (
    86,  # a held order that was sent again stayed stopped at F+O
    127,  # the same, after a command had changed it meanwhile
    70,  # a shop that refused to show an order's lines for a moment: the order has to be touched to come again
)
"""Seeds beyond those above, or of them, that found a fault of the product."""
REPEATED = 15


def run(seed: int) -> Outcome:
    try:
        return World(seed).run()
    except AssertionError as broken:
        raise AssertionError(f"{broken}\n\npython -m tests.simulation --seed {seed}") from broken


@pytest.mark.parametrize("seed", [*SEEDS, *(seed for seed in PINNED if seed not in SEEDS)])
def test_a_world_keeps_its_invariants_and_comes_to_its_end(seed: int) -> None:
    run(seed)


def test_the_same_seed_is_the_same_world() -> None:
    assert run(REPEATED).trace == run(REPEATED).trace != run(REPEATED + 1).trace


def test_another_process_with_other_hashes_repeats_it() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(REPEATED)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False, env={"PYTHONHASHSEED": "7"}
    )
    assert run(REPEATED).trace in done.stdout, done.stdout + done.stderr
