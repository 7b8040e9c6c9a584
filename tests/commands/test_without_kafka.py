"""What needs Kafka says so in one sentence when there is none; what is wrong before that is said first."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.kafka import broker_wait
from app.resources import ROOT
from app.sandbox.local.ports import free_port
from tests.commands.console import Console
from tests.kafka.processes import wait_for

EXAMPLE = (ROOT / "schemas/examples/order-created.json").read_bytes().strip()


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where no Kafka answers."""
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", address)
    return address


@pytest.mark.parametrize(
    "arguments",
    [
        "orders list",
        "orders show x",
        "orders forget x --yes",
        "orders watch",
        "dead-letters list",
        "dead-letters replay x",
        "topics check",
        "stock list",
        "stock set A EU-HAM 5",
        "sourcing explain x",
        "backorders list",
        "backorders run",
        "backorders preferences",
        "backorders preferences --set backorders=off",
    ],
)
def test_one_sentence_says_that_no_kafka_answers(waybill: Console, nowhere: str, arguments: str) -> None:
    said = waybill(*arguments.split())
    assert said.code == 1
    assert said.out == ""
    assert nowhere in said.err
    assert len(said.err.splitlines()) == 1


def test_a_worker_that_waited_in_vain_says_so(waybill: Console, nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_wait, "BROKER_LIMIT_S", 0.3)
    said = waybill("worker", "mirror")
    assert said.code == 70
    assert " ".join(said.err.splitlines()).endswith(
        f"waybill: no broker answered at {nowhere} for 0.3 s: start it, or set KAFKA_BOOTSTRAP_SERVERS to one that runs"
    )


def test_a_worker_says_at_once_where_it_waits_and_how_long(nowhere: str, tmp_path: Path) -> None:
    log, environment = tmp_path / "worker.log", {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": nowhere}
    with log.open("wb") as out:
        worker = subprocess.Popen([sys.executable, "-m", "app", "worker", "mirror"], env=environment, stderr=out)
    try:
        wait_for("it says that it waits", lambda: "waiting for a broker" in log.read_text(), 120)
        assert worker.poll() is None
        assert f"waiting for a broker at {nowhere}, 45 s at most" in log.read_text()
    finally:
        worker.kill()
        worker.wait()


def test_submitting_to_nowhere(waybill: Console, nowhere: str) -> None:
    said = waybill("orders", "submit", "-", stdin=EXAMPLE)
    assert said.code == 1
    assert f"no Kafka answers at {nowhere}" in said.err


def broken(**changes: object) -> bytes:
    return json.dumps(json.loads(EXAMPLE) | changes).encode()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not JSON"),
        (b"[]", "neither"),
        (broken(order_id=None), "order_id"),
        (broken(shipping="abc"), "shipping"),
        (broken(lines=[{"sku": "A", "quantity": "many", "unit_price": "1"}]), "lines[0].quantity"),
        (broken(order_id="a b"), "order_id: `a b` cannot be used; write text of 1 to 128 characters"),
        (EXAMPLE, "order_id web-100042 is that of -:1 too; give each its own"),
        (
            broken(order_id="b", flow="bigcommerce-fno-fn"),
            "no flow 'bigcommerce-fno-fn'; did you mean `bigcommerce-fno-fno`?",
        ),
        (broken(order_id="b", total="1"), "would refuse order b: policy: total 1.00 is not subtotal + shipping"),
        (broken(order_id="b", lines=[]), "would refuse order b: policy: the order has no lines"),
        (broken(order_id="b", currency="QQQ"), "currency QQQ is not a currency of ISO 4217"),
        (broken(customer="x" * 1_100_000), "at most 1048576"),
        (b"x" * 2_100_000, "more than 2097152 bytes"),
    ],
)
def test_a_wrong_line_is_named_before_anything_is_sent(waybill: Console, nowhere: str, line: bytes, says: str) -> None:
    said = waybill("orders", "submit", "-", stdin=EXAMPLE + b"\n\n" + line)
    assert said.code == 1
    assert said.err.startswith("waybill: -:3: ")
    assert says in said.err
    assert nowhere not in said.err


@pytest.mark.usefixtures("nowhere")
def test_all_that_is_wrong_is_named_at_once_up_to_ten(waybill: Console) -> None:
    wrong = [broken(order_id=f"o-{number}", total="1") for number in range(12)]
    said = waybill("orders", "submit", "-", stdin=b"\n".join([EXAMPLE, *wrong]))
    lines = said.err.splitlines()
    assert [line.partition(": flow ")[0] for line in lines[:10]] == ["waybill: -:2", *(f"-:{n}" for n in range(3, 12))]
    assert lines[10:] == ["and 2 more", "No order was sent; an example is in schemas/examples/order-created.json"]


@pytest.mark.parametrize("content", [b"", b" \n", b"[]"])
@pytest.mark.usefixtures("nowhere")
def test_a_file_without_an_order_is_an_error(waybill: Console, content: bytes) -> None:
    said = waybill("orders", "submit", "-", stdin=content)
    assert said.code == 1
    assert said.err == ("waybill: -: there is no order in it; an example is in schemas/examples/order-created.json\n")


@pytest.mark.parametrize("indent", [None, 2])
def test_objects_are_taken_as_an_editor_writes_them(waybill: Console, nowhere: str, indent: int | None) -> None:
    both = [json.loads(EXAMPLE), json.loads(broken(order_id="b"))]
    texts = [json.dumps(value, indent=indent) for value in (both[0], both)]
    for content in (*texts, "\n".join(json.dumps(value, indent=indent) for value in both)):
        said = waybill("orders", "submit", "-", stdin=content.encode())
        assert f"no Kafka answers at {nowhere}" in said.err


@pytest.mark.parametrize(("state", "nearest"), [("Foo", "use one of"), ("Complete", "did you mean `Completed`?")])
@pytest.mark.usefixtures("nowhere")
def test_a_state_that_there_is_not_is_refused_with_those_that_there_are(
    waybill: Console, state: str, nearest: str
) -> None:
    said = waybill("orders", "list", "--state", state)
    assert (said.code, said.out) == (1, "")
    assert f"--state {state}: {nearest}" in said.err
    assert "Validated, Fulfillment in Process, Completed, On Hold, Canceled" in said.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sku,warehouse\nA,EU-HAM\n", "stock.csv: no column on_hand; known are sku, warehouse, site"),
        ("sku,warehouse,on_hand\nA,EU-HAM,5\nB,EU-HAM,many\n", "stock.csv:3: stock-change: quantity"),
        ("sku,warehouse,on_hand\nA,EU-HAM,-5\n", "stock.csv:2: quantity: what is there is never negative"),
        ("sku,warehouse,on_hand\n,EU-HAM,5\n", "stock.csv:2: stock-change: sku: required, and missing"),
        ('sku,warehouse,on_hand\n"A,EU-HAM,5\n', "not CSV"),
    ],
)
def test_a_wrong_row_of_stock_is_named_before_anything_is_sent(
    waybill: Console, nowhere: str, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "stock.csv"
    file.write_text(text, encoding="utf-8")
    said = waybill("stock", "load", str(file))
    assert said.code == 1
    assert says in said.err
    assert nowhere not in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("backorders preferences --set backorders=perhaps", "--set: backorders: 'perhaps'; write on or off"),
        ("backorders run --pool nowhere", "--pool nowhere: the network has main"),
    ],
)
@pytest.mark.usefixtures("nowhere")
def test_what_the_role_would_refuse_is_not_asked_for(waybill: Console, arguments: str, says: str) -> None:
    said = waybill(*arguments.split())
    assert said.code == 1
    assert says in said.err


def test_a_file_that_is_not_there(waybill: Console, tmp_path: Path) -> None:
    said = waybill("orders", "submit", str(tmp_path / "none.jsonl"))
    assert said.code == 1
    assert "cannot be read (No such file or directory)" in said.err


def test_a_setting_that_cannot_be_used(waybill: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYBILL_PARTITIONS", "some")
    said = waybill("topics", "apply")
    assert said.code == 1
    assert "WAYBILL_PARTITIONS='some'" in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scenario", "9"], "--scenario 9: choose of 1, 2, 3, 4, 5"),
        (["--scenario", "4", "--orders", "x.jsonl"], "which --scenario leaves out"),
        (["--orders", "/none/x.jsonl"], "/none/x.jsonl: cannot be read"),
        (["--json", "/none/report.json"], "--json /none/report.json: cannot be written"),
        (["--json", "/"], "--json /: cannot be written"),
    ],
)
def test_a_demo_that_cannot_run_says_so_before_a_broker_starts(
    waybill: Console, nowhere: str, arguments: list[str], says: str
) -> None:
    said = waybill("demo", *arguments)
    assert said.code == 1
    assert says in said.err
    assert nowhere not in said.err


def test_an_unknown_role(waybill: Console) -> None:
    said = waybill("worker", "juggle")
    assert said.code == 1
    assert "no role 'juggle'; there are orchestrate" in said.err


@pytest.mark.parametrize("role", ["apply", "pull"])
def test_a_role_whose_provider_is_not_set_up(waybill: Console, role: str) -> None:
    said = waybill("worker", role)
    assert said.code == 1
    assert "set the variables of app/providers/" in said.err


def test_the_status_of_no_broker(waybill: Console, tmp_path: Path) -> None:
    said = waybill("broker", "status", "--json", "--data", str(tmp_path / "kafka"))
    assert (said.code, said.json) == (1, {"running": False, "bootstrap_servers": None})
    assert waybill("broker", "stop", "--data", str(tmp_path / "kafka")).out == "No broker was running\n"
