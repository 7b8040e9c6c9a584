"""The cursor: nothing of a second is skipped, nothing is read twice, and it is opaque to others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ProviderError
from app.providers.bigcommerce.cursor import QUIET_S, Cursor, parse, write

START = 1_551_822_000
ORDERS = st.dictionaries(st.integers(1, 60), st.integers(0, 4), max_size=40)


def listed(order_id: Any, second: int) -> dict[str, Any]:
    return {"id": order_id, "date_modified": f"Tue, 05 Mar 2019 21:40:{second:02} +0000"}


@given(ORDERS, st.integers(1, 7), st.data())
def test_every_order_is_read_once_however_it_is_cut(orders: dict[int, int], size: int, data: st.DataObject) -> None:
    """Orders of a second may turn up after the first look at that second; a cursor may be lost and read again."""
    wires = [listed(order_id, second) for order_id, second in orders.items()]
    late = set(data.draw(st.lists(st.sampled_from(sorted(orders)), max_size=5))) if orders else set()
    cursor, read = Cursor(), []
    newest = max(orders.values(), default=0)
    hidden = {order_id for order_id in late if orders[order_id] == newest}
    for _ in range(len(orders) + 2):
        visible = [wire for wire in wires if wire["id"] not in hidden]
        taken = cursor.fresh(visible)[:size]
        read += [entry.key for entry in taken]
        cursor = parse(write(cursor.after(taken)))
        if not taken:
            hidden = set()
    read += [entry.key for entry in cursor.fresh(wires)]
    assert sorted(read, key=int) == [str(order_id) for order_id in sorted(orders)]


def test_a_repeated_look_brings_the_same() -> None:
    wires = [listed(order_id, 11) for order_id in (3, 1, 2)]
    cursor = Cursor()
    assert [entry.key for entry in cursor.fresh(wires)] == ["1", "2", "3"]
    assert cursor.fresh(wires) == cursor.fresh(wires)


def test_a_second_long_over_is_left() -> None:
    cursor = Cursor().after(Cursor().fresh([listed(1, 11)]))
    assert cursor.settled(cursor.since + QUIET_S) == cursor
    assert cursor.settled(None) == cursor
    left = cursor.settled(cursor.since + QUIET_S + 1)
    assert left == Cursor(cursor.since + 1)
    assert left.settled(cursor.since + 10_000) == left


def test_an_order_without_id_or_date_is_not_read_for_ever() -> None:
    wires: list[dict[str, Any]] = [{"id": None, "total": "x"}, {"id": 5, "date_modified": ""}]
    cursor = Cursor(START)
    fresh = cursor.fresh(wires)
    assert len(fresh) == 2
    assert cursor.after(fresh).fresh(wires) == []


def test_a_cursor_is_written_the_same_each_time() -> None:
    assert write(Cursor(5, frozenset({"2", "10", "1"}))) == write(Cursor(5, frozenset({"1", "10", "2"})))
    assert parse(None) == Cursor()


@pytest.mark.parametrize("text", ["", "17", "{", '{"since": "x"}', '{"seen": 3}'])
def test_a_cursor_of_somebody_else_is_refused(text: str) -> None:
    with pytest.raises(ProviderError, match="not a cursor"):
        parse(text)
