"""Gazetteer: the coordinates of an address, from its city, or from its region or country, marked as such.

The index is built from rows that the caller loads (app/worker/cities.py): a pure module reads no files.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from app.domain.order import Address

Precision = Literal["city", "region", "country", "unknown"]
EARTH_KM: Final = 6371.0088
"""Mean radius (IUGG)."""
FARTHEST_KM: Final = math.pi * EARTH_KM
"""Half-way round the earth: the distance of an unknown place."""
_LETTERS: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


class Place(Struct, frozen=True):
    """Coordinates in degrees. `kind` says what could be placed; `unknown` is at (0, 0)."""

    latitude: float
    longitude: float
    kind: Precision


class City(Struct, frozen=True):
    """`region` is the code of the first administrative division, such as TX; `other_names` one a line."""

    name: str
    country: str
    region: str
    latitude: float
    longitude: float
    population: int
    other_names: str = ""


UNKNOWN: Final = Place(0.0, 0.0, "unknown")


def distance_km(place: Place, latitude: float, longitude: float) -> float:
    """Return the great-circle distance; `FARTHEST_KM` from an unknown place."""
    if place.kind == "unknown":
        return FARTHEST_KM
    here, there = math.radians(place.latitude), math.radians(latitude)
    across = math.radians(longitude - place.longitude) / 2
    chord = math.sin((there - here) / 2) ** 2 + math.cos(here) * math.cos(there) * math.sin(across) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(chord)))


class Gazetteer:
    """Finds places by name. The names of a country are indexed at its first use: most are never used."""

    def __init__(self, cities: Iterable[City], regions: dict[tuple[str, str], str] | None = None) -> None:
        """`regions` are names of regions, by country and plain name, where addresses use them: (US, texas) -> TX."""
        self._by_country: dict[str, list[City]] = {}
        for city in cities:
            self._by_country.setdefault(city.country, []).append(city)
        self._regions = regions or {}
        self._names: dict[str, dict[str, list[City]]] = {}
        self._main_names: dict[str, list[City]] = {}
        self._centres: dict[tuple[str, str], Place | None] = {}

    def find(self, address: Address) -> Place:
        """Return the city of the address, else the centre of its region or country, else unknown.

        Of cities with the same name the largest is taken. A region that is known rules out the other ones: Elgin in
        Oregon is not the one near Chicago, even if it is too small for the index. Without a country the city's own name
        decides; imports that have lost their country tend to have their columns shifted, so that the city stands in
        `region`: that is tried as well.
        """
        country = address.country.strip().upper()
        if country in self._by_country:
            return self._find_in(country, address)
        names, region = self._everywhere(), address.region.strip().upper()
        city = _best(names, address.city, region) or _best(names, address.region, "")
        return _place(city) if city and not country else UNKNOWN

    def _find_in(self, country: str, address: Address) -> Place:
        region = self._regions.get((country, plain(address.region)), address.region.strip().upper())
        around = self._centre(country, region) if region else None
        city = _best(self._in_country(country), address.city, region)
        if city and (around is None or city.region == region):
            return _place(city)
        return around or self._centre(country, "") or UNKNOWN

    def _in_country(self, country: str) -> dict[str, list[City]]:
        if country not in self._names:
            self._names[country] = _index(self._by_country[country], others=True)
        return self._names[country]

    def _everywhere(self) -> dict[str, list[City]]:
        if not self._main_names:
            every = [city for cities in self._by_country.values() for city in cities]
            self._main_names = _index(every, others=False)
        return self._main_names

    def _centre(self, country: str, region: str) -> Place | None:
        """Return the centre of a region, or with "" of the whole country; None where the index has no city of it."""
        key = (country, region)
        if key not in self._centres:
            cities = [city for city in self._by_country[country] if region in ("", city.region)]
            self._centres[key] = _centre(cities, "region" if region else "country") if cities else None
        return self._centres[key]


def _best(names: dict[str, list[City]], name: str, region: str) -> City | None:
    for spelling in _spellings(name):
        if same := names.get(spelling):
            return max(same, key=lambda city: (city.region == region, city.population, city.latitude))
    return None


def plain(text: str) -> str:
    """Return a name without case, accents and punctuation: `São Paulo` and `SAO-PAULO` are the same."""
    split = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    characters = (char if char.isalnum() else " " for char in split if not unicodedata.combining(char))
    return " ".join("".join(characters).split())


def _spellings(name: str) -> Iterable[str]:
    """Yield the name, and the name without initials at its end: `Frankfurt a.M.`, `México D.F.`."""
    whole = plain(name)
    if whole:
        yield whole
    words = whole.split()
    while words and len(words[-1]) == 1:
        words.pop()
    if words and (short := " ".join(words)) != whole:
        yield short


def _index(cities: Iterable[City], *, others: bool) -> dict[str, list[City]]:
    names: dict[str, list[City]] = {}
    for city in cities:
        spelled = [city.name, *city.other_names.split("\n")] if others else [city.name]
        for name in {plain(name) for name in spelled} - {""}:
            names.setdefault(name, []).append(city)
    return names


def _place(city: City) -> Place:
    return Place(city.latitude, city.longitude, "city")


def _centre(cities: Sequence[City], kind: Precision) -> Place:
    """Return the mean of the cities on the sphere, weighted by population."""
    x = y = z = 0.0
    for city in cities:
        latitude, longitude = math.radians(city.latitude), math.radians(city.longitude)
        weight = city.population + 1
        x += weight * math.cos(latitude) * math.cos(longitude)
        y += weight * math.cos(latitude) * math.sin(longitude)
        z += weight * math.sin(latitude)
    return Place(math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x)), kind)
