"""S1 and S2, shown on the definitions: without the provider, or without a map, the flows that need it are refused by
name."""

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


class Answer(NamedTuple):
    """What `flows check --active` said: its exit code, and the problem sentences by flow file."""

    code: int
    problems: Mapping[str, list[str]]


async def show_definitions(environment: Mapping[str, str]) -> dict[str, bool]:
    """`environment` has everything set up; each number takes one thing away and expects a refusal that names it."""
    maps = environment[MAPS_SETTING].split(",")
    without_provider = {name: value for name, value in environment.items() if not name.startswith(PROVIDER_SETTINGS)}
    accepted, no_provider, *no_map = await asyncio.gather(
        _flows_check(environment),
        _flows_check(without_provider),
        *(_flows_check({**environment, MAPS_SETTING: ",".join(m for m in maps if m != gone)}) for gone in maps),
    )
    published = accepted.code == 0 and not accepted.problems
    return {
        "S1": published and refused(no_provider, PROVIDER),
        "S2": published and all(refused(answer, gone) for answer, gone in zip(no_map, maps, strict=True)),
    }


def refused(answer: Answer, named: str) -> bool:
    """At least one flow is refused, and a sentence about it (not the name of its file) says what is missing."""
    said = [any(f"{named!r}" in sentence for sentence in sentences) for sentences in answer.problems.values()]
    return answer.code == 1 and bool(said) and all(said)


async def _flows_check(environment: Mapping[str, str]) -> Answer:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", PACKAGE, "flows", "check", "--active", "--json",
        env=dict(environment), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), CHECK_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Answer(-1, {})
    return answered(process.returncode or 0, said)


def answered(code: int, said: bytes) -> Answer:
    """An answer that is not the documented JSON counts as one that names nothing."""
    problems: dict[str, list[str]] = {}
    try:
        for found in json.loads(said):
            problems.setdefault(found["file"], []).append(found["problem"])
    except (ValueError, TypeError, LookupError):
        return Answer(code or -1, {})
    return Answer(code, problems)
