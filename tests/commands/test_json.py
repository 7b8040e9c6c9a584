"""--json: one JSON document on standard output and nothing else, for commands that need no Kafka."""

from pathlib import Path

import pytest

from tests.commands.console import Console


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ("settings", list),
        ("schemas check", list),
        ("flows check", list),
        ("flows graph", dict),
        ("flows graph fno-fno-fno", dict),
        ("policies check", list),
        ("provider list", list),
        ("sourcing check", list),
        ("broker status", dict),
        ("broker stop", dict),
    ],
)
def test_one_document_and_nothing_else(waybill: Console, arguments: str, kind: type) -> None:
    assert isinstance(waybill(*arguments.split(), "--json").json, kind)


def test_what_is_refused_says_nothing_on_standard_output(waybill: Console, tmp_path: Path) -> None:
    for arguments in ("flows graph none", f"stock load {tmp_path}/none.csv", "orders submit none.json"):
        said = waybill(*arguments.split(), "--json")
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("waybill: ")
