"""The network of sources: warehouses that ship orders, their places and limits. Read from YAML or CSV."""

import csv
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, Field, field_validator

from app.definitions.validation import STRICT_KEYS, load_spec, validated
from app.domain.order import AMOUNT_SCALE
from app.errors import DefinitionError, suggest

SOURCES_MAX: Final = 1_000
_MAIN: Final = "main"


class NetworkSource(Struct, frozen=True):
    """A warehouse of a site that ships orders.

    `pool` names the group of warehouses whose stock one writer owns. `cutoff` (`16:00`, in `time_zone`) ends the day on
    which it still ships; "" means that its day never ends. `handling_cost` is for each order line. `lines_per_day` 0
    means no limit. `safety_stock` is kept of every SKU, in ten-thousandths of a piece.
    """

    warehouse: str
    site: str
    latitude: float
    longitude: float
    city: str = ""
    pool: str = _MAIN
    time_zone: str = "UTC"
    cutoff: str = ""
    processing_h: float = 0.0
    handling_cost: float = 0.0
    lines_per_day: int = 0
    safety_stock: int = 0


class Network(Struct, frozen=True):
    """All sources. `pools` gives the pool that ships the orders of a company; all other companies have the main one."""

    sources: tuple[NetworkSource, ...]
    pools: Mapping[str, str] = {}

    def pool(self, name: str) -> "Network":
        """Return the sources of one pool alone."""
        return Network(tuple(source for source in self.sources if source.pool == name), self.pools)


def load(text: str, file: str) -> Network:
    """Read a network: CSV with a header where `file` ends with .csv, YAML otherwise. Raises DefinitionError."""
    is_csv = file.endswith(".csv")
    spec = None if is_csv else load_spec(_NetworkSpec, text, file)
    rows = _csv_rows(text, file) if spec is None else _yaml_rows(spec)
    if not rows:
        raise DefinitionError(file, "sources", "there is no source", "write at least one")
    sources: dict[str, NetworkSource] = {}
    for path, row in rows:
        if row.warehouse in sources:
            raise DefinitionError(file, path, f"warehouse {row.warehouse!r} is there twice", "keep one of them")
        sources[row.warehouse] = _source(row)
    network = Network(tuple(sources.values()), {} if spec is None else spec.pools)
    _check_pools(network, file)
    return network


def _check_pools(network: Network, file: str) -> None:
    pools = {source.pool for source in network.sources}
    for company, pool in network.pools.items():
        if pool not in pools:
            raise DefinitionError(file, f"pools.{company}", f"no source is of the pool {pool!r}", suggest(pool, pools))


Name = Annotated[str, Field(min_length=1, max_length=80)]
Pool = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
"""The name of a pool: a key of records, and the order id of commands."""


def _clock(value: object) -> object:
    text = str(value)
    try:
        if len(text) == 5:
            time.fromisoformat(text)
            return text
    except ValueError:
        pass
    raise ValueError(f"{value!r} is not a time of day; write hours and minutes in quotes, such as '16:00'")


class _SourceSpec(BaseModel):
    model_config = STRICT_KEYS

    warehouse: Name
    site: Name
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    city: Annotated[str, Field(max_length=200)] = ""
    pool: Pool = _MAIN
    time_zone: str = "UTC"
    cutoff: Annotated[str, BeforeValidator(_clock)] = ""
    processing_h: Annotated[float, Field(ge=0, le=720)] = 0
    handling_cost: Annotated[float, Field(ge=0, le=1e6)] = 0
    lines_per_day: Annotated[int, Field(ge=0, le=10**9)] = 0
    safety_stock: Annotated[Decimal, Field(ge=0, le=10**9, decimal_places=4)] = Decimal(0)
    """In pieces."""

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, LookupError):
            raise ValueError(f"there is no time zone {name!r}; {suggest(name, _ZONES)}") from None
        return name


_ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Tokyo")
"""Examples for the fix in an error; any IANA name is valid."""


class _NetworkSpec(BaseModel):
    model_config = STRICT_KEYS

    network: Name
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    sources: Annotated[tuple[_SourceSpec, ...], Field(max_length=SOURCES_MAX)]
    pools: Annotated[dict[Name, Name], Field(max_length=SOURCES_MAX)] = {}
    """Company -> pool."""


def _source(row: _SourceSpec) -> NetworkSource:
    values = row.model_dump()
    return NetworkSource(**{**values, "safety_stock": int(row.safety_stock * AMOUNT_SCALE)})


def _yaml_rows(spec: _NetworkSpec) -> list[tuple[str, _SourceSpec]]:
    return [(f"sources[{position}]", row) for position, row in enumerate(spec.sources)]


def _csv_rows(text: str, file: str) -> list[tuple[str, _SourceSpec]]:
    reader = csv.DictReader(text.removeprefix("\ufeff").splitlines(), restkey="more", strict=True)
    rows: list[tuple[str, _SourceSpec]] = []
    try:
        for row in reader:
            filled = {key: value for key, value in row.items() if value}
            rows.append((path := f"line {reader.line_num}", validated(_SourceSpec, filled, file, path)))
    except csv.Error as exc:
        raise DefinitionError(file, f"line {reader.line_num}", f"not CSV: {exc}", "correct the line") from exc
    if len(rows) > SOURCES_MAX:
        raise DefinitionError(file, "(file)", f"{len(rows)} sources, more than {SOURCES_MAX}", "take the needed ones")
    return rows
