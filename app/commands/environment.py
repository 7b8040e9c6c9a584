"""The environment of a command: its settings, and the broker that it means when none is named."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.commands import output

if TYPE_CHECKING:
    from app.kafka.cluster_access import ClusterAccess
    from app.settings import Settings

SERVERS = "KAFKA_BOOTSTRAP_SERVERS"


def environment() -> Mapping[str, str]:
    """Return the environment, with the broker of this machine where it names none.

    That is the broker of `waybill up`, or else the one of `waybill broker`. Variables that nothing reads are named on
    standard error. Raises BrokerError when the broker's folder cannot be read.
    """
    from app.sandbox.local import broker
    from app.sandbox.local.up_addresses import find_up

    warn()
    if os.environ.get(SERVERS, "").strip():
        return os.environ
    up = find_up(os.environ)
    servers = up.broker if up else broker.address()
    return {**os.environ, SERVERS: servers} if servers else os.environ


def load_settings() -> "Settings":
    """Return the settings of `environment`. Raises SettingError."""
    from app.settings import Settings

    return Settings.from_env(environment())


def load_cluster() -> "ClusterAccess":
    """Return the Kafka cluster of `environment`. Raises SettingError."""
    from app.kafka.cluster_access import ClusterAccess

    return ClusterAccess.of(load_settings())


def warn() -> None:
    """Name on standard error the variables that look like ours and are read by nothing."""
    from app.settings import MACHINE, PREFIX, variables

    ours = {*variables().values(), *MACHINE}
    strange = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in ours)
    if strange:  # of a provider, or of nobody: only now its manifests are read
        from app.providers.variables import unread_warnings

        for sentence in unread_warnings(strange):
            output.note(f"waybill: {sentence}")
