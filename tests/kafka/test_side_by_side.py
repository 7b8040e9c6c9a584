"""Workers of the version before and of this one in the same groups, while one replaces the other."""

from pathlib import Path

import pytest

from tests.kafka.side_by_side import previous_version, upgrade

ORDERS = 30


@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_no_order_is_stranded_and_no_event_comes_twice_while_both_versions_run(tmp_path: Path) -> None:
    if not (ref := previous_version()):
        pytest.skip("no history of git: the version before is not known here")
    problems = upgrade(ref, ORDERS, tmp_path)
    assert not problems, "\n".join(problems[:20])
