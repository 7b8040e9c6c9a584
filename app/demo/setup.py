"""S1 and S2, shown on the definitions: without the provider, or without a map, the flow is refused by name; with both it is accepted."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Final

CHECK_TIMEOUT_S: Final = 60
FLOW: Final = "bigcommerce-fno-fno"
PROVIDER_SETTINGS: Final = "WAYBILL_FNO_"
MAPS_SETTING: Final = "WAYBILL_DUALWRITE_MAPS"


async def show_definitions(environment: Mapping[str, str]) -> dict[str, bool]:
    """`environment` has everything set up; each number takes one thing away and expects a refusal that names it."""
    maps = environment[MAPS_SETTING].split(",")
    without_provider = {name: value for name, value in environment.items() if not name.startswith(PROVIDER_SETTINGS)}
    accepted, no_provider, *no_map = await asyncio.gather(
        _flows_check(environment),
        _flows_check(without_provider),
        *(_flows_check({**environment, MAPS_SETTING: ",".join(m for m in maps if m != gone)}) for gone in maps),
    )
    return {
        "S1": accepted[0] == 0 and _refused(no_provider, "fno"),
        "S2": accepted[0] == 0 and all(_refused(answer, gone) for answer, gone in zip(no_map, maps, strict=True)),
    }


def _refused(answer: tuple[int, str], named: str) -> bool:
    code, said = answer
    return code != 0 and any("flows/" in line and named in line for line in said.splitlines())


async def _flows_check(environment: Mapping[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "flows", "check", "--active",
        env=dict(environment), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), CHECK_TIMEOUT_S)
    return process.returncode or 0, said.decode(errors="replace")
