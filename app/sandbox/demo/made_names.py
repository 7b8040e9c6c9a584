"""Names, addresses and products that the demo's orders are made of: unicode on purpose, people invented by pattern."""

from decimal import Decimal
from typing import NamedTuple


class Destination(NamedTuple):
    """Where an order is shipped to, and the site and warehouse of F+O that serve it."""

    city: str
    region: str
    postal_code: str
    street: str
    country: str
    iso2: str
    iso3: str
    site: str
    warehouse: str


_ROWS = (
    ("Reims", "", "51100", "Rue de l'Abbaye", "France", "FR", "FRA", "EU", "EU-HAM"),
    ("Köln", "Nordrhein-Westfalen", "50667", "Mehrheimerstraße", "Germany", "DE", "DEU", "EU", "EU-HAM"),
    ("Łódź", "Łódzkie", "90-001", "Piotrkowska", "Poland", "PL", "POL", "EU", "EU-HAM"),
    ("Århus", "", "8000", "Åboulevarden", "Denmark", "DK", "DNK", "EU", "EU-HAM"),
    ("Αθήνα", "Αττική", "105 57", "Οδός Ερμού", "Greece", "GR", "GRC", "EU", "EU-HAM"),
    ("Seattle", "Washington", "98101", "Pike Street", "United States", "US", "USA", "US", "US-SEA"),
    ("Montréal", "Québec", "H2Y 1C6", "Rue Saint-Paul", "Canada", "CA", "CAN", "US", "US-SEA"),
    ("São Paulo", "SP", "01310-100", "Avenida Paulista", "Brazil", "BR", "BRA", "SA", "SA-GRU"),
    ("Bogotá", "Cundinamarca", "110111", "Carrera Séptima", "Colombia", "CO", "COL", "SA", "SA-GRU"),
    ("東京", "東京都", "100-0001", "千代田区千代田", "Japan", "JP", "JPN", "US", "US-SEA"),
)
DESTINATIONS = tuple(Destination(*row) for row in _ROWS)
CUSTOMERS = tuple(
    (first, last)
    for first in ("Zoë", "Björn", "Nguyễn", "Łukasz", "Olá", "Σοφία", "Jane", "花子")
    for last in ("Müller-Ånström", "O'Brien", "Doe", "Ñandú", "Жукова", "山田")
)
PRODUCTS = tuple(
    (f"{family}-{n:03}", f"{name} {n}", Decimal(price) + Decimal(n) / 4)
    for family, name, price in (
        ("TEA", "Thé vert", "3.2500"),
        ("BIKE", "Vélo ½ course", "249.9900"),
        ("MUG", "Tasse “Größe”", "8.5000"),
        ("LAMP", "Lámpara", "39.9500"),
    )
    for n in range(1, 16)
)
