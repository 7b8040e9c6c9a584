"""Secrets come from the environment or from files, change without a restart, and are in no message."""

import logging
from pathlib import Path

import pytest

from app.errors import SettingError
from app.secrets import FILE_BYTES_MAX, Secret

NAME = "WAYBILL_SHOP_TOKEN"


def in_file(path: Path, content: str = "") -> Secret:
    if content:
        path.write_bytes(content.encode())
    return Secret(NAME, {f"{NAME}_FILE": str(path)})


def test_a_secret_is_in_its_variable() -> None:
    secret = Secret(NAME, {NAME: " s3cret \n"})
    assert (secret.is_set, secret.current(), secret.accepted()) == (True, "s3cret", ("s3cret",))


def test_a_secret_that_is_not_set_is_empty() -> None:
    secret = Secret(NAME, {NAME: " ", f"{NAME}_FILE": ""})
    assert (secret.is_set, secret.current(), secret.accepted()) == (False, "", ())


@pytest.mark.parametrize("content", ["s3cret", "s3cret\n", "s3cret\r\n"])
def test_a_file_may_end_with_the_end_of_its_line(tmp_path: Path, content: str) -> None:
    secret = in_file(tmp_path / "token", content)
    assert (secret.is_set, secret.current()) == (True, "s3cret")


def test_a_new_secret_needs_no_restart(tmp_path: Path) -> None:
    path = tmp_path / "token"
    secret = in_file(path, "first\n")
    assert secret.current() == "first"
    path.write_text("secnd\n")
    assert secret.accepted() == ("secnd",)


def test_while_a_secret_is_replaced_both_are_accepted(tmp_path: Path) -> None:
    secret = in_file(tmp_path / "token", "new-one\nold-one\n")
    assert (secret.current(), secret.accepted()) == ("new-one", ("new-one", "old-one"))


def test_a_file_that_is_away_for_a_while_leaves_the_last_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    secret = in_file(path, "first")
    assert secret.current() == "first"
    path.unlink()
    with caplog.at_level(logging.WARNING):
        assert [secret.current(), secret.current()] == ["first", "first"]
    assert len(caplog.records) == 1
    assert f"{NAME}_FILE={path}" in caplog.text
    assert "first" not in caplog.text
    path.write_text("second")
    assert secret.current() == "second"


def test_both_variables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"{NAME} and {NAME}_FILE are both set"):
        Secret(NAME, {NAME: "s3cret", f"{NAME}_FILE": str(tmp_path)})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "no file that is there"),
        ("\n", "empty line"),
        ("s3cret\n\n", "empty line"),
        ("s3cret\nold-s3cret\nolder-s3cret", "more than 2 lines"),
        ("s3cret of two words", "has a space"),
        ("s3crét", "not ASCII"),
        ("s3cret" * FILE_BYTES_MAX, f"more than {FILE_BYTES_MAX} bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_without_its_content(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "token"
    with pytest.raises(SettingError, match=problem) as refusal:
        in_file(path, content).current()
    assert str(refusal.value).startswith(f"{NAME}_FILE={path}: ")
    assert "s3cr" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_pipe_or_a_folder_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(SettingError, match=f"{NAME}_FILE={path}: is no file"):
            in_file(path).current()


def test_a_secret_is_in_no_repr() -> None:
    secret = Secret(NAME, {NAME: "s3cret"})
    assert "s3cret" not in repr(secret)
