"""`waybill up`: a broker, the topics, the simulators and every role on this machine, until it is stopped."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from app.agents.roles import ROLES
from app.dualwrite import map_names
from app.kafka import topic_admin, topics
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.local import broker
from app.sandbox.local.ports import HOST, free_port, is_taken
from app.sandbox.local.supervise import Supervisor
from app.sandbox.local.up_addresses import UpAddresses, claim_up, find_up, home
from app.sandbox.vendors.host import environ_at
from app.secrets import FILE_SUFFIX
from app.settings import Settings

Say = Callable[[str], object]
SIMULATORS: Final = "simulators"
LOGS: Final = "logs"
MAPS: Final = ",".join(map_names.MAPS)
WEBHOOK_ROLE: Final = "pull"
"""Role whose worker takes webhooks. Every worker would; this one has the least to do."""
CHECK_INTERVAL_S: Final = 2.0


async def run(environ: Mapping[str, str], say: Say, tell: Callable[[UpAddresses], None]) -> None:
    """Run everything until cancelled. `say` gets sentences about what takes a while, `tell` all addresses.

    Raises WaybillError when a process cannot be kept running, and when another `up` of this user runs.
    """
    with claim_up(environ) as file, chosen_broker(environ, say, usual_port=True) as bootstrap_servers:
        port = free_port()
        simulated_environ = simulated({**environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}, port)
        settings = Settings.from_env(simulated_environ)
        await topic_admin.prepare(ClusterAccess.of(settings), topics.load(settings.partitions, settings.replication))
        folder = home(environ) / LOGS
        async with Supervisor(folder, simulated_environ) as supervisor:
            addresses = start_all(supervisor, bootstrap_servers, port)
            file.publish(addresses)
            tell(addresses)
            say(f"Logs in {folder}. The commands of Waybill on this machine find this broker by themselves.")
            say("Ctrl-C ends everything.")
            while True:
                await asyncio.sleep(CHECK_INTERVAL_S)
                supervisor.check()


def start_all(supervisor: Supervisor, bootstrap_servers: str, port: int) -> UpAddresses:
    """Start the simulators on `port` and one process for each role. Return where each answers.

    Webhooks go to the worker of WEBHOOK_ROLE.
    """
    workers = {role: f"http://{HOST}:{free_port()}" for role in ROLES}
    webhooks = f"{workers[WEBHOOK_ROLE]}/webhooks"
    supervisor.start(SIMULATORS, "simulators", "--port", str(port), "--generous", "--webhooks", webhooks)
    for role, url in workers.items():
        supervisor.start(role, "worker", role, WAYBILL_WEB_PORT=url.rsplit(":", 1)[1])
    return UpAddresses(os.getpid(), bootstrap_servers, f"http://{HOST}:{port}", workers)


def addresses_of(up: UpAddresses) -> Iterator[tuple[str, str]]:
    """Yield each process and its address, for people."""
    yield "broker", up.broker
    yield SIMULATORS, up.simulators
    for role, url in up.workers.items():
        yield role, f"{url}/metrics"


def simulated(environ: Mapping[str, str], port: int) -> dict[str, str]:
    """Return the environment with every provider set up at the simulators on `port`, and both maps enabled.

    Files with secrets of the vendors themselves are left out: each secret has one source.
    """
    simulators = environ_at(f"http://{HOST}:{port}")
    files = {name + FILE_SUFFIX for name in simulators}
    others = {name: value for name, value in environ.items() if name not in files}
    return {**others, **simulators, "WAYBILL_DUALWRITE_MAPS": MAPS, "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def chosen_broker(environ: Mapping[str, str], say: Say, *, usual_port: bool = False) -> Iterator[str]:
    """Yield host:port of the broker to use; start one that ends with the block where there is none.

    It is the broker of KAFKA_BOOTSTRAP_SERVERS, or the one that `waybill broker` runs unless a `waybill up` uses it, or
    one of the caller's own. `usual_port`: that one takes the port that everyone looks at first, if it is free.
    """
    if bootstrap_servers := environ.get("KAFKA_BOOTSTRAP_SERVERS", "").strip():
        yield bootstrap_servers
        return
    status = broker.status()
    other = find_up(environ)
    if status.running and status.bootstrap_servers and (other is None or other.broker != status.bootstrap_servers):
        yield status.bootstrap_servers
        return
    say("Starting a broker that ends with this command (the first time fetches 43 MB) ...")
    port = broker.DEFAULT_PORT if usual_port else None
    if port is not None and is_taken(port):
        say(f"Port {port} is taken by another program: the broker takes another one.")
        port = None
    with broker.temporary(port=port, notice=say) as info:
        yield info.bootstrap_servers
