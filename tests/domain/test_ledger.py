"""What the ledger keeps comes back as it was, and what is followed of it can be had without the rest."""

from collections.abc import Callable

import msgspec
import pytest

from app.agents import order_ledger
from app.agents.order_figures import followed
from app.agents.order_ledger import Early
from app.domain.order import Address, Effect, Line, Lineage, Order, OrderState, TimelineEntry, Timer
from app.errors import LedgerError
from app.events.record import Record

LINE = Line("1", "SKU-1", "Thé vert", 20_000, 125_000, 250_000)
ORDER = Order(
    "bc-shop-1",
    "bigcommerce",
    "1",
    "bigcommerce-1",
    1,
    "USD",
    250_000,
    0,
    0,
    0,
    250_000,
    Address("Zoë"),
    Address(),
    (LINE,),
)
TIMERS = (Timer("t1", 5, "wait", "await picking"), Timer("t2", 7, "retry", "effect"))
STATE = OrderState(
    ORDER, "bigcommerce-fno-fno", 1, 3, ("e1", "e2"), ("validate",), timers=TIMERS,
    lineage=(Lineage("company", "e1", "everywhere-else"),),
    effects=(Effect("f1", "pack", "fno", "Create fulfillment order", 1, 4),), failed=("pack",),
    timeline=(TimelineEntry("order created", "e1", "", 1, "test", "", "New", "New"),),
)  # fmt: skip
EARLY = Early((Record("provider-event", 0, 4, 9, b"bc-shop-1", b"{}", (("ce_id", b"e3"),)),), 3_600_009)


@pytest.mark.parametrize("entry", [STATE, EARLY], ids=["order", "early"])
def test_comes_back_as_it_was(entry: OrderState | Early) -> None:
    assert order_ledger.decode(order_ledger.encode(entry)) == entry


def test_what_is_followed_is_as_the_whole_state_has_it() -> None:
    order = order_ledger.followed(order_ledger.encode(STATE))
    assert not isinstance(order, Early)
    assert order == followed(STATE)
    assert (order.timers, order.effects, order.done) == (TIMERS, STATE.effects, ("validate",))
    assert (order.flow, order.version, order.state, order.settled_at) == ("bigcommerce-fno-fno", 1, ORDER.state, 0)
    assert (order.created_at, order.since, order.at, order.has_failed) == (1, 1, 1, True)
    fresh = order_ledger.followed(order_ledger.encode(OrderState(ORDER, "bigcommerce-fno-fno", 1)))
    assert not isinstance(fresh, Early)
    assert (fresh.timers, fresh.since, fresh.has_failed) == ((), 0, False)
    assert order_ledger.followed(order_ledger.encode(EARLY)) == EARLY


def test_an_order_of_an_earlier_version_is_followed_without_what_it_lacks() -> None:
    fields = msgspec.to_builtins(STATE)[: OrderState.__struct_fields__.index("timeline")]
    value = order_ledger.encode(STATE)[:9] + msgspec.msgpack.encode(fields)
    order = order_ledger.followed(value)
    assert not isinstance(order, Early)
    assert (order.timers, order.at, order.settled_at, order.has_failed) == (TIMERS, 0, 0, False)


def test_tells_when_an_order_settled_without_decoding_it() -> None:
    settled = OrderState(ORDER, "bigcommerce-fno-fno", 1, settled_at=1_760_000_000_000)
    assert [order_ledger.settled_at(order_ledger.encode(entry)) for entry in (settled, STATE, EARLY)] == [
        1_760_000_000_000,
        0,
        0,
    ]


@pytest.mark.parametrize("read", [order_ledger.decode, order_ledger.followed], ids=["all", "followed"])
@pytest.mark.parametrize(
    "value", [b"", b"\x07" + bytes(8), order_ledger.encode(STATE)[:40], b"\x01" + bytes(8) + b"\xc0"]
)
def test_refuses_what_was_not_written_by_it(read: Callable[[bytes], object], value: bytes) -> None:
    with pytest.raises(LedgerError):
        read(value)
