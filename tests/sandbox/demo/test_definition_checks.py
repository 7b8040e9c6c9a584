"""S1 and S2: with everything set up the flows are accepted, and what is taken away is missed by name."""

import json
import os

import pytest

from app.sandbox.demo.definition_checks import CheckOutput, check_definitions, parse_output, refuses
from app.sandbox.local.up import MAPS, simulated

FNO_MISSING = {"file": "app/flows/x.yaml", "path": "steps.send", "problem": "the provider 'fno' is not active"}


def environment(**changes: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("WAYBILL_", "KAFKA_"))}
    return simulated(inherited, 8480) | changes


async def test_both_hold_with_everything_set_up() -> None:
    assert await check_definitions(environment()) == {"S1": True, "S2": True}


async def test_neither_holds_when_the_flows_are_refused_anyway() -> None:
    environ = environment()
    del environ["WAYBILL_BIGCOMMERCE_ACCESS_TOKEN"]
    assert await check_definitions(environ) == {"S1": False, "S2": False}


async def test_a_map_that_there_is_not_is_noticed() -> None:
    environ = environment(WAYBILL_DUALWRITE_MAPS=f"{MAPS},customers.iom-to-fno")
    assert (await check_definitions(environ))["S2"] is False


def test_a_refusal_names_what_is_missing() -> None:
    assert refuses(parse_output(1, json.dumps([FNO_MISSING]).encode()), "fno")


@pytest.mark.parametrize(
    "output",
    [
        parse_output(0, json.dumps([FNO_MISSING]).encode()),
        parse_output(1, b"[]"),
        parse_output(1, json.dumps([FNO_MISSING | {"file": "app/flows/fno-fno-fno.yaml", "problem": "no"}]).encode()),
        parse_output(1, json.dumps([FNO_MISSING, {"file": "app/flows/y.yaml", "problem": "a typo"}]).encode()),
        parse_output(70, json.dumps([FNO_MISSING]).encode()),
        parse_output(1, b"Traceback: 'fno'"),
        parse_output(1, b'{"problem": "fno"}'),
        CheckOutput(-1, {}),
    ],
)
def test_anything_else_is_no_refusal(output: CheckOutput) -> None:
    assert not refuses(output, "fno")
