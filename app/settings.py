"""Every limit and address a process of Waybill can be given, each named with its unit.

Settings of providers are absent: each provider's manifest declares its own.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from app.definitions.model_errors import ModelError, model_errors
from app.dualwrite.map_names import MAPS
from app.errors import SettingError, suggest
from app.redaction import printable_address
from app.sealing.master_keys import MasterKeys, parse_keys
from app.secrets import Secret

_NAMED: Final = {
    "bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
    "schema_registry_url": "SCHEMA_REGISTRY_URL",
    "maps": "WAYBILL_DUALWRITE_MAPS",
}


_ADDRESSES: Final = frozenset({"bootstrap_servers", "web_host"})
PREFIX: Final = "WAYBILL_"
MACHINE: Final = {
    "WAYBILL_HOME": ("~/.waybill", "folder of the local broker's data, and of what `waybill up` logs"),
    "KAFKA_HOME": ("", "unpacked Kafka for the local broker; without it the one that Waybill fetches"),
    "JAVA_HOME": ("", "Java for the local broker; without it the one that comes with Waybill"),
    "M2_REPO": ("~/.m2/repository", "folder that Kafka is fetched into"),
    "WAYBILL_MAVEN_URL": (
        "https://repo1.maven.org/maven2",
        "Maven repository that Kafka is fetched from, or a mirror of it",
    ),
    "HTTPS_PROXY": ("", "proxy through which Kafka is fetched"),
}
"""What the local broker and `waybill up` read: (default, meaning). No setting of a worker."""
_SERVER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_ADDRESS: Final = re.compile(r"https?://([^\s/?#@]*@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[^\s]*)?")
_SAFE: Final = re.compile(r"https://[^@]*$|http://(localhost|127\.0\.0\.1|\[::1\])[:/]")
PORT_MAX: Final = 65_535
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
_TOKEN: Final = re.compile("[!-~]{16,4096}")


def _listed(value: object) -> object:
    return _parts(value) if isinstance(value, str) else value


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _servers(value: str) -> str:
    parts = _parts(value)
    if not parts:
        raise ValueError("write host:port, several by commas")
    for part in parts:
        address = _SERVER.fullmatch(part)
        if address is None or not 1 <= int(address[2] or 1) <= PORT_MAX:
            raise ValueError(f"{printable_address(part)!r} is no host:port")
    return value


def _token_address(value: str | None) -> str | None:
    """A client's secret goes there: in the clear to this machine only."""
    if value is not None and not (_ADDRESS.fullmatch(value) and _SAFE.match(value)):
        raise ValueError("write https://host/path")
    return value


def _address(value: str | None) -> str | None:
    if value is not None and not _ADDRESS.fullmatch(value):
        raise ValueError("write https://host:port")
    return value


def _enabled(maps: tuple[str, ...]) -> tuple[str, ...]:
    for name in maps:
        if name not in MAPS:
            raise ValueError(f"there is no map {name!r}; {suggest(name, MAPS)}")
    return maps


def _token(token: str | None) -> str | None:
    if token is not None and not _TOKEN.fullmatch(token):
        raise ValueError("16 to 4096 printable ASCII characters without spaces; `openssl rand -hex 32` makes some")
    return token


def _master_keys(keys: str | None) -> str | None:
    parse_keys(keys or "")
    return keys


class Settings(BaseModel):
    """Read from the environment: `WAYBILL_` and the field's name in capitals, but for `kafka_...` and three others."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    _environ: Mapping[str, str] = PrivateAttr(default_factory=dict)

    bootstrap_servers: Annotated[str, AfterValidator(_servers)] = Field(
        default="127.0.0.1:9092", description="host:port of brokers, by commas"
    )
    schema_registry_url: Annotated[str | None, AfterValidator(_address)] = Field(
        default=None,
        repr=False,
        json_schema_extra={"secret": True},
        description="address of a schema registry, with user and password if it wants them; without it a worker answers"
        " its read calls itself",
    )
    kafka_security_protocol: SecurityProtocol = Field(
        default="PLAINTEXT",
        description="protocol of the brokers: TLS (SSL), a login (SASL), both or neither",
    )
    kafka_ssl_ca_file: str | None = Field(
        default=None,
        min_length=1,
        description="PEM file of the authorities that sign the brokers' certificates; without it those of the machine",
    )
    kafka_ssl_certificate_file: str | None = Field(
        default=None, min_length=1, description="PEM file of the client's certificate, for mutual TLS"
    )
    kafka_ssl_key_file: str | None = Field(
        default=None, min_length=1, description="PEM file of that certificate's private key"
    )
    kafka_ssl_key_password: str | None = Field(
        default=None, repr=False, json_schema_extra={"secret": True}, description="password of that key, if it has one"
    )
    kafka_sasl_mechanism: SaslMechanism | None = Field(default=None, description="mechanism of the login")
    kafka_sasl_username: str | None = Field(
        default=None, min_length=1, description="user (of Confluent Cloud: the API key), for PLAIN and SCRAM"
    )
    kafka_sasl_password: str | None = Field(
        default=None, repr=False, json_schema_extra={"secret": True}, description="that user's password"
    )
    kafka_oauth_token_url: Annotated[str | None, AfterValidator(_token_address)] = Field(
        default=None, description="token endpoint that gives tokens for a client's credentials, for OAUTHBEARER"
    )
    kafka_oauth_client_id: str | None = Field(default=None, min_length=1, description="client at that endpoint")
    kafka_oauth_client_secret: str | None = Field(
        default=None, repr=False, json_schema_extra={"secret": True}, description="that client's secret"
    )
    kafka_oauth_scope: str | None = Field(default=None, min_length=1, description="scope to ask for, by spaces")
    kafka_oauth_token: str | None = Field(
        default=None,
        repr=False,
        json_schema_extra={"secret": True},
        description="token in place of an endpoint; in a file that somebody else renews",
    )
    partitions: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="partitions of all topics keyed by order id; without it as in topics.yaml",
    )
    replication: int | None = Field(
        default=None,
        ge=1,
        le=32,
        description="replicas of each topic, of which a majority must be in sync; without it the cluster's default",
    )
    prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,80}$",
        description="beginning of every topic, consumer group and transactional id, such as shop-a.: so that several"
        " installations share a cluster",
    )
    installation: str = Field(
        default="waybill",
        pattern=r"^[A-Za-z0-9._-]{1,80}$",
        description="what follows the prefix in consumer groups and transactional ids; with a random part nobody"
        " guesses them",
    )
    maps: Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_enabled)] = Field(
        default=(), description=f"enabled dual-write maps, by commas, of {', '.join(MAPS)}"
    )

    web_host: str = Field(default="127.0.0.1", min_length=1, description="address the web server listens on")
    web_port: int = Field(
        default=6066,
        ge=0,
        le=PORT_MAX,
        description="port of the web server, 0 for a free one; not set and taken: a free one",
    )
    web_token: Annotated[str | None, AfterValidator(_token)] = Field(
        default=None,
        repr=False,
        json_schema_extra={"secret": True},
        description="bearer token for orders and schemas; without it they are shown on a loopback address only",
    )

    personal_data_key: Annotated[str | None, AfterValidator(_master_keys)] = Field(
        default=None,
        repr=False,
        json_schema_extra={"secret": True},
        description="master key that personal data is sealed with, in hexadecimal; after a comma older ones that still"
        " open; without it nothing is sealed",
    )
    personal_data_sealed: bool = Field(
        default=True,
        description="whether what is written from now on is sealed, if there is a master key; false reads what was"
        " sealed and seals no new order",
    )

    session_timeout_s: int = Field(default=6, ge=1, le=300, description="seconds until a silent worker loses its lanes")
    heartbeat_interval_s: int = Field(default=1, ge=1, le=100, description="seconds between heartbeats")
    transaction_timeout_ms: int = Field(
        default=10_000, ge=1000, le=900_000, description="milliseconds a checkpoint may take"
    )
    commit_age_max_s: int = Field(default=60, ge=1, le=3600, description="seconds a position may stay unwritten")
    settled_after_s: int = Field(default=60, ge=0, le=604_800, description="seconds a final order stays in memory")

    record_bytes_max: int = Field(default=1_048_576, ge=1024, le=2_097_152, description="bytes of one record's value")
    batch_records_max: int = Field(default=2000, ge=1, le=100_000, description="records folded in one checkpoint")
    calls_in_flight_max: int = Field(default=64, ge=1, le=10_000, description="provider calls of one lane at a time")
    calls_in_flight_per_provider_max: int = Field(
        default=12, ge=1, le=10_000, description="calls to one provider at a time"
    )

    pull_interval_s: float = Field(default=1.0, gt=0, le=86_400, description="seconds between two pulls")
    effect_retry_initial_ms: int = Field(
        default=500, ge=1, le=3_600_000, description="milliseconds before the first repeat"
    )
    effect_retry_max_ms: int = Field(
        default=30_000, ge=1, le=86_400_000, description="milliseconds between repeats at most"
    )
    effect_attempts_max: int = Field(default=12, ge=1, le=1000, description="attempts until an effect is given up")

    network_file: str | None = Field(
        default=None, min_length=1, description="file of warehouses that ship, YAML or CSV"
    )
    strategies_file: str | None = Field(default=None, min_length=1, description="YAML file of sourcing strategies")
    preferences_file: str | None = Field(
        default=None, min_length=1, description="YAML file of order handling preferences"
    )
    sourcing_batch_ms: int = Field(default=50, ge=0, le=60_000, description="milliseconds a request waits for others")
    sourcing_batch_max: int = Field(default=200, ge=1, le=2_000, description="orders that are sourced together")
    backorder_job_s: int = Field(
        default=3600, ge=0, le=604_800, description="seconds between two runs of the backorder job, 0 for none"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Return settings from environment variables; an empty one counts as absent. A secret may be in a file.

        Raises SettingError that names the variable, its value unless that is a secret, and what it may be.
        """
        values = {key: environ[name] for key, name in variables().items() if environ.get(name, "").strip()}
        secrets = {key: Secret(name, environ).current() for key, name in variables().items() if is_secret(key)}
        values |= {key: value for key, value in secrets.items() if value}
        try:
            settings = cls.model_validate(values)
        except ValidationError as exc:
            raise _refusal(exc) from exc
        settings._check_times()
        settings._environ = environ
        return settings

    def secret(self, field: str) -> Secret:
        """Return a secret setting whose file is read each time the secret is used. Raises SettingError."""
        return Secret(variables()[field], self._environ)

    @property
    def chooses_web_port(self) -> bool:
        """Whether no port is set: a worker then takes a free one where the usual one is taken."""
        return "web_port" not in self.model_fields_set

    def master_keys(self) -> MasterKeys:
        """Return the master keys of personal data, none where they are not set."""
        return MasterKeys(parse_keys(self.personal_data_key or ""), seals=self.personal_data_sealed)

    def group(self, role: str) -> str:
        """Return the consumer group of a role. The transactional id of a lane is that and its partition."""
        return f"{self.owner}-{role}"

    @property
    def owner(self) -> str:
        """What groups and transactional ids begin with."""
        return f"{self.prefix}{self.installation}"

    def _check_times(self) -> None:
        """Check limits that only make sense together. Raises SettingError."""
        if self.heartbeat_interval_s * 3 > self.session_timeout_s:
            raise SettingError(
                f"WAYBILL_HEARTBEAT_INTERVAL_S={self.heartbeat_interval_s}: at most a third of "
                f"WAYBILL_SESSION_TIMEOUT_S={self.session_timeout_s}, or one lost heartbeat costs a worker its lanes"
            )
        if self.effect_retry_initial_ms > self.effect_retry_max_ms:
            raise SettingError(
                f"WAYBILL_EFFECT_RETRY_INITIAL_MS={self.effect_retry_initial_ms}: at most "
                f"WAYBILL_EFFECT_RETRY_MAX_MS={self.effect_retry_max_ms}"
            )


def is_secret(field: str) -> bool:
    """Return whether the value of a field is a secret, and may be in a file."""
    return Settings.model_fields[field].json_schema_extra == {"secret": True}


def variables() -> dict[str, str]:
    """Return field -> environment variable."""
    return {name: _NAMED.get(name, _variable(name)) for name in Settings.model_fields}


def _variable(field: str) -> str:
    return field.upper() if field.startswith("kafka_") else f"{PREFIX}{field.upper()}"


def _refusal(error: ValidationError) -> SettingError:
    return SettingError("; ".join(_sentence(each) for each in model_errors(error, Settings)))


def _sentence(error: ModelError) -> str:
    field = str(error.place[0])
    meaning = Settings.model_fields[field].description
    # Whoever writes a password into an address that has none must not find it in a log.
    text = printable_address(error.value) if field in _ADDRESSES and isinstance(error.value, str) else error.value
    value = "***" if is_secret(field) else repr(text)
    return f"{variables()[field]}={value}: {error.sentence}; it is the {meaning}"
