"""Folders and files that only their owner may read: topics, logs and settings on this machine hold personal data."""

import os
from pathlib import Path
from typing import IO, Final

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
PRIVATE_UMASK: Final = 0o077
"""What a process that writes such files is started with."""


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for the owner alone. One that is there stays as it is."""
    for folder in reversed((path, *path.parents)):
        if not folder.exists():
            folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)


def close_to_others(path: Path) -> None:
    """Take from others whatever they may do in a folder; its owner may do what it did."""
    path.chmod(path.stat().st_mode & _FOLDER_MODE)


def write_private_file(path: Path, content: bytes) -> None:
    """Replace what is in a file, which is made for the owner alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE), "wb") as file:
        file.write(content)


def append_to_private_file(path: Path) -> IO[bytes]:
    """Open a file, which is made for the owner alone, to append to it."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _FILE_MODE), "ab")
