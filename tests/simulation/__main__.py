"""`python -m tests.simulation --seed 4711` repeats a world; `--seeds 100:2000` runs many up to the first failure."""

import argparse
import sys
import time

from tests.simulation.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--seeds", help="a range, first:last, both included")
    parser.add_argument("--keep-going", action="store_true", help="run the whole range and list what failed")
    asked = parser.parse_args()
    first, last = (asked.seed, asked.seed) if asked.seeds is None else map(int, asked.seeds.split(":"))
    if first is None:
        parser.error("give --seed or --seeds")
    failed = 0
    for seed in range(first, last + 1):
        began = time.perf_counter()
        try:
            outcome = World(seed).run()
        except AssertionError as broken:
            failed += 1
            sys.stdout.write(f"python -m tests.simulation --seed {seed}\n    {broken}\n")
            if not asked.keep_going:
                return 1
            continue
        took = time.perf_counter() - began
        sys.stdout.write(
            f"seed {seed}: {outcome.trace} {outcome.records} records, {outcome.virtual_s:.0f} s of virtual time in"
            f" {took:.2f} s, {len(outcome.deaths)} deaths, {sum(outcome.faults.values())} failed calls\n"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
