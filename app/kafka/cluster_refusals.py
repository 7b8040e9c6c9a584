"""Why a cluster cannot be used, in one sentence that names the setting to change. Secrets are in none of them.

aiokafka's clients say only that no address answered. So who fails connects once more, by hand, and looks at how that
ends: a broker that closes a connection without a word tells by when it does so which protocol it speaks.
"""

import asyncio
import ssl
from typing import Final

from aiokafka.conn import collect_hosts
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

from app.errors import BrokerError, SettingError
from app.kafka.clients import MetadataQuery
from app.kafka.cluster_access import ClusterAccess
from app.kafka.connection import connect

ANSWER_LIMIT_S: Final = 5.0
_NOT_ALLOWED: Final = {
    TopicAuthorizationFailedError: "a topic",
    GroupAuthorizationFailedError: "its consumer group",
    TransactionalIdAuthorizationFailed: "its transactional id",
    ClusterAuthorizationFailedError: "what it asks of the cluster",
}
_X509_EXPIRED: Final = 10
_X509_NOT_YET: Final = 9
_X509_OTHER_HOST: Final = frozenset({62, 64})


class RefusedError(BrokerError):
    """A broker is there and refuses us: trying again changes nothing."""


class ClosedError(RefusedError):
    """A broker closed the connection without a word: it speaks another protocol, or it is about to stop."""


async def answers(cluster: ClusterAccess) -> bool:
    """Return whether any address is that of a live broker.

    Raises RefusedError when none is and one of them refuses us: waiting does not help there.
    """
    refused = None
    for host, port, _ in collect_hosts(cluster.servers):
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                if await _ask(cluster, host, port):
                    return True
        except RefusedError as problem:
            refused = problem
        except (OSError, OverflowError, KafkaError):  # a time-out is an OSError
            continue
    if refused is not None:
        raise refused
    return False


async def explain(cluster: ClusterAccess, problem: BaseException) -> str:
    """Return why a client failed to start, or why what it did was not allowed."""
    if not_allowed := explain_denial(cluster, problem):
        return not_allowed
    try:
        if await answers(cluster):
            return f"Kafka at {cluster}: {problem!r}"
    except (RefusedError, SettingError) as refusal:
        return str(refusal)
    return (
        f"no Kafka answers at {cluster}: start one (`waybill up`, or `waybill broker start`), or set"
        " KAFKA_BOOTSTRAP_SERVERS to one that runs"
    )


def explain_denial(cluster: ClusterAccess, problem: BaseException) -> str | None:
    """Return the sentence for what an ACL is missing for; None for any other problem."""
    for kind, what in _NOT_ALLOWED.items():
        if isinstance(problem, kind):
            prefix = cluster.prefix if kind is TopicAuthorizationFailedError else ""
            names = ", ".join(sorted({f"{prefix}{name}" for each in problem.args for name in _listed(each)}))
            return (
                f"Kafka at {cluster} does not allow {_user(cluster)} {what}{names and f' ({names})'}: give it the ACLs"
                " that `waybill topics acls` prints"
            )
    return None


def _listed(argument: object) -> list[object]:
    return list(argument) if isinstance(argument, set | frozenset | list | tuple) else [argument]


def _user(cluster: ClusterAccess) -> str:
    security = cluster.security
    if security.username:
        return f"KAFKA_SASL_USERNAME={security.username}"
    return "the owner of the token" if security.mechanism else "this client"


async def _ask(cluster: ClusterAccess, host: str, port: int) -> bool:
    """Return whether a broker is there and knows of brokers. Raises RefusedError, OSError, KafkaError."""
    place = f"Kafka at {host}:{port}"
    try:
        connection = await connect(cluster, host, port)
    except (OSError, KafkaError, ValueError, EOFError) as problem:
        _raise_refusal(cluster, place, problem)
        raise
    try:
        return bool((await connection.send(MetadataQuery([]))).brokers)
    except KafkaError as problem:
        _raise_refusal(cluster, place, problem, connected=True)
        raise
    finally:
        connection.close()


def _raise_refusal(cluster: ClusterAccess, place: str, problem: BaseException, *, connected: bool = False) -> None:
    """Raise RefusedError, ClosedError when a connection that failed means it."""
    causes = _causes(problem)
    if refusal := _refusal(cluster, causes):
        raise RefusedError(f"{place} {refusal}") from None
    if any(isinstance(cause, EOFError | ConnectionResetError | BrokenPipeError | ssl.SSLError) for cause in causes):
        raise ClosedError(f"{place} {_closed_refusal(cluster.security.protocol, connected=connected)}") from None


def _refusal(cluster: ClusterAccess, causes: list[BaseException]) -> str:
    """Return what a failed connection means, without its place; "" when it does not mean that we are refused."""
    security = cluster.security
    protocol = f"KAFKA_SECURITY_PROTOCOL={security.protocol}"
    for cause in causes:
        match cause:
            case ssl.SSLCertVerificationError():
                return _certificate_refusal(cause)
            case ssl.SSLError() if "WRONG_VERSION" in str(cause) or "RECORD_LAYER" in str(cause):
                return f"does not speak TLS on that port, and {protocol} does: change it, or the port"
            case ssl.SSLError() if "ALERT" in str(cause) or "alert" in str(cause):
                return (
                    "does not accept our certificate"
                    f" ({cause.reason}): look at KAFKA_SSL_CERTIFICATE_FILE and KAFKA_SSL_KEY_FILE"
                )
            case AuthenticationFailedError():
                return f"needs a token: {cause}"
            case SaslAuthenticationFailed() | ValueError() if security.token is not None:
                return "does not accept the token: look at KAFKA_OAUTH_TOKEN or KAFKA_OAUTH_TOKEN_URL"
            case SaslAuthenticationFailed() | ValueError() if security.username is not None:
                return (
                    f"does not accept KAFKA_SASL_USERNAME={security.username} with that password:"
                    " look at KAFKA_SASL_PASSWORD, or at the file that KAFKA_SASL_PASSWORD_FILE gives"
                )
            case UnsupportedSaslMechanismError():
                return f"does not offer KAFKA_SASL_MECHANISM={security.mechanism}: set one that it offers"
            case IllegalSaslStateError():
                plain = security.protocol.removeprefix("SASL_")
                return f"takes no login on that port, and {protocol} has one: set it to {plain}, or change the port"
    return ""


def _closed_refusal(protocol: str, *, connected: bool) -> str:
    setting = f"KAFKA_SECURITY_PROTOCOL={protocol}"
    if connected and not protocol.startswith("SASL_"):
        return f"closed the connection: it probably wants a login, and {setting} has none; set it to SASL_{protocol}"
    if protocol in ("SSL", "SASL_SSL"):
        plain = "PLAINTEXT" if protocol == "SSL" else "SASL_PLAINTEXT"
        return (
            f"closed the connection: it probably speaks no TLS on that port; change {setting} to {plain}, or the port"
        )
    encrypted = "SSL" if protocol == "PLAINTEXT" else "SASL_SSL"
    return f"closed the connection: it probably speaks TLS on that port; change {setting} to {encrypted}, or the port"


def _certificate_refusal(problem: ssl.SSLCertVerificationError) -> str:
    if problem.verify_code == _X509_EXPIRED:
        return "has a certificate that has expired: renew it at the broker"
    if problem.verify_code == _X509_NOT_YET:
        return "has a certificate that is not valid yet: look at the clocks of both machines"
    if problem.verify_code in _X509_OTHER_HOST:
        return "has a certificate for another name: use that name in KAFKA_BOOTSTRAP_SERVERS and as its advertised one"
    return (
        f"has a certificate that nobody we trust has signed ({problem.verify_message}): name the PEM file of its"
        " authority in KAFKA_SSL_CA_FILE"
    )


def _causes(problem: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while problem is not None and problem not in causes:
        causes.append(problem)
        problem = problem.__cause__ or problem.__context__
    return causes
