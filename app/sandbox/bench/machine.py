"""What a measurement ran on, and what a process used: read from /proc, where there is one."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from app.errors import WaybillError

_PROC: Final = Path("/proc")


class Usage(NamedTuple):
    """CPU seconds since the process began (user and system), and resident bytes."""

    cpu_s: float
    resident: int


def usage(pid: int) -> Usage:
    """Raises WaybillError when the process has ended, or where there is no /proc."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        pages = (_PROC / str(pid) / "statm").read_text().split()[1]
    except OSError as exc:
        raise WaybillError(
            f"the use of process {pid} cannot be read ({exc}): did it end, or has this system no /proc?"
        ) from exc
    # After the name in parentheses, which may contain anything: utime and stime are the 12th and 13th field.
    ticks = int(fields[11]) + int(fields[12])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(pages) * os.sysconf("SC_PAGE_SIZE"))


def describe(kafka: str, packages: Sequence[str] = ("faust-streaming", "aiokafka", "msgspec")) -> dict[str, str]:
    """The machine and what ran on it; `load` is the run queue of the last minute, of everything on the machine."""
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "kafka": kafka,
        **{name: version(name) for name in packages},
    }


def _cpu() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
