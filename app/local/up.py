"""`waybill up`: a broker, the topics, the simulators and every role on this machine, until it is stopped."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from app import topics
from app.agents.roles import ROLES
from app.dualwrite import map_names
from app.local import broker
from app.local.ports import HOST, free_port, is_taken
from app.local.running import Running, home, only_one, running
from app.local.supervise import Supervisor
from app.providers.fno.simulator import STATUS_FIELD
from app.settings import Settings

Say = Callable[[str], object]
STORE: Final = "demo"
SIMULATORS: Final = "simulators"
LOGS: Final = "logs"
MAPS: Final = ",".join(map_names.MAPS)
SIGNED_WITH: Final = "whsec_c2ltdWxhdGVkLXdlYmhvb2stc2VjcmV0"
"""What the simulated Flexe signs its webhooks with."""
TAKES_WEBHOOKS: Final = "pull"
"""Every worker would: this one has the least to do."""
CHECK_INTERVAL_S: Final = 2.0


async def run(environ: Mapping[str, str], say: Say, tell: Callable[[Running], None]) -> None:
    """Until cancelled. `say` gets sentences about what takes a while, `tell` where everything answers.

    Raises WaybillError when a process cannot be kept running, and when another `up` of this user runs.
    """
    with only_one(environ) as notice, chosen_broker(environ, say, usual_port=True) as bootstrap_servers:
        told = simulated({**environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}, free_port(), STORE)
        settings = Settings.from_env(told)
        await topics.prepare(bootstrap_servers, topics.load(settings.partitions))
        folder = home(environ) / LOGS
        async with Supervisor(folder, told) as supervisor:
            here = start_all(supervisor, told)
            notice.tell(here)
            tell(here)
            say(f"Logs in {folder}. The commands of Waybill on this machine find this broker by themselves.")
            say("Ctrl-C ends everything.")
            while True:
                await asyncio.sleep(CHECK_INTERVAL_S)
                supervisor.check()


def start_all(supervisor: Supervisor, told: Mapping[str, str]) -> Running:
    """Start the simulators and one process for each role; where each answers. Webhooks go to a worker."""
    simulators = told["WAYBILL_BIGCOMMERCE_BASE_URL"].removesuffix("/bigcommerce")
    port = simulators.rsplit(":", 1)[1]
    found = {role: f"http://{HOST}:{free_port()}" for role in ROLES}
    webhooks = f"{found[TAKES_WEBHOOKS]}/webhooks"
    supervisor.start("simulators", "simulators", "--port", port, "--generous", "--webhooks", webhooks)
    for role, url in found.items():
        supervisor.start(role, "worker", role, WAYBILL_WEB_PORT=url.rsplit(":", 1)[1])
    return Running(os.getpid(), told["KAFKA_BOOTSTRAP_SERVERS"], simulators, found)


def shown(found: Running) -> Iterator[tuple[str, str]]:
    """Each process and its address, for people."""
    yield "broker", found.broker
    yield SIMULATORS, found.simulators
    for role, url in found.workers.items():
        yield role, f"{url}/metrics"


def simulated(environ: Mapping[str, str], port: int, store: str) -> dict[str, str]:
    """The environment with every provider set up at the simulators on `port`, and both maps enabled."""
    simulators = f"http://127.0.0.1:{port}"
    return {
        **environ,
        "WAYBILL_BIGCOMMERCE_BASE_URL": f"{simulators}/bigcommerce",
        "WAYBILL_BIGCOMMERCE_STORE_HASH": store,
        "WAYBILL_BIGCOMMERCE_ACCESS_TOKEN": "simulated-token",
        "WAYBILL_BIGCOMMERCE_CLIENT_SECRET": "simulated-client-secret",
        "WAYBILL_FNO_BASE_URL": f"{simulators}/fno",
        "WAYBILL_FNO_TOKEN_URL": f"{simulators}/fno/token",
        "WAYBILL_FNO_CLIENT_ID": "simulated-client",
        "WAYBILL_FNO_CLIENT_SECRET": "simulated-secret",
        "WAYBILL_FNO_STATUS_FIELD": STATUS_FIELD,
        "WAYBILL_FLEXE_BASE_URL": f"{simulators}/flexe",
        "WAYBILL_FLEXE_API_KEY": "simulated-key",
        "WAYBILL_FLEXE_OWNER_ID": "waybill",
        "WAYBILL_FLEXE_WEBHOOK_SECRET": SIGNED_WITH,
        "WAYBILL_SAP_BASE_URL": f"{simulators}/sap",
        "WAYBILL_SAP_USER": "simulated-user",
        "WAYBILL_SAP_PASSWORD": "simulated-password",
        "WAYBILL_SAP_SALES_ORDER_TYPE": "OR",
        "WAYBILL_SAP_SALES_ORGANIZATION": "1010",
        "WAYBILL_SAP_DISTRIBUTION_CHANNEL": "10",
        "WAYBILL_SAP_DIVISION": "00",
        "WAYBILL_SAP_SOLD_TO_PARTY": "17100001",
        "WAYBILL_SAP_PRICE_CONDITION_TYPE": "PPR0",
        "WAYBILL_SAP_WEBHOOK_SECRET": "simulated-bearer",
        "WAYBILL_DUALWRITE_MAPS": MAPS,
        "PYTHONUNBUFFERED": "1",
    }


@contextlib.contextmanager
def chosen_broker(environ: Mapping[str, str], say: Say, *, usual_port: bool = False) -> Iterator[str]:
    """The broker of KAFKA_BOOTSTRAP_SERVERS, or the one that `waybill broker` runs, or one of the caller's own.

    One that a `waybill up` uses is left to it. `usual_port`: a broker of the caller's own takes the port that everyone
    looks at first, if that is free.
    """
    if given := environ.get("KAFKA_BOOTSTRAP_SERVERS", "").strip():
        yield given
        return
    found, other = broker.status(), running(environ)
    if found.running and found.bootstrap_servers and (other is None or other.broker != found.bootstrap_servers):
        yield found.bootstrap_servers
        return
    say("Starting a broker that ends with this command (the first time fetches 43 MB) ...")
    port = broker.DEFAULT_PORT if usual_port else None
    if port is not None and is_taken(port):
        say(f"Port {port} is taken by another program: the broker takes another one.")
        port = None
    with broker.temporary(port=port, notice=say) as info:
        yield info.bootstrap_servers
