"""Which orders a demo runs, and what it says of a file that it cannot take."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import SettingError
from app.sandbox.demo import order_source
from app.sandbox.demo.demo_session import run_stamp
from app.sandbox.demo.made_orders import COMPLETED, REFUSED, bigcommerce_orders

WIRE = next(bigcommerce_orders("any", 1, 1)).wire


def written(folder: Path, *lines: Any) -> Path:
    file = folder / "orders.jsonl"
    texts = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in lines]
    file.write_bytes(b"\n".join(texts))
    return file


def refusal(file: Path) -> str:
    with pytest.raises(SettingError) as caught:
        order_source.choose([1], 5, file, "x")
    return str(caught.value)


def test_each_scenario_has_its_number_of_orders_and_ids_of_the_run() -> None:
    orders = order_source.choose([1, 2, 3, 4, 5], 40, None, "x")
    assert [order.scenario for order in orders] == [scenario for scenario in (1, 2, 3, 4, 5) for _ in range(40)]
    assert {order.order_id.split("-")[1] for order in orders if order.scenario < 3} == {"demox"}
    assert all(f"-SO-x-{order.scenario}-" in order.order_id for order in orders if order.scenario > 2)
    assert {order.expected for order in orders} == {COMPLETED, REFUSED}


def test_a_scenario_alone() -> None:
    assert {order.scenario for order in order_source.choose([4], 3, None, "x")} == {4}


def test_a_file_gives_the_orders_of_the_shop(tmp_path: Path) -> None:
    file = written(tmp_path, WIRE, b"", {**WIRE, "id": 7}, b"  ")
    orders = order_source.choose([1, 4], 2, file, "x")
    shop = [order for order in orders if order.scenario == 1]
    assert [order.order_id for order in shop] == [f"bc-demox-{WIRE['id']}", "bc-demox-7"]
    assert [order.expected for order in shop] == [None, None]
    assert len(orders) == 4


def test_the_channel_says_which_scenario_an_order_of_a_file_runs_in(tmp_path: Path) -> None:
    through_3 = {**WIRE, "id": 1002, "channel_id": 3}
    orders = order_source.choose([1, 2], 2, written(tmp_path, WIRE, through_3), "x")
    assert [(order.scenario, order.source_ref) for order in orders] == [(1, str(WIRE["id"])), (2, "1002")]
    with pytest.raises(SettingError, match="order 1002 is of channel 3: add --scenario 2"):
        order_source.choose([1, 4], 2, written(tmp_path, WIRE, through_3), "x")


def test_orders_that_are_made_take_no_id_of_others(tmp_path: Path) -> None:
    """Beside those of a file, and beside those of the shop's other scenario."""
    orders = order_source.choose([1, 2], 3, written(tmp_path, {**WIRE, "id": 1002}), "x")
    assert [order.source_ref for order in orders if order.scenario == 2] == ["1001", "1003", "1004"]
    ids = [order.order_id for order in order_source.choose([1, 2, 3, 4, 5], 30, None, "x")]
    assert len(ids) == len(set(ids)) == 150


def test_a_file_that_names_one_currency_means_it(tmp_path: Path) -> None:
    wire = {name: value for name, value in WIRE.items() if name != "default_currency_code"} | {"currency_code": "EUR"}
    (order,) = order_source.choose([1], 1, written(tmp_path, wire), "x")
    assert order.wire["default_currency_code"] == "EUR"
    (order,) = order_source.choose([1], 1, written(tmp_path, {**wire, "default_currency_code": "USD"}), "x")
    assert order.wire["default_currency_code"] == "USD"


def test_a_missing_file(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory)" in refusal(tmp_path / "none.jsonl")
    assert "cannot be read (Is a directory)" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([WIRE], "not an expanded BigCommerce V2 order"),
        ({"id": "7", "products": []}, "an integer `id`"),
        ({"id": True, "products": []}, "an integer `id`"),
        ({"id": 7, "products": {"url": "/v2/orders/7/products"}}, "a list `products`"),
        (
            b'{"id": 7, "products": [], "note": "' + b"x" * order_source.LINE_BYTES_MAX + b'"}',
            "more than 1048576 bytes",
        ),
        (WIRE, "is there twice"),
    ],
)
def test_a_line_that_is_no_order_is_named(tmp_path: Path, line: Any, says: str) -> None:
    said = refusal(file := written(tmp_path, WIRE, line))
    assert said.startswith(f"{file}:2: ")
    assert says in said


def test_a_file_without_orders(tmp_path: Path) -> None:
    assert "has no orders" in refusal(written(tmp_path, b"", b"\n"))


def test_a_file_with_too_many_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_source, "ORDERS_MAX", 2)
    assert "more than 2 orders" in refusal(written(tmp_path, *({**WIRE, "id": n} for n in (1, 2, 3))))


def test_a_stamp_grows_with_time() -> None:
    stamps = [run_stamp(1_790_000_000.0 + seconds) for seconds in range(0, 5_000, 7)]
    assert stamps == sorted(set(stamps))
    assert all(stamp.isalnum() and stamp == stamp.lower() for stamp in stamps)
