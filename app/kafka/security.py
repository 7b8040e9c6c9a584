"""How a connection to Kafka is secured: TLS, and the login by SASL.

Files and secrets are read when a connection is made, so that new ones need no restart: whoever connects again has them.
"""

import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.errors import SettingError
from app.secrets import ReadSecret
from app.settings import Settings

ReadToken = Callable[[], Awaitable[str]]
_USES_TLS: Final = ("SSL", "SASL_SSL")
_USES_SASL: Final = ("SASL_PLAINTEXT", "SASL_SSL")
_TOKENS: Final = "OAUTHBEARER"
_OAUTH: Final = ("kafka_oauth_token_url", "kafka_oauth_client_id", "kafka_oauth_client_secret")


@dataclass(slots=True)
class TlsFiles:
    """Certificates by file. `key_password` reads the password of the key."""

    ca: str | None
    certificate: str | None
    key: str | None
    key_password: ReadSecret
    _context: ssl.SSLContext | None = field(default=None, repr=False)
    _stamps: tuple[tuple[int, int], ...] = ()

    def context(self) -> ssl.SSLContext:
        """Return the context of the files as they are now. Raises SettingError for one that cannot be used."""
        stamps = tuple(map(_stamp, (self.ca, self.certificate, self.key)))
        if self._context is None or stamps != self._stamps:
            self._context = self._read()
            self._stamps = stamps
        return self._context

    def _read(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as problem:
            raise _unusable("KAFKA_SSL_CA_FILE", self.ca, problem, "certificates of authorities") from None
        if self.certificate is not None:
            password = self.key_password()  # a text, even an empty one: OpenSSL would ask a terminal for it
            try:
                context.load_cert_chain(self.certificate, self.key, password)
            except (OSError, ssl.SSLError) as problem:
                what = f"a certificate whose key is in KAFKA_SSL_KEY_FILE={self.key}"
                raise _unusable("KAFKA_SSL_CERTIFICATE_FILE", self.certificate, problem, what) from None
        return context


def _stamp(path: str | None) -> tuple[int, int]:
    try:
        status = os.stat(path) if path else None
    except OSError:
        status = None
    return (status.st_mtime_ns, status.st_ino) if status else (0, 0)


def _unusable(variable: str, path: str | None, problem: Exception, what: str) -> SettingError:
    why = problem.reason if isinstance(problem, ssl.SSLError) else getattr(problem, "strerror", None)
    return SettingError(f"{variable}={path}: cannot be used ({why or 'no PEM'}); name a PEM file with {what}")


@dataclass(frozen=True, slots=True)
class ClusterSecurity:
    """Protocol and login. `password` and `token` read what is to be used now."""

    protocol: str = "PLAINTEXT"
    tls: TlsFiles | None = field(default=None, repr=False)
    mechanism: str | None = None
    username: str | None = None
    password: ReadSecret = field(default=str, repr=False)
    token: ReadToken | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "ClusterSecurity":
        """Return what the settings describe. Raises SettingError for what lacks, contradicts or cannot be used."""
        values = {name: value for name, value in settings.model_dump().items() if name.startswith("kafka_")}
        protocol, mechanism = settings.kafka_security_protocol, settings.kafka_sasl_mechanism
        _check(values, protocol, mechanism)
        tls = None
        if protocol in _USES_TLS:
            tls = TlsFiles(
                settings.kafka_ssl_ca_file,
                settings.kafka_ssl_certificate_file,
                key=settings.kafka_ssl_key_file,
                key_password=settings.secret("kafka_ssl_key_password").current,
            )
            tls.context()
        if protocol not in _USES_SASL:
            return cls(protocol, tls)
        return cls(
            protocol=protocol,
            tls=tls,
            mechanism=mechanism,
            username=settings.kafka_sasl_username,
            password=settings.secret("kafka_sasl_password").current,
            token=_token(settings) if mechanism == _TOKENS else None,
        )


def _token(settings: Settings) -> ReadToken:
    token = settings.secret("kafka_oauth_token")
    if not token.is_set:
        # Here, because commands that need no token would wait for the import of httpx.
        from app.kafka.oauth_tokens import ClientCredentials

        return ClientCredentials(
            settings.kafka_oauth_token_url or "",
            settings.kafka_oauth_client_id or "",
            settings.secret("kafka_oauth_client_secret").current,
            scope=settings.kafka_oauth_scope or "",
        ).token

    async def read() -> str:
        return token.current()

    return read


def _check(values: Mapping[str, Any], protocol: str, mechanism: str | None) -> None:
    """Raise SettingError, with the variable to set or unset, when settings do not go together."""
    allowed, needed = {"kafka_security_protocol"}, list[str]()
    if protocol in _USES_TLS:
        allowed |= {name for name in values if name.startswith("kafka_ssl_")}
        if values["kafka_ssl_certificate_file"] or values["kafka_ssl_key_file"]:
            needed += ["kafka_ssl_certificate_file", "kafka_ssl_key_file"]
    if protocol in _USES_SASL:
        needed.append("kafka_sasl_mechanism")
        if mechanism == _TOKENS:
            needed += [] if values["kafka_oauth_token"] else _OAUTH
            allowed |= {*_OAUTH, "kafka_oauth_scope"} if not values["kafka_oauth_token"] else {"kafka_oauth_token"}
        else:
            needed += ["kafka_sasl_username", "kafka_sasl_password"] if mechanism else []
    setting = f"KAFKA_SECURITY_PROTOCOL={protocol}" + (f" with KAFKA_SASL_MECHANISM={mechanism}" if mechanism else "")
    if missing := [name.upper() for name in needed if not values[name]]:
        raise SettingError(f"{setting} needs {' and '.join(missing)}: set {'it' if len(missing) == 1 else 'them'}")
    if unused := [name.upper() for name, value in values.items() if value and name not in allowed | set(needed)]:
        raise SettingError(f"{setting} does not use {' and '.join(unused)}: unset that, or choose another protocol")
