"""A connection to a broker, made by the access of its cluster: certificates, password and token as they are now."""

from collections.abc import Awaitable
from typing import Any

import aiokafka.conn
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator, create_conn
from aiokafka.errors import SaslAuthenticationFailed

from app.kafka.cluster_access import ClusterAccess
from app.kafka.topic_names import PrefixedRequest, without_prefix

_SECRET_LATER = "read when the connection is made"  # noqa: S105 - aiokafka refuses a client without any password


class AccessProvider(AbstractTokenProvider):  # type: ignore[misc]
    """What a client hands to each of its connections: the access, in the place of aiokafka's provider of tokens."""

    def __init__(self, cluster: ClusterAccess) -> None:
        self.cluster = cluster

    async def token(self) -> str:
        token = self.cluster.security.token
        return "" if token is None else await token()


class TokenExchange(OAuthAuthenticator):  # type: ignore[misc]
    """aiokafka's exchange of a token, which takes a broker's refusal for its consent (RFC 7628, 3.2.3)."""

    async def step(self, payload: bytes | None) -> Any:
        if payload:
            raise SaslAuthenticationFailed("the broker refused the token")
        return await super().step(payload)


class ClusterConnection(AIOKafkaConnection):  # type: ignore[misc]
    """A connection whose client hands it an `AccessProvider`. Beyond it no topic has its prefix."""

    _prefix = ""

    def __init__(self, *place: Any, sasl_oauth_token_provider: Any = None, **settings: Any) -> None:
        if isinstance(sasl_oauth_token_provider, AccessProvider):
            self._prefix = sasl_oauth_token_provider.cluster.prefix
            security = sasl_oauth_token_provider.cluster.security
            if security.tls is not None:
                settings["ssl_context"] = security.tls.context()
            if security.username is not None:
                settings["sasl_plain_password"] = security.password()
        super().__init__(*place, sasl_oauth_token_provider=sasl_oauth_token_provider, **settings)

    def send(self, request: Any, expect_response: bool = True) -> Any:
        if not self._prefix:
            return super().send(request, expect_response)
        response = super().send(PrefixedRequest(request, self._prefix), expect_response)
        return self._without_prefix(response) if expect_response else response

    async def _without_prefix(self, response: Awaitable[Any]) -> Any:
        return without_prefix(await response, self._prefix)

    def authenticator_oauth(self) -> OAuthAuthenticator:
        return TokenExchange(sasl_oauth_token_provider=self._sasl_oauth_token_provider)


# aiokafka has no setting for it: what makes its connections looks the class up by name, in this module.
aiokafka.conn.AIOKafkaConnection = ClusterConnection


def client_settings(cluster: ClusterAccess) -> dict[str, Any]:
    """Return the settings of aiokafka's clients that say how to connect."""
    return {"bootstrap_servers": cluster.servers, **_connection_settings(cluster)}


async def connect(cluster: ClusterAccess, host: str, port: int) -> AIOKafkaConnection:
    """Return a new connection to one broker. Raises OSError, KafkaError, TimeoutError."""
    return await create_conn(host, port, **_connection_settings(cluster))


def _connection_settings(cluster: ClusterAccess) -> dict[str, Any]:
    security = cluster.security
    settings: dict[str, Any] = {
        "security_protocol": security.protocol,
        "ssl_context": None if security.tls is None else security.tls.context(),
        "sasl_oauth_token_provider": AccessProvider(cluster),
    }
    if security.mechanism is not None:
        settings["sasl_mechanism"] = security.mechanism
    if security.username is not None:
        settings |= {"sasl_plain_username": security.username, "sasl_plain_password": _SECRET_LATER}
    return settings
