"""ARCHITECTURE.md: its map is the tree, in the order of the layers, and its path of a record is the one it takes."""

import asyncio
import re

from app.resources import ROOT
from tests.documents.record_path import OrderPath
from tests.layers import APP, LAYERS
from tests.test_layers import PURE

TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
ROOM = re.compile(r"^    (\S+) {2,}(\S.*)$", re.MULTILINE)


def section(title: str) -> str:
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_map_is_the_tree_in_the_order_of_the_layers() -> None:
    rooms = [room.removesuffix(".py") for room, _ in ROOM.findall(section("Code map"))]
    level = {room: number for number, names in enumerate(LAYERS) for room in names}
    there = {path.stem for path in APP.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert sorted(rooms) == sorted(there - {"__init__"}), "one line a room"
    assert [level[room] for room in rooms] == sorted(level[room] for room in rooms), "lowest first"


def test_the_map_says_which_rooms_are_pure() -> None:
    pure = {room for room, text in ROOM.findall(section("Code map")) if text.endswith("(pure)")}
    assert pure == set(PURE)


def test_one_record_takes_the_path_that_is_told() -> None:
    path = OrderPath()
    asyncio.run(path.walk())
    passed = {file.removeprefix(f"{ROOT}/") for file, _ in path.called}
    orchestrate = section("Follow a record").split("**Role `orchestrate`**")[1].split("**Role `perform`.**")[0]
    described = set(re.findall(r"`(app/[\w/]+\.py)`", orchestrate))
    no_calls = {"app/kafka/kafka_log.py", "app/domain/lifecycle.py"}
    """A log in memory takes the place of the first; the second is a table."""
    assert len(described) > 10
    assert described - passed == no_calls
