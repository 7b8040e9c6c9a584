"""The machine of a measurement, and the CPU and memory that a process used."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from app.errors import WaybillError

_CPU_INFO: Final = Path("/proc/cpuinfo")


class Usage(NamedTuple):
    """CPU seconds since the process began (user and system), and resident bytes."""

    cpu_s: float
    resident: int


def usage(pid: int) -> Usage:
    """Return what a process has used so far. Raises WaybillError when it has ended."""
    try:
        process = psutil.Process(pid)
        times, memory = process.cpu_times(), process.memory_info()
    except psutil.Error as exc:
        raise WaybillError(f"the use of process {pid} cannot be read ({exc}): did it end?") from exc
    return Usage(cpu_s=times.user + times.system, resident=memory.rss)


def describe(kafka: str, packages: Sequence[str] = ("faust-streaming", "aiokafka", "msgspec")) -> dict[str, str]:
    """Return the machine and versions; `load` is the run queue of the last minute, of everything on the machine."""
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
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
