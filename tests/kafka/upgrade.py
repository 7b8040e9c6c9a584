"""An upgrade while orders are under way: each role in turn is killed in an older version and goes on in this one.

    python -m tests.kafka.upgrade REF [--orders 300] [--simulators-of old|new]

REF is a commit or tag. Its workers take the first orders; then one role after the other is killed with -9 and comes
back as it is here. In the end every order must have completed, every event must be there once and every provider must
have seen every effect once. Both versions run with the packages that are installed here. Simulators are those of REF
unless they are said to be new.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

from app.resources import ROOT
from app.sandbox.local import broker
from tests.kafka import black_box, courses
from tests.kafka.demo_follower import Follower
from tests.kafka.processes import ROLES, kill, wait_for, waybill
from tests.kafka.seeded_orders import CHOSEN, SCENARIOS
from tests.kafka.storm_rounds import conclude

FIRST_SHARE: Final = 0.05
"""Share of the orders that end in the older version alone, and between two roles."""
LIMIT_S: Final = 480.0
# Starts a process in the folder of its version: this one's once a file named after its role is there.
LAUNCHER: Final = """#!/bin/sh
case "$3" in worker) part="$4" ;; *) part="$3" ;; esac
if [ -e "{folder}/new-$part" ] || [ "$part" = demo ]; then cd "{new}"; else cd "{old}"; fi
exec "{python}" "$@"
"""
DEMO: Final = "import sys; sys.executable = sys.argv.pop(1); from app.__main__ import main; sys.exit(main())"


def extract(ref: str, folder: Path) -> None:
    """Write the files of a commit to `folder`. Raises CalledProcessError for one that is not there."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", ref], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)


def upgrade(ref: str, orders: int, folder: Path, *, are_simulators_new: bool) -> list[str]:
    """Return what is wrong after a demo whose roles were upgraded one by one. `folder` takes all logs."""
    old, launcher = folder / "old", folder / "python"
    extract(ref, old)
    launcher.write_text(LAUNCHER.format(folder=folder, old=old, new=ROOT, python=sys.executable), encoding="utf-8")
    launcher.chmod(0o700)
    if are_simulators_new:
        (folder / "new-simulators").touch()
    each = orders // len(SCENARIOS)
    command = (sys.executable, "-c", DEMO, str(launcher))
    with broker.temporary() as info:
        environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": info.bootstrap_servers, "TMPDIR": str(folder)}
        arguments = ("demo", *CHOSEN, "--count", str(each))
        with waybill(folder / "demo.log", environment, *arguments, command=command) as demo:
            wait_for("the demo starts", lambda: demo.complete and bool(demo.simulators()), LIMIT_S)
            with closing(black_box.Reader(info.bootstrap_servers)) as reader:
                follower = Follower(reader, demo, each * len(SCENARIOS))
                for number, role in enumerate(ROLES):
                    follower.until(FIRST_SHARE * (number + 1), LIMIT_S)
                    (folder / f"new-{role}").touch()
                    assert kill(demo.workers()[role], signal.SIGKILL)
                code = follower.finish(LIMIT_S)
                problems = [] if code == 0 else [f"the demo ended with {code}:\n{demo.said}"]
                records = reader.to_end()
                return problems + black_box.problems(records, follower.effects, courses.born(records, follower.effects))


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.kafka.upgrade", description=(__doc__ or "").splitlines()[0])
    options.add_argument("ref", help="a commit or tag of the older version")
    options.add_argument("--orders", type=int, default=300)
    options.add_argument("--simulators-of", choices=("old", "new"), default="old")
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="waybill-upgrade-"))
    are_new = chosen.simulators_of == "new"
    problems = upgrade(chosen.ref, chosen.orders, folder, are_simulators_new=are_new)
    return conclude(problems, folder)


if __name__ == "__main__":
    sys.exit(main())
