"""The fence after a crash: Kafka forgets that the broker was alive, before it starts again.

The metadata still names the crashed node as the leader of everything. A broker that starts on it takes up its open
transactions at once, and loses its leaderships nine seconds later, when the old registration expires. So the controller
alone runs first, until it has fenced the old registration; the broker then finds no leadership to take up, and gets all
of them anew, without waiting. What a Kafka that is not ours may lose in between: docs/adr/0021.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.sandbox.local.broker_folder import CONTROLLER_LOG4J, BrokerFolder
from app.sandbox.local.jvm import MarkedProcess, dies_with_us, launch, wait_until
from app.sandbox.local.ports import free_port

ACTIVE = re.compile(r"Performing controller activation")
FENCED = re.compile(r"Fencing broker 1 .*Replayed BrokerRegistrationChangeRecord", re.DOTALL)
_ACTIVE_LIMIT_S = 30.0
_FENCED_LIMIT_S = 5.0
"""Seconds that an active controller gets. A broker that crashed while it was fenced is not fenced again."""
_STOP_LIMIT_S = 10.0


def fence(folder: BrokerFolder, java: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run the controller of a crashed broker until the broker is fenced. `java` is the command up to Kafka's class.

    Raises nothing for a controller that does not start: the broker itself then says what is wrong.
    """
    settings, log = folder.write_controller_settings(free_port())
    options = (f"-Dlog4j2.configurationFile={CONTROLLER_LOG4J}", "-XX:TieredStopAtLevel=1")
    pid = launch([*java, *options, "kafka.Kafka", str(settings)], folder.path, log, environment)
    process = MarkedProcess(pid, folder.mark)
    with dies_with_us(pid):
        try:
            if _wait_for_line(ACTIVE, log, process, _ACTIVE_LIMIT_S):
                _wait_for_line(FENCED, log, process, _FENCED_LIMIT_S)
        finally:
            process.end(_STOP_LIMIT_S)


def _wait_for_line(pattern: re.Pattern[str], log: Path, process: MarkedProcess, limit_s: float) -> bool:
    """Return whether the log comes to match while the process lives, `limit_s` seconds at most."""
    wait_until(lambda: bool(pattern.search(_text(log))) or not process.alive(), limit_s)
    return bool(pattern.search(_text(log)))


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
