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
    458,  # the same, for an order that was changed while it was sent again
    178,  # a lane that opened let others read on that were just being revoked: their records were passed over
    205,  # a lane was handed over while F+O worked on a creation: the order existed twice
    70,  # the shop refused for a moment to show an order's lines: it has to be touched to come again
    184,  # the creation was read long after its events: those waited an hour in vain and have to be replayed
)
"""Seeds that found a fault of the product, or a case in which somebody has to help."""
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
