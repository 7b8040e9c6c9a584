"""Packaged files are found wherever the process was started."""

from pathlib import Path

import pytest

from app import resources
from app.errors import SettingError


def test_files_are_found_from_any_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert "order-created.v1.avsc" in resources.schema_files()
    assert resources.topics_file().startswith("#")
    assert all(name.startswith("app/policies/") for name in resources.policy_files())
    assert all(name.endswith("manifest.yaml") for name in resources.manifest_files())


def test_a_missing_file_names_itself() -> None:
    with pytest.raises(SettingError, match=r"schemas/none\.avsc: cannot be read"):
        resources.read_text("schemas/none.avsc")
