"""`waybill up`: a broker, the topics, the simulators and every role on this machine, until it is stopped."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from app import topics
from app.dualwrite import map_names
from app.local import broker
from app.local.ports import HOST, free_port
from app.local.supervise import Supervisor
from app.runtime.compose import ROLES
from app.settings import Settings

STORE: Final = "demo"
LOGS: Final = "logs"
MAPS: Final = ",".join(map_names.MAPS)
SIGNED_WITH: Final = "whsec_c2ltdWxhdGVkLXdlYmhvb2stc2VjcmV0"
"""What the simulated Flexe signs its webhooks with."""
TAKES_WEBHOOKS: Final = "pull"
"""Every worker would: this one has the least to do."""
CHECK_INTERVAL_S: Final = 2.0


async def run(environ: Mapping[str, str], console: Console) -> None:
    """Until cancelled. Raises WaybillError when a process cannot be kept running."""
    with chosen_broker(environ, console) as bootstrap_servers:
        told = simulated({**environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}, free_port(), STORE)
        settings = Settings.from_env(told)
        await topics.prepare(bootstrap_servers, topics.load(settings.partitions))
        folder = Path(environ.get("WAYBILL_HOME") or Path.home() / ".waybill") / LOGS
        async with Supervisor(folder, told) as supervisor:
            for line in shown(start_all(supervisor, told)):
                console.print(line, markup=False, highlight=False)
            console.print(f"Logs in {folder}. Ctrl-C ends everything.", markup=False, highlight=False)
            while True:
                await asyncio.sleep(CHECK_INTERVAL_S)
                supervisor.check()


def start_all(supervisor: Supervisor, told: Mapping[str, str]) -> dict[str, str]:
    """Starts the simulators and one process for each role; where each answers, by name. Webhooks go to a worker."""
    simulators = told["WAYBILL_BIGCOMMERCE_BASE_URL"].removesuffix("/bigcommerce")
    port = simulators.rsplit(":", 1)[1]
    found = {role: f"http://{HOST}:{free_port()}" for role in ROLES}
    webhooks = f"{found[TAKES_WEBHOOKS]}/webhooks"
    supervisor.start("simulators", "simulators", "--port", port, "--generous", "--webhooks", webhooks)
    for role, url in found.items():
        supervisor.start(role, "worker", role, WAYBILL_WEB_PORT=url.rsplit(":", 1)[1])
    return {"simulators": simulators, **found}


def shown(found: Mapping[str, str]) -> Iterator[str]:
    """A line for people for each process."""
    for name, url in found.items():
        yield f"{name:<12} {url}" + ("/metrics" if name in ROLES else "")


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
def chosen_broker(environ: Mapping[str, str], console: Console) -> Iterator[str]:
    """The broker of KAFKA_BOOTSTRAP_SERVERS, or the one that `waybill broker` runs, or one of the caller's own."""
    if given := environ.get("KAFKA_BOOTSTRAP_SERVERS", "").strip():
        yield given
        return
    found = broker.status()
    if found.running and found.bootstrap_servers:
        yield found.bootstrap_servers
        return
    console.print("No broker runs: starting one that ends with this command (the first time fetches 43 MB) ...")
    with broker.temporary(notice=console.print) as info:
        yield info.bootstrap_servers
