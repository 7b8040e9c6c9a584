"""Description of the service: collections, types in $metadata (CSDL 4.0), and the number of records.

The document is made of the same entities that the answers are made of.
"""

from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from aiohttp import web

from app.sandbox.vendors.fno.entities import SYMBOLS, EntityType, Kind
from app.sandbox.vendors.fno.odata import COLLECTIONS, DATA_PATH, OData
from app.sandbox.vendors.simulation_http import answer

METADATA: Final = "$metadata"
COUNT: Final = "/$count"
NAMESPACE: Final = "Microsoft.Dynamics.DataEntities"
_EDMX: Final = {"Version": "4.0", "xmlns:edmx": "http://docs.oasis-open.org/odata/ns/edmx"}
_SCHEMA: Final = {"Namespace": NAMESPACE, "xmlns": "http://docs.oasis-open.org/odata/ns/edm"}
_TYPES: Final[Mapping[Kind, Mapping[str, str]]] = {
    "text": {"Type": "Edm.String"},
    "amount": {"Type": "Edm.Decimal", "Scale": "variable"},
    "date": {"Type": "Edm.DateTimeOffset"},
}


class MetadataRoutes:
    def __init__(self, odata: OData) -> None:
        self._odata = odata

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, which come before those of the records, whose paths take anything."""
        return [
            web.get(DATA_PATH, self._root),
            web.get(f"{DATA_PATH}/{METADATA}", self._metadata),
            web.get(f"{DATA_PATH}/{{collection:\\w{{1,100}}}}{COUNT}", self._count),
        ]

    async def _root(self, request: web.Request) -> web.Response:
        sets = [{"name": name, "kind": "EntitySet", "url": name} for name in COLLECTIONS]
        return answer({"@odata.context": f"{request.url.origin()}{DATA_PATH}/{METADATA}", "value": sets})

    async def _metadata(self, _request: web.Request) -> web.Response:
        return web.Response(body=metadata(), content_type="application/xml")

    async def _count(self, request: web.Request) -> web.Response:
        count = self._odata.count(request, request.match_info["collection"])
        return web.Response(text=str(count), content_type="text/plain")


def metadata() -> bytes:
    """Return the document of all collections, each with a type of its own."""
    root = Element("edmx:Edmx", _EDMX)
    schema = SubElement(SubElement(root, "edmx:DataServices"), "Schema", _SCHEMA)
    for name, symbols in SYMBOLS.items():
        enum = SubElement(schema, "EnumType", {"Name": name})
        for value, symbol in enumerate(symbols):
            SubElement(enum, "Member", {"Name": symbol, "Value": str(value)})
    for collection, entity in COLLECTIONS.items():
        _entity_type(schema, _type_name(collection), entity)
    container = SubElement(schema, "EntityContainer", {"Name": "Resources"})
    for collection in COLLECTIONS:
        kind = f"{NAMESPACE}.{_type_name(collection)}"
        SubElement(container, "EntitySet", {"Name": collection, "EntityType": kind})
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _entity_type(schema: Element, name: str, entity: EntityType) -> None:
    element = SubElement(schema, "EntityType", {"Name": name})
    key = SubElement(element, "Key")
    for field in entity.key:
        SubElement(key, "PropertyRef", {"Name": field})
    for field, about in entity.fields.items():
        required = {"Nullable": "false"} if field in entity.key else {}
        typed = _TYPES.get(about.kind, {"Type": f"{NAMESPACE}.{about.kind}"})
        length = {"MaxLength": str(about.length)} if about.length else {}
        SubElement(element, "Property", {"Name": field, **typed, **length, **required})


def _type_name(collection: str) -> str:
    """Return the singular: `SalesOrderHeadersV2` is a collection of `SalesOrderHeaderV2`."""
    name, plural, version = collection.rpartition("sV")
    return f"{name}V{version}" if plural else collection.removesuffix("es")
