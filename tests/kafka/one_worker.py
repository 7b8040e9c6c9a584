"""One `waybill worker ROLE` with its web port, which may be killed and started again."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.sandbox.local.ports import free_port
from tests.kafka.processes import wait_for

START_LIMIT_S: Final = 180.0


class OneWorker:
    """`root` is the repository that it runs in, `log` where it writes what it has to say."""

    def __init__(
        self, root: Path, log: Path, environment: Mapping[str, str], *roles: str, port: int | None = None
    ) -> None:
        self._root, self._log, self._roles, self.port = root, log, roles, port or free_port()
        self._environment = {**environment, "WAYBILL_WEB_PORT": str(self.port)}
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Returns when all its lanes are open."""
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "app", "worker", *self._roles]
            self.process = subprocess.Popen(command, cwd=self._root, env=self._environment, stdout=log, stderr=log)
        wait_for(f"the worker is ready; see {self._log}", lambda: self.asked("/ready")[0] == 200, START_LIMIT_S)

    def stop(self) -> None:
        """Ask it to end, as a supervisor does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(120)

    def asked(self, path: str) -> tuple[int, str]:
        """Status and body; 0 while nobody listens."""
        assert self.process.poll() is None, self.said[-3000:]
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def counted(self, name: str, **labels: str) -> float:
        """A counter of /metrics, summed over the labels that are not given."""
        total = 0.0
        for line in self.asked("/metrics")[1].splitlines():
            if line.startswith(f"{name}{{") and all(f'{label}="{value}"' in line for label, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total
