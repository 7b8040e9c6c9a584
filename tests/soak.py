"""The soak: simulated worlds by the thousand, storms over processes and brokers, for as long as is asked.

    python -m tests.soak [--minutes 60] [--first 1000000] [--report soak.json]
    python -m tests.soak --seeds 5000:25000        # worlds alone, these

Takes turns until the time is up: two hundred worlds, a storm of kill -9 and pauses, a broker that goes away
seven times, three brokers that go away in turn.
Each turn has other seeds. Begins with the ten breaks, all of which must be noticed: worlds that notice nothing prove
nothing. The report has each part's commands, with how each ended; the exit code is 1 where one failed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

WORLDS: Final = 200
"""Worlds of one turn."""
PART_LIMIT_S: Final = 1_800
TAIL_CHARS: Final = 4_000


def turns(first: int) -> Iterator[list[str]]:
    """Yield the commands, without end."""
    yield ["tests.simulation.breaks"]
    for turn in count():
        start = first + turn * WORLDS
        yield ["tests.simulation", "--keep-going", "--seeds", f"{start}:{start + WORLDS - 1}"]
        yield ["tests.kafka.storm", "--orders", "1000", "--seconds", "90", "--seed", str(first + turn)]
        yield ["tests.kafka.broker_storm", "--rounds", "2", "--orders", "300"]
        yield ["tests.kafka.cluster_storm", "--rounds", "2", "--orders", "300"]


def run(command: list[str]) -> dict[str, Any]:
    """Run one part. Return how it ended; of one that failed the end of what it said, too."""
    began = time.monotonic()
    line = [sys.executable, "-m", *command]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=PART_LIMIT_S, check=False)
        code, output = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as expired:
        code, output = -1, f"no end after {PART_LIMIT_S} s\n{expired.stdout!r}"
    part = {"command": " ".join(["python -m", *command]), "exit_code": code, "seconds": round(time.monotonic() - began)}
    return part if code == 0 else part | {"output": output[-TAIL_CHARS:]}


def soak(minutes: float, first: int) -> Iterator[dict[str, Any]]:
    """Yield each part as it ends. The part that runs when the time is up is the last one, and runs to its end."""
    until = time.monotonic() + minutes * 60
    for command in turns(first):
        yield run(command)
        if time.monotonic() >= until:
            return


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--first", type=int, help="the first world's seed; another one each minute by default")
    parser.add_argument("--report", type=Path, default=Path("dist/soak.json"))
    parser.add_argument("--seeds", help="these worlds alone, first:last, both included")
    options = parser.parse_args()
    if options.seeds:
        return subprocess.call([sys.executable, "-m", "tests.simulation", "--keep-going", "--seeds", options.seeds])
    began = datetime.now(UTC)
    parts = []
    for part in soak(options.minutes, options.first or int(began.timestamp()) // 60):
        parts.append(part)
        sys.stdout.write(f"{part['seconds']:>5} s  {'ok' if part['exit_code'] == 0 else 'FAILED'}  {part['command']}\n")
        sys.stdout.flush()
        options.report.parent.mkdir(parents=True, exist_ok=True)
        report = {"began": began.isoformat(timespec="seconds"), "parts": parts}
        options.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    failures = sum(part["exit_code"] != 0 for part in parts)
    sys.stdout.write(f"{len(parts)} parts, {failures} failed; {options.report}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
