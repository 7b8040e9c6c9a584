"""S1 and S2: with everything set up the flows are accepted, and what is taken away is missed by name."""

import json
import os

import pytest

from app.sandbox.demo.definitions_shown import Answer, answered, refused, show_definitions
from app.sandbox.local.up import MAPS, simulated

FNO_MISSING = {"file": "app/flows/x.yaml", "path": "steps.send", "problem": "the provider 'fno' is not active"}


def environment(**changes: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    return simulated(inherited, 8480) | changes


async def test_both_hold_with_everything_set_up() -> None:
    assert await show_definitions(environment()) == {"S1": True, "S2": True}


async def test_neither_holds_when_the_flows_are_refused_anyway() -> None:
    told = environment()
    del told["WAYBILL_BIGCOMMERCE_ACCESS_TOKEN"]
    assert await show_definitions(told) == {"S1": False, "S2": False}


async def test_a_map_that_there_is_not_is_noticed() -> None:
    told = environment(WAYBILL_DUALWRITE_MAPS=f"{MAPS},customers.iom-to-fno")
    assert (await show_definitions(told))["S2"] is False


def test_a_refusal_names_what_is_missing() -> None:
    assert refused(answered(1, json.dumps([FNO_MISSING]).encode()), "fno")


@pytest.mark.parametrize(
    "answer",
    [
        answered(0, json.dumps([FNO_MISSING]).encode()),
        answered(1, b"[]"),
        answered(1, json.dumps([FNO_MISSING | {"file": "app/flows/fno-fno-fno.yaml", "problem": "no"}]).encode()),
        answered(1, json.dumps([FNO_MISSING, {"file": "app/flows/y.yaml", "problem": "a typo"}]).encode()),
        answered(70, json.dumps([FNO_MISSING]).encode()),
        answered(1, b"Traceback: 'fno'"),
        answered(1, b'{"problem": "fno"}'),
        Answer(-1, {}),
    ],
)
def test_anything_else_is_no_refusal(answer: Answer) -> None:
    assert not refused(answer, "fno")
