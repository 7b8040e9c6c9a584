"""Clusters with TLS, certificates, passwords and tokens: every client gets in, and who is refused learns why."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from app.agents.roles import ROLES
from app.errors import BrokerError
from app.events import codec
from app.events.record import Output, Record
from app.kafka import topic_admin, topic_reader, topics, transactions
from app.kafka.cluster_access import ClusterAccess
from app.sandbox.local.ports import free_port
from app.sandbox.local.up import simulated
from app.settings import Settings
from app.worker.access_rights import Right, rights_of
from tests.kafka.certificates import Authority
from tests.kafka.one_worker import OneWorker
from tests.kafka.processes import wait_for
from tests.kafka.secured_broker import LIMIT_S, SecuredBroker, password, secured_broker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
SPECS = topics.load(1)
WRONG = "wrong-pass-0815"
STATUS = "order-status"
CODEC = codec.load()
EXAMPLE = json.loads((Path(__file__).parents[2] / "schemas/examples/order-created.json").read_bytes())


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    with secured_broker(tmp_path_factory.mktemp("secured")) as running:
        asyncio.run(topic_admin.apply(access(running.at("PLAINTEXT")), SPECS))
        yield running


def access(environ: Mapping[str, str]) -> ClusterAccess:
    return ClusterAccess.of(Settings.from_env(environ))


def token(subject: str, life_s: int) -> str:
    """A token that nobody has signed; Kafka's validator for trials looks at its times."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": subject, "iat": now + min(life_s, 0) - 60, "exp": now + life_s})
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def certificate(authority: Authority, name: str, *, days: int = 30) -> dict[str, str]:
    file, key = authority.sign(name, days=days)
    return {"KAFKA_SSL_CERTIFICATE_FILE": str(file), "KAFKA_SSL_KEY_FILE": str(key)}


def ways_in(broker: SecuredBroker) -> dict[str, dict[str, str]]:
    file = broker.folder / "token"
    file.write_text(token("token-owner", 3600))
    return {
        "mutual TLS": broker.at("MUTUAL", **certificate(broker.authority, "client")),
        "PLAIN": broker.user("operator", "PLAIN"),
        "SCRAM-SHA-256": broker.user("operator", "SCRAM-SHA-256"),
        "SCRAM-SHA-512": broker.user("operator"),
        "OAUTHBEARER": broker.at("TOKENS", KAFKA_SASL_MECHANISM="OAUTHBEARER", KAFKA_OAUTH_TOKEN_FILE=str(file)),
    }


async def write_and_read(cluster: ClusterAccess) -> None:
    key = uuid.uuid4().hex.encode()
    await transactions.transact(cluster, [Output("order-held", key, b"here")])
    async with topic_reader.consumer(cluster) as reader:
        places = await topic_reader.partitions(reader, "order-held")
        assert key in [record.key async for record in topic_reader.read_to_end(reader, places)]
    assert await topic_admin.apply(cluster, SPECS) == []


async def test_each_way_in_lets_producers_readers_and_administration_in(broker: SecuredBroker) -> None:
    for environ in ways_in(broker).values():
        await write_and_read(access(environ))


async def test_a_password_that_was_changed_needs_no_new_process(broker: SecuredBroker, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(WRONG)
    environ = broker.user("operator") | {"KAFKA_SASL_PASSWORD": "", "KAFKA_SASL_PASSWORD_FILE": str(file)}
    cluster = access(environ)
    with pytest.raises(BrokerError, match="KAFKA_SASL_PASSWORD"):
        await write_and_read(cluster)
    file.write_text(password("operator"))
    await write_and_read(cluster)


def refusals(broker: SecuredBroker) -> list[tuple[dict[str, str], str]]:
    stranger = Authority(broker.folder, "stranger")
    plain = f"127.0.0.1:{broker.ports['PLAINTEXT']}"
    tokens = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker.ports['TOKENS']}"}
    login = {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "worker", "KAFKA_SASL_PASSWORD": WRONG}
    old = token("token-owner", -600)
    no_password = "does not accept KAFKA_SASL_USERNAME=worker with that password: look at KAFKA_SASL_PASSWORD,"
    no_certificate = r"does not accept our certificate \(\w+\): look at KAFKA_SSL_CERTIFICATE_FILE"
    return [
        (broker.user("worker", KAFKA_SASL_PASSWORD=WRONG), no_password),
        (broker.user("worker", "PLAIN", KAFKA_SASL_PASSWORD=WRONG), no_password),
        (broker.at("EXPIRED"), "has a certificate that has expired: renew it at the broker"),
        (broker.at("TLS", KAFKA_SSL_CA_FILE=str(stranger.ca)), "nobody we trust has signed .* in KAFKA_SSL_CA_FILE"),
        (broker.at("MUTUAL"), no_certificate),
        (broker.at("MUTUAL", **certificate(stranger, "stranger-client")), no_certificate),
        (broker.at("MUTUAL", **certificate(broker.authority, "former-client", days=-1)), no_certificate),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **tokens, **login},
            "does not offer KAFKA_SASL_MECHANISM=PLAIN: set one",
        ),
        (broker.at("TOKENS", KAFKA_SASL_MECHANISM="OAUTHBEARER", KAFKA_OAUTH_TOKEN=old), "does not accept the token"),
        (
            {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker.ports['TLS']}"},
            "speaks TLS on that port; change KAFKA_SECURITY_PROTOCOL=PLAINTEXT to SSL",
        ),
        (
            broker.at("TLS", KAFKA_BOOTSTRAP_SERVERS=plain),
            "speaks no TLS on that port; change KAFKA_SECURITY_PROTOCOL=SSL to PLAINTEXT",
        ),
        (tokens, "wants a login, and KAFKA_SECURITY_PROTOCOL=PLAINTEXT has none; set it to SASL_PLAINTEXT"),
        (
            {"KAFKA_BOOTSTRAP_SERVERS": plain, "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **login},
            "takes no login on that port, and KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT has one",
        ),
    ]


async def test_who_is_refused_learns_in_one_sentence_which_setting_to_change(broker: SecuredBroker) -> None:
    for environ, sentence in refusals(broker):
        with pytest.raises(BrokerError, match=sentence) as refused:
            await write_and_read(access(environ))
        assert str(refused.value).startswith("Kafka at 127.0.0.1:")
        assert "\n" not in str(refused.value)
        assert WRONG not in str(refused.value)
        with pytest.raises(BrokerError, match=sentence):
            await topic_admin.check(access(environ), SPECS)


@pytest.mark.parametrize("arguments", [["worker", "mirror"], ["orders", "list"]], ids=" ".join)
def test_a_worker_and_a_command_end_with_that_sentence(broker: SecuredBroker, arguments: list[str]) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    environment = clean | broker.user("worker", KAFKA_SASL_PASSWORD=WRONG, WAYBILL_WEB_PORT="0")
    command = [sys.executable, "-m", "app", *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("waybill: Kafka at 127.0.0.1:")
    assert "look at KAFKA_SASL_PASSWORD" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert WRONG not in ended.stderr + ended.stdout


def allow(broker: SecuredBroker, user: str, rights: list[Right]) -> None:
    """Give a user rights, as the administrator does with the commands of `waybill topics acls`."""
    kinds = {
        "topic": ResourceType.TOPIC,
        "group": ResourceType.GROUP,
        "transactional-id": ResourceType.TRANSACTIONAL_ID,
    }
    bindings = [
        AclBinding(
            kinds[right.kind],
            name,
            ResourcePatternType.PREFIXED if right.is_prefix else ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation[operation.upper()],
            AclPermissionType.ALLOW,
        )
        for right in rights
        for name in right.names
        for operation in right.operations
    ]
    with AdminClient({"bootstrap.servers": f"127.0.0.1:{broker.ports['PLAINTEXT']}"}) as admin:
        for done in admin.create_acls(bindings).values():
            done.result(LIMIT_S)


def librdkafka(broker: SecuredBroker, user: str, **more: str) -> dict[str, str]:
    """How a program in another language gets in."""
    return {
        "bootstrap.servers": f"127.0.0.1:{broker.ports['LOGIN']}",
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password(user),
        "ssl.ca.location": str(broker.authority.ca),
        **{name.replace("_", "."): value for name, value in more.items()},
    }


def publish(producer: Producer, topic: str, order_id: str) -> KafkaError | None:
    """Publish an order, and return what the broker says of it."""
    outcome: list[KafkaError | None] = []
    body = json.dumps(EXAMPLE | {"order_id": order_id}).encode()
    producer.produce(topic, body, order_id, on_delivery=lambda error, _: outcome.append(error))
    producer.flush(LIMIT_S)
    return outcome[0]


def follow(consumer: Consumer, order_id: str, state: str) -> set[str]:
    """Read order-status until the order is in the state. Return the orders that were seen."""
    seen, deadline = set[str](), time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        assert message.error() is None, message.error()
        key, value = message.key(), message.value()
        headers: Any = message.headers() or ()
        assert key is not None
        assert value is not None
        event = CODEC.decode(Record(STATUS, 0, 0, 0, key, value, tuple(headers)))
        seen.add(event.order_id)
        if event.order_id == order_id and getattr(event.body, "state", "") == state:
            return seen
    raise AssertionError(f"{order_id} was never {state}")


def check_confined(broker: SecuredBroker, shop: Producer) -> None:
    """The broker lets the shop write to its intake topic and nowhere else, and under no name of a lane."""
    for topic in ("shop-b.order-created", "shop-a.order-ledger", "shop-a.order-status", "shop-a.provider-event"):
        refused = publish(shop, topic, "web-c")
        assert refused is not None, f"{topic} took a record of the shop"
        assert refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    thief = Producer(librdkafka(broker, "shop", transactional_id="shop-a.waybill-orchestrate-0"))
    with pytest.raises(KafkaException) as stolen:
        thief.init_transactions(LIMIT_S)
    assert stolen.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_two_installations_share_a_cluster_with_the_least_rights(broker: SecuredBroker, tmp_path: Path) -> None:
    """The one under its rights alone, and an order of it completes; neither sees the other's orders."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    ports = {name: free_port() for name in ("shop-a.", "shop-b.")}
    own = {"WAYBILL_PARTITIONS": "1"}
    first = simulated(clean | own | broker.user("worker", WAYBILL_PREFIX="shop-a."), ports["shop-a."])
    second = simulated(clean | own | broker.at("PLAINTEXT", WAYBILL_PREFIX="shop-b."), ports["shop-b."])
    for environ in (first, second):
        administrator = broker.at("PLAINTEXT", WAYBILL_PREFIX=environ["WAYBILL_PREFIX"])
        asyncio.run(topic_admin.apply(access(administrator), SPECS))
    mine = access(first)
    for role in ROLES:
        allow(broker, "worker", rights_of(role, mine, SPECS))
    # The simulators of F+O write its rows, as a connector does.
    allow(broker, "worker", rights_of("connector", mine, SPECS))
    allow(broker, "shop", rights_of("producer", mine, SPECS))
    allow(broker, "watcher", rights_of("subscriber", mine, SPECS))
    root = Path(__file__).parents[2]
    with contextlib.ExitStack() as ending:
        for environ in (first, second):
            log = ending.enter_context((tmp_path / f"{environ['WAYBILL_PREFIX']}simulators").open("wb"))
            port = str(ports[environ["WAYBILL_PREFIX"]])
            command = [sys.executable, "-m", "app", "simulators", "--port", port, "--generous"]
            simulators = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
            ending.callback(simulators.wait, LIMIT_S)
            ending.callback(simulators.terminate)
        workers = [
            OneWorker(root, tmp_path / environ["WAYBILL_PREFIX"], environ, *ROLES) for environ in (first, second)
        ]
        for worker in workers:
            ending.callback(worker.kill)
        shop = ending.enter_context(Producer(librdkafka(broker, "shop")))
        other = ending.enter_context(Producer({"bootstrap.servers": f"127.0.0.1:{broker.ports['PLAINTEXT']}"}))
        assert publish(shop, "shop-a.order-created", "web-a") is None
        assert publish(other, "shop-b.order-created", "web-b") is None
        subscriber = librdkafka(broker, "watcher", group_id="subscriber-one", auto_offset_reset="earliest")
        consumer = Consumer(subscriber)
        ending.callback(consumer.close)
        consumer.subscribe(["shop-a.order-status"])
        assert follow(consumer, "web-a", "Completed") == {"web-a"}
        wait_for("the other order is taken", lambda: "web-b" in workers[1].asked("/orders/web-b")[1], LIMIT_S)
        assert workers[0].asked("/orders/web-b")[0] == workers[1].asked("/orders/web-a")[0] == 404

        check_confined(broker, shop)
        assert all(worker.process.poll() is None for worker in workers)


def test_a_worker_without_its_rights_says_which_it_lacks(broker: SecuredBroker) -> None:
    asyncio.run(topic_admin.apply(access(broker.at("PLAINTEXT", WAYBILL_PREFIX="bare.")), SPECS))
    environ = broker.user("worker", WAYBILL_PREFIX="bare.", WAYBILL_PARTITIONS="1", WAYBILL_WEB_PORT="0")
    mine = access(environ)
    allow(broker, "worker", [right for right in rights_of("mirror", mine, SPECS) if right.kind != "group"])
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    command = [sys.executable, "-m", "app", "worker", "mirror"]
    ended = subprocess.run(
        command, env=clean | environ, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    sentence = "does not allow KAFKA_SASL_USERNAME=worker its consumer group (bare.waybill-mirror)"
    assert ended.returncode == 1
    assert sentence in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
