"""The work of `waybill verify`: read all topics, judge every order, print the ledger of truth."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from app.commands import output
from app.commands.environment import SERVERS, environment
from app.errors import SettingError, WaybillError
from app.events import codec
from app.events.codec import Codec
from app.events.writer_schemas import WriterSchemas
from app.kafka import topics
from app.kafka.cluster_access import ClusterAccess
from app.providers import registry
from app.providers.port import OrderFinder
from app.queries.audit import DiscrepancyKind, Standing
from app.queries.audit_verdict import SHOWN, Verdict
from app.queries.verification import Prepare, open_log, verify
from app.secrets import Secret
from app.settings import Settings, variables

TRUE: Final = 0
WRONG: Final = 1
NOT_LOOKED: Final = 2
"""Exit codes: nothing is wrong, something is, nobody could look."""
SHOWN_MAX: Final = 50
"""Discrepancies that are printed for people; --json has more."""


def run(*, providers: bool, as_json: bool) -> int:
    """Verify the broker of the settings and print what was seen. Return the exit code.

    `providers`: those that are set up are asked what they have, too.
    """
    try:
        verdict = asyncio.run(_verify(environment(), providers))
    except (WaybillError, sqlite3.Error, OSError) as problem:  # the temporary file may meet a full disk
        output.refusal(f"nothing was verified: {problem}")
        return NOT_LOOKED
    if as_json:
        output.data(verdict.as_json())
    else:
        _print(verdict)
    for provider, why in verdict.not_asked.items():
        output.refusal(f"{provider} was not asked for all its orders: {why}")
    if not verdict.is_true:
        return WRONG
    return NOT_LOOKED if verdict.not_asked else TRUE


async def _verify(environ: Mapping[str, str], with_providers: bool) -> Verdict:
    settings = Settings.from_env(environ)
    retentions = {topic.name: topic.retention_ms for topic in topics.load() if topic.retention_ms is not None}
    records, prepare = await _codec(settings, environ)
    clients = registry.open_all(_with_simulators(environ)) if with_providers else {}
    finders = {name: client for name, client in clients.items() if isinstance(client, OrderFinder)}
    if with_providers and not finders:
        raise SettingError(
            "--providers: none that can be asked is set up here; `waybill provider list` says what lacks"
        )
    now_ms, keys = time.time_ns() // 1_000_000, settings.master_keys()
    try:
        async with open_log(ClusterAccess.of(settings)) as log:
            return await verify(
                log, records, retentions, now_ms=now_ms, prepare=prepare, finders=finders, master_keys=keys
            )
    finally:
        await asyncio.gather(*(client.close() for client in clients.values()))


def _with_simulators(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with the simulators of `waybill up` as providers, where its broker is verified."""
    from app.sandbox.local.up import simulated
    from app.sandbox.local.up_addresses import find_up

    up = find_up(environ)
    if up is None or environ.get(SERVERS) != up.broker:
        return environ
    return simulated(environ, urlsplit(up.simulators).port or 0)


async def _codec(settings: Settings, environ: Mapping[str, str]) -> tuple[Codec, Prepare | None]:
    """Return the codec that workers have, and how it gets the schemas of connectors where there is a registry."""
    limit, url = settings.record_bytes_max, settings.schema_registry_url
    if url is None:
        return codec.load(record_bytes_max=limit), None
    from app.events import schema_registry
    from app.lanes.lane_limits import SYSTEM_CLOCK
    from app.worker.foreign_schemas import ForeignSchemas

    ids = await schema_registry.publish(url, codec.load().schemas)
    writers = WriterSchemas(schema_registry.address(url))
    records = codec.load(record_bytes_max=limit, ids=ids, writers=writers)
    secret = Secret(variables()["schema_registry_url"], environ)
    return records, ForeignSchemas(records, secret.current, SYSTEM_CLOCK).prepare


def _print(verdict: Verdict) -> None:
    """Print the counts, what is wrong, and one sentence."""
    rows = [("accepted", verdict.accepted)]
    rows += [(f"  {standing}", verdict.orders[standing]) for standing in SHOWN]
    rows += [(str(kind), verdict.wrong[kind]) for kind in DiscrepancyKind]
    rows += [("set aside", verdict.orders[Standing.SET_ASIDE])]
    output.table(("Orders", ""), rows)
    wrong = [(order, each) for order, each in verdict.listed if each.kind is not DiscrepancyKind.UNOBSERVABLE]
    if wrong:
        entries = [(order, each.kind, each.what, each.where) for order, each in wrong[:SHOWN_MAX]]
        output.table(("Order", "Is", "What", "Where"), entries, "What is wrong")
    if len(wrong) > SHOWN_MAX:
        output.line(f"and {len(wrong) - SHOWN_MAX} more: --json names them")
    looked_at = f"{verdict.records} records, {verdict.dead_letters} dead letters that nobody has dealt with"
    sentence = "Nothing is lost, doubled or different" if verdict.is_true else "Not everything holds: see above"
    output.line(f"{sentence} ({looked_at}).")
