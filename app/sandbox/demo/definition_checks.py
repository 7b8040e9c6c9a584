"""S1 and S2, checked on the definitions: `flows check` refuses flows and names the provider or map that is absent."""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Final, NamedTuple

from app.resources import PACKAGE

CHECK_TIMEOUT_S: Final = 60
PROVIDER: Final = "fno"
PROVIDER_SETTINGS: Final = "WAYBILL_FNO_"
MAPS_SETTING: Final = "WAYBILL_DUALWRITE_MAPS"


class CheckOutput(NamedTuple):
    """Output of `flows check --active`: its exit code, and the sentences about problems by flow file."""

    code: int
    problems: Mapping[str, list[str]]


async def check_definitions(environment: Mapping[str, str]) -> dict[str, bool]:
    """Return whether S1 and S2 hold. `environment` has everything set up.

    Each number leaves one thing out and expects a refusal that names it.
    """
    maps = environment[MAPS_SETTING].split(",")
    without_provider = {name: value for name, value in environment.items() if not name.startswith(PROVIDER_SETTINGS)}
    complete, without_provider_output, *without_map = await asyncio.gather(
        _flows_check(environment),
        _flows_check(without_provider),
        *(_flows_check({**environment, MAPS_SETTING: ",".join(m for m in maps if m != absent)}) for absent in maps),
    )
    published = complete.code == 0 and not complete.problems
    return {
        "S1": published and refuses(without_provider_output, PROVIDER),
        "S2": published and all(refuses(output, absent) for output, absent in zip(without_map, maps, strict=True)),
    }


def refuses(output: CheckOutput, name: str) -> bool:
    """Return whether a flow is refused, and a sentence about each (not its file's name) says that `name` is absent."""
    is_named = [any(f"{name!r}" in sentence for sentence in sentences) for sentences in output.problems.values()]
    return output.code == 1 and bool(is_named) and all(is_named)


async def _flows_check(environment: Mapping[str, str]) -> CheckOutput:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", PACKAGE, "flows", "check", "--active", "--json",
        env=dict(environment), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        raw, _ = await asyncio.wait_for(process.communicate(), CHECK_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return CheckOutput(-1, {})
    return parse_output(process.returncode or 0, raw)


def parse_output(code: int, raw: bytes) -> CheckOutput:
    """Read the JSON of `flows check`. What is not the documented JSON counts as an output without problems."""
    problems: dict[str, list[str]] = {}
    try:
        for problem in json.loads(raw):
            problems.setdefault(problem["file"], []).append(problem["problem"])
    except (ValueError, TypeError, LookupError):
        return CheckOutput(code or -1, {})
    return CheckOutput(code, problems)
