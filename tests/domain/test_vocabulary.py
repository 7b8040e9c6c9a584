"""Members of closed vocabularies are their text wherever text goes: sentences, records, ledgers, JSON, look-ups."""

import json

import msgspec
import pytest

from app.domain.command_names import OrderCommandName, PoolCommandName
from app.domain.event_names import EventName
from app.domain.lifecycle import Reason, State
from app.domain.order import TimerPurpose
from app.domain.outcomes import SourcingOutcome
from app.domain.vocabulary import Term

MEMBERS = [
    member
    for terms in (EventName, State, Reason, TimerPurpose, OrderCommandName, PoolCommandName, SourcingOutcome)
    for member in terms
]


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: f"{type(member).__name__}.{member.name}")
def test_a_member_is_its_text(member: Term) -> None:
    text = member.value
    assert (f"{member}", f"{member!r}", str(member)) == (text, repr(text), text)
    assert type(str(member)) is str
    assert member == text
    assert {text: 1}[member] == 1
    assert hash(member) == hash(text)
    assert (msgspec.msgpack.encode(member), msgspec.json.encode(member)) == (
        msgspec.msgpack.encode(text),
        msgspec.json.encode(text),
    )
    assert (json.dumps(member), member.encode(), ", ".join((member, member))) == (
        json.dumps(text),
        text.encode(),
        f"{text}, {text}",
    )


def test_an_event_is_named_as_it_reads() -> None:
    assert {name: name.name.lower().replace("_", " ") for name in EventName} == {name: name.value for name in EventName}
