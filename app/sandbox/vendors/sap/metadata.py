"""The EDMX document of a service (OData V2, CSDL 2.0), made of the same entities that its answers are made of."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from app.sandbox.vendors.sap.entities import EntityField, EntityType, Function, Kind, is_decimal
from app.sandbox.vendors.sap.schema import Service

_EDMX: Final = {
    "Version": "1.0",
    "xmlns:edmx": "http://schemas.microsoft.com/ado/2007/06/edmx",
    "xmlns:m": "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata",
    "xmlns:sap": "http://www.sap.com/Protocols/SAPData",
}
_SCHEMA: Final = "http://schemas.microsoft.com/ado/2008/09/edm"
_TYPES: Final[Mapping[Kind, Mapping[str, str]]] = {
    "text": {"Type": "Edm.String"},
    "number": {"Type": "Edm.String"},
    "flag": {"Type": "Edm.Boolean"},
    "date": {"Type": "Edm.DateTime", "Precision": "0", "sap:display-format": "Date"},
    "instant": {"Type": "Edm.DateTimeOffset", "Precision": "7"},
    "time": {"Type": "Edm.Time", "Precision": "0"},
}
_NO: Final = "false"


class _Association(NamedTuple):
    """A navigation from one record to many, and back."""

    parent: EntityType
    navigation: str
    child: EntityType

    @property
    def name(self) -> str:
        return f"{self.parent.name}_{self.navigation}"


def document(service: Service) -> bytes:
    root = Element("edmx:Edmx", _EDMX)
    services = SubElement(root, "edmx:DataServices", {"m:DataServiceVersion": "2.0"})
    attributes = {"Namespace": service.name, "xml:lang": "en", "sap:schema-version": "1", "xmlns": _SCHEMA}
    schema = SubElement(services, "Schema", attributes)
    associations = list(_associations(service.root))
    for kind in service.types.values():
        _entity_type(schema, kind, associations)
    for function in service.functions.values():
        complex_type = SubElement(schema, "ComplexType", {"Name": function.returns.name})
        for name, field in function.returns.fields.items():
            SubElement(complex_type, "Property", {"Name": name, **_typed(field), "Nullable": _NO})
    for association in associations:
        element = SubElement(schema, "Association", {"Name": association.name, "sap:content-version": "1"})
        for kind, multiplicity in ((association.parent, "1"), (association.child, "*")):
            end = {"Type": _type_name(kind), "Multiplicity": multiplicity, "Role": kind.name}
            SubElement(element, "End", end)
    _container(schema, service, associations)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _associations(kind: EntityType) -> Iterator[_Association]:
    for navigation, child in kind.lists.items():
        yield _Association(kind, navigation, child)
        yield from _associations(child)


def _entity_type(schema: Element, kind: EntityType, associations: list[_Association]) -> None:
    element = SubElement(schema, "EntityType", {"Name": f"{kind.name}Type", "sap:content-version": "1"})
    key = SubElement(element, "Key")
    for name in kind.key:
        SubElement(key, "PropertyRef", {"Name": name})
    for name, field in kind.fields.items():
        own = {"Nullable": _NO} if name in kind.key else {}
        state = {"ConcurrencyMode": "Fixed"} if name == kind.etag else {}
        SubElement(element, "Property", {"Name": name, **_typed(field), **own, **state, **_access(field)})
    for association in associations:
        if association.parent is kind:
            _navigation(element, association, association.navigation, (kind, association.child))
        if association.child is kind and kind.single:
            _navigation(element, association, kind.single, (kind, association.parent))


def _navigation(element: Element, association: _Association, name: str, ends: tuple[EntityType, EntityType]) -> None:
    relationship = f"{association.parent.service}.{association.name}"
    roles = {"FromRole": ends[0].name, "ToRole": ends[1].name}
    SubElement(element, "NavigationProperty", {"Name": name, "Relationship": relationship, **roles})


def _container(schema: Element, service: Service, associations: list[_Association]) -> None:
    attributes = {"Name": f"{service.name}_Entities", "m:IsDefaultEntityContainer": "true"}
    container = SubElement(schema, "EntityContainer", {**attributes, "sap:supported-formats": "json"})
    for kind in service.types.values():
        SubElement(container, "EntitySet", {"Name": kind.name, "EntityType": _type_name(kind)})
    for association in associations:
        attributes = {"Name": f"{association.name}_Set", "Association": f"{service.name}.{association.name}"}
        element = SubElement(container, "AssociationSet", attributes)
        for kind in (association.parent, association.child):
            SubElement(element, "End", {"EntitySet": kind.name, "Role": kind.name})
    for function in service.functions.values():
        _function_import(container, service, function)


def _function_import(container: Element, service: Service, function: Function) -> None:
    return_type = f"Collection({service.name}.{function.returns.name})"
    attributes = {"Name": function.name, "ReturnType": return_type, "m:HttpMethod": function.method}
    element = SubElement(container, "FunctionImport", {**attributes, "sap:action-for": _type_name(function.of)})
    for name in function.of.key:
        parameter = {"Name": name, **_typed(function.of.fields[name]), "Mode": "In"}
        SubElement(element, "Parameter", parameter)


def _type_name(kind: EntityType) -> str:
    return f"{kind.service}.{kind.name}Type"


def _typed(field: EntityField) -> dict[str, str]:
    """Return the type with its limits."""
    if is_decimal(field.kind):
        digits, places = field.digits
        return {"Type": "Edm.Decimal", "Precision": str(digits), "Scale": str(places)}
    return {**_TYPES[field.kind], **({"MaxLength": str(field.length)} if field.length else {})}


def _access(field: EntityField) -> dict[str, str]:
    """Return who may write the field; nothing is said of a field that can be written at any time."""
    match field.access:
        case "read":
            return {"sap:creatable": _NO, "sap:updatable": _NO}
        case "insert":
            return {"sap:updatable": _NO}
    return {}
