"""docs/asyncapi.yaml and docs/topics.md: as the repository has them, and what the official parser makes of them."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app.events.catalog import BY_TOPIC
from app.events.headers import FORWARDED, SEALED, write
from app.events.model import Event, OrderCommand
from app.kafka import topics
from tests import toolchains
from tests.documents import asyncapi, topics_page
from tests.documents.topic_examples import examples

PARSER = Path(__file__).with_name("asyncapi_parser")
PARSE_LIMIT_S = 300


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi.document()


def test_the_asyncapi_document_is_as_the_repository_has_it() -> None:
    assert asyncapi.DOCUMENT.read_text(encoding="utf-8") == asyncapi.written(), "run `make docs`"


def test_the_page_is_as_the_repository_has_it() -> None:
    text = topics_page.DOCUMENT.read_text(encoding="utf-8")
    assert text == topics_page.written(text), "run `make docs`"


def test_every_topic_but_ledgers_and_keys_is_there(document: dict[str, Any]) -> None:
    assert list(document["channels"]) == [
        spec.name for spec in topics.load() if not spec.name.endswith("-ledger") and spec.name != "order-keys"
    ]
    assert BY_TOPIC.keys() <= document["components"]["messages"].keys()


def test_every_topic_of_producers_is_received_by_a_role_and_has_a_message_in_json(document: dict[str, Any]) -> None:
    intake = {spec.name for spec in topics.load() if "any" in spec.writers}
    received = [each for each in document["operations"].values() if each["action"] == "receive"]
    assert {each["channel"]["$ref"].removeprefix("#/channels/") for each in received} == intake
    assert all(f"{topic}.json" in document["components"]["messages"] for topic in intake)


def test_headers_are_those_that_are_written(document: dict[str, Any]) -> None:
    headers = document["components"]["schemas"]["CloudEvent"]
    caused = Event("order command", "e", "o", 0, "test", "cause", OrderCommand("o", "change"))
    assert [*(name for name, _ in write(caused)), SEALED, FORWARDED] == list(headers["properties"])
    for example in examples().values():
        Draft202012Validator(headers).validate(example.headers)


def test_the_order_of_the_examples_is_completed_for_its_customer() -> None:
    status = examples()["order-status"].value
    assert (status["order_id"], status["state"], status["customer"]) == ("web-100042", "Completed", "C-1007")
    assert (status["channel"], status["occurred_at"]) == ("webshop", 1_760_000_005_000)


def test_the_official_parser_finds_nothing_wrong() -> None:
    folder = toolchains.install_npm(PARSER)
    done = subprocess.run(
        ["node", "parse.mjs", str(asyncapi.DOCUMENT)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PARSE_LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
