"""A broker with a listener for each way in which clusters are secured, and Kafka's own authorizer."""

import os
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.sandbox.local.broker_folder import SETTINGS
from app.sandbox.local.jars import find_kafka
from app.sandbox.local.jvm import find_java
from app.sandbox.local.ports import HOST, cluster_at, free_port
from tests.kafka.certificates import Authority

LIMIT_S = 180.0
USERS = ("operator", "worker", "shop", "watcher")
MODULES = "org.apache.kafka.common.security"
LISTENERS = ("PLAINTEXT", "MUTUAL", "TLS", "EXPIRED", "LOGIN", "TOKENS")
PROTOCOLS = {
    "CONTROLLER": "PLAINTEXT", "PLAINTEXT": "PLAINTEXT", "MUTUAL": "SSL", "TLS": "SSL", "EXPIRED": "SSL",
    "LOGIN": "SASL_SSL", "TOKENS": "SASL_PLAINTEXT",
}  # fmt: skip


def password(user: str) -> str:
    return f"{user}-pass-4711"


@dataclass(frozen=True)
class SecuredBroker:
    """Its listeners by name: PLAINTEXT is for the administrator; everyone there may do everything."""

    ports: Mapping[str, int]
    authority: Authority
    folder: Path

    def at(self, listener: str, **settings: str) -> dict[str, str]:
        """Return the settings of a client of a listener that trusts the broker."""
        protocol = PROTOCOLS[listener]
        trust = {"KAFKA_SSL_CA_FILE": str(self.authority.ca)} if protocol.endswith("SSL") else {}
        servers = f"{HOST}:{self.ports[listener]}"
        return {"KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_SECURITY_PROTOCOL": protocol} | trust | settings

    def user(self, name: str, mechanism: str = "SCRAM-SHA-512", **settings: str) -> dict[str, str]:
        """Return the settings of a user with its password."""
        login = {"KAFKA_SASL_MECHANISM": mechanism, "KAFKA_SASL_USERNAME": name, "KAFKA_SASL_PASSWORD": password(name)}
        return self.at("LOGIN", **login | settings)


def properties(folder: Path, authority: Authority, ports: Mapping[str, int], controller: int) -> str:
    good, expired = authority.keystore("broker"), authority.keystore("expired-broker", days=-1)
    plain = " ".join(f'user_{name}="{password(name)}"' for name in USERS)
    settings = {
        **SETTINGS,
        "listeners": ",".join(
            [*(f"{name}://{HOST}:{port}" for name, port in ports.items()), f"CONTROLLER://{HOST}:{controller}"]
        ),
        "advertised.listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()),
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "log.dirs": str(folder / "log"),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(good),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.ca),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.expired.ssl.keystore.type": "PEM",
        "listener.name.expired.ssl.keystore.location": str(expired),
        "listener.name.login.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.login.plain.sasl.jaas.config": f"{MODULES}.plain.PlainLoginModule required {plain};",
        "listener.name.login.scram-sha-256.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required;",
        "listener.name.login.scram-sha-512.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required;",
        "listener.name.tokens.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.tokens.oauthbearer.sasl.jaas.config": (
            f'{MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:CN=client;User:operator;User:token-owner",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


@contextmanager
def secured_broker(folder: Path) -> Iterator[SecuredBroker]:
    """Run one until the block ends."""
    authority = Authority(folder, "authority")
    ports = {name: free_port() for name in LISTENERS}
    file = folder / "server.properties"
    file.write_text(properties(folder, authority, ports, free_port()))
    environment = {**os.environ, "CLASSPATH": find_kafka(print).classpath}
    java = [str(find_java()), "-Xmx512m", "-XX:TieredStopAtLevel=1"]
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    form = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={file}"]
    for name in USERS:
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            form += ["--add-scram", f"{mechanism}=[name={name},password={password(name)}]"]
    with (folder / "broker.log").open("wb") as log:
        subprocess.run(form, env=environment, stdout=log, stderr=log, check=True, timeout=LIMIT_S)
        process = subprocess.Popen([*java, "kafka.Kafka", str(file)], env=environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + LIMIT_S
            while cluster_at(ports["PLAINTEXT"]) is None:
                assert process.poll() is None, (folder / "broker.log").read_text()[-3000:]
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield SecuredBroker(ports, authority, folder)
        finally:
            process.terminate()
            process.wait(LIMIT_S)
