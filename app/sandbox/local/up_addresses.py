"""The `waybill up` that runs for this user, and its addresses: a file that its process keeps locked.

A lock ends with its process, however that ends: a file that nobody locks is of one that is gone.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct

from app.errors import WaybillError
from app.sandbox.local.private_files import make_private_folder

FILE: Final = "up.json"


class UpAddresses(Struct, frozen=True):
    """Addresses of one `waybill up`: host:port of the broker, URLs of the simulators and of each role's web views."""

    pid: int
    broker: str
    simulators: str
    workers: Mapping[str, str]


def home(environ: Mapping[str, str]) -> Path:
    """Return the folder of what belongs to this user: WAYBILL_HOME, or ~/.waybill."""
    return Path(os.path.expanduser(environ.get("WAYBILL_HOME") or "~/.waybill"))


def find_up(environ: Mapping[str, str]) -> UpAddresses | None:
    """Return the `waybill up` that runs now; None when there is none, or when it has just begun."""
    try:
        with (home(environ) / FILE).open("rb") as file:
            if _is_locked(file):
                return msgspec.json.decode(file.read(), type=UpAddresses)
    except (OSError, msgspec.MsgspecError):
        pass
    return None


class AddressFile:
    """The file while this process holds its lock."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def publish(self, addresses: UpAddresses) -> None:
        """Write the addresses for other commands of this user."""
        self._file.write(msgspec.json.encode(addresses))
        self._file.flush()


@contextmanager
def claim_up(environ: Mapping[str, str]) -> Iterator[AddressFile]:
    """Keep other `waybill up` of this user out while the block runs. Raises WaybillError when one runs already."""
    path = home(environ) / FILE
    try:
        make_private_folder(path.parent)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as problem:
        raise WaybillError(f"{path} cannot be written ({problem}); choose another folder (WAYBILL_HOME)") from problem
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            other = find_up(environ)
            where = f" (process {other.pid}, broker {other.broker})" if other else ""
            raise WaybillError(
                f"`waybill up` runs already{where}: use it, end it, or give this one a folder of its own (WAYBILL_HOME)"
            ) from problem
        file.truncate()
        try:
            yield AddressFile(file)
        finally:
            file.truncate(0)


def _is_locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
