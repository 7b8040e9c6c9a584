"""Java starts twice as fast from an archive of Kafka's classes: made once, and used by every broker of the tests.

The Java that comes with Waybill has no such archive, so that each of the tests' thirty brokers would read and check the
same thousands of classes. JDK_JAVA_OPTIONS hands the archive to every `java`; one that cannot use it starts without.
"""

import fcntl
import os
import subprocess
from pathlib import Path
from typing import Final
from zlib import crc32

from app.resources import ROOT
from app.sandbox.local import broker
from app.sandbox.local.jars import LOCK
from app.sandbox.local.jvm import find_java

OPTIONS: Final = "JDK_JAVA_OPTIONS"
FOLDER: Final = ROOT / ".pytest_cache" / "java"
FEWER_COMPILERS: Final = "-XX:TieredStopAtLevel=1"
"""A broker that lives for a minute never gets back what the second compiler costs."""
DUMP_LIMIT_S: Final = 120


def java_options() -> str:
    """Return what to tell each Java; make the archive first where there is none."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    java_and_jars = f"{os.stat(find_java()).st_mtime_ns}-{crc32(LOCK.read_bytes()):08x}"
    archive = FOLDER / f"kafka-{java_and_jars}.jsa"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _make(archive)
    return f'{FEWER_COMPILERS} "-XX:SharedArchiveFile={archive}" -Xshare:auto' if archive.exists() else FEWER_COMPILERS


def _make(archive: Path) -> None:
    """Dump Java's own classes, and on top of them those that a broker has loaded when it ends."""
    base, whole = archive.with_suffix(".base"), archive.with_suffix(".new")
    dump = [str(find_java()), "-Xshare:dump", f"-XX:SharedArchiveFile={base}"]
    if subprocess.run(dump, capture_output=True, timeout=DUMP_LIMIT_S, check=False).returncode == 0:
        options = f'{FEWER_COMPILERS} "-XX:SharedArchiveFile={base}" "-XX:ArchiveClassesAtExit={whole}"'
        before = os.environ.pop(OPTIONS, None)
        os.environ[OPTIONS] = options
        try:
            with broker.temporary():
                pass
        finally:
            del os.environ[OPTIONS]
            if before is not None:
                os.environ[OPTIONS] = before
        if whole.exists():
            whole.rename(archive)
