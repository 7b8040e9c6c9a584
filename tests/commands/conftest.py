"""The command line for a test, away from the settings and the broker of whoever runs the tests."""

import os
from pathlib import Path

import pytest

from tests.commands.console import Console


@pytest.fixture
def waybill(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Console:
    for name in os.environ:
        if name.startswith(("WAYBILL_", "KAFKA_", "SCHEMA_REGISTRY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WAYBILL_HOME", str(tmp_path / "home"))
    return Console(capsys)
