"""What others on the machine see of the processes that `up` and the demo start: no secret stands on a command line."""

import asyncio
import os
from pathlib import Path
from typing import Final

import psutil

from app.providers.variables import all_variables
from app.sandbox.local.ports import free_port
from app.sandbox.local.supervise import Supervisor
from app.sandbox.local.up import simulated

LIMIT_S = 120.0
NOT_SET: Final = (
    "SCHEMA_REGISTRY_URL", "KAFKA_SSL_KEY_PASSWORD", "KAFKA_OAUTH_CLIENT_SECRET", "KAFKA_OAUTH_TOKEN",
)  # fmt: skip
"""A worker asks the registry before it says that it runs, and there is none; and it refuses two logins at once."""


async def test_no_secret_is_on_a_command_line_and_others_cannot_read_the_environment(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    secrets = {each.name: f"{each.name.lower()}-8f3kq" for each in all_variables() if each.is_secret}
    for name in NOT_SET:
        del secrets[name]
    login = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "w"}
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}", "WAYBILL_WEB_PORT": "0", **login}
    port = free_port()
    async with Supervisor(tmp_path, {**simulated({**clean, **nowhere}, port), **secrets}) as supervisor:
        started = [
            supervisor.start("simulators", "simulators", "--port", str(port)),
            supervisor.start("orchestrate", "worker", "orchestrate"),
        ]
        async with asyncio.timeout(LIMIT_S):
            while not all(process.log.exists() and process.log.stat().st_size for process in started):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        running = [psutil.Process(process.running.pid) for process in started if process.running is not None]
        assert len(running) == 2
        for process in running:
            check(process, set(secrets.values()))


def check(process: psutil.Process, secrets: set[str]) -> None:
    """Look at a process and at those that it started."""
    for each in (process, *process.children(recursive=True)):
        assert Path(f"/proc/{each.pid}/environ").stat().st_mode & 0o077 == 0
        assert secrets <= set(each.environ().values())
        assert [secret for secret in secrets if secret in " ".join(each.cmdline())] == []
