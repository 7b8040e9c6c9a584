"""Topic names as they go over the wire: with the prefix of this installation, which nothing but this file knows.

Requests and answers are values of a schema, so that one walk finds every topic in them, whoever sent them: our clients,
Faust's, a consumer group's assignments. Topics without the prefix are another installation's, and are left out.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.struct import Struct
from aiokafka.protocol.types import Array, Schema

Rename = Callable[[str], str]
_TOPIC_RESOURCE: Final = 2
_NAMES: Final[Mapping[int, frozenset[str]]] = {
    **dict.fromkeys((0, 1, 2, 3, 8, 9, 19, 20, 24, 28, 37), frozenset({"topic", "topics"})),
    **dict.fromkeys((21, 45, 46), frozenset({"name"})),
}
"""Fields that are names of topics, by the number of the request."""
_RESOURCES: Final = frozenset({32, 33})
"""Requests about the settings of resources, of which some are topics."""
_METADATA, _JOIN, _SYNC = 3, 11, 14
_OTHER: Final = frozenset({10, 12, 13, 15, 16, 17, 18, 22, 25, 26, 36, 42})
"""Requests that name no topic."""


class PrefixedRequest:
    """A request whose topics are sent with a prefix. It stands for one of aiokafka's."""

    def __init__(self, request: Request[Any], prefix: str) -> None:
        self._request, self._prefix = request, prefix

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> RequestStruct:
        return with_prefix(self._request.prepare(dict(versions)), self._prefix)


def with_prefix(request: Any, prefix: str) -> Any:
    """Return a request with the prefix before each topic. Raises NotImplementedError for one that is not known here."""
    return _renamed(request, lambda name: prefix + name)


def without_prefix(response: Any, prefix: str) -> Any:
    """Return a response without the prefix, and without the topics that have none."""
    if response.API_KEY == _METADATA:
        fields = response.SCHEMA.fields[response.SCHEMA.names.index("topics")].array_of.names
        name = fields.index("topic")
        response.topics = [topic for topic in response.topics if topic[name].startswith(prefix)]
    return _renamed(response, lambda name: name.removeprefix(prefix))


def _renamed(message: Any, rename: Rename) -> Any:
    key = message.API_KEY
    if key in _NAMES:
        values = _walk(message.SCHEMA, _values(message), _NAMES[key], rename)
    elif key in _RESOURCES:
        values = _resources(message.SCHEMA, _values(message), rename)
    elif key == _JOIN:
        values = _blobs(message, ("group_protocols", "members"), _subscription, rename)
    elif key == _SYNC:
        values = _blobs(message, ("group_assignment",), _assignment, rename)
        if hasattr(message, "member_assignment"):
            at = message.SCHEMA.names.index("member_assignment")
            values[at] = _assignment(values[at], rename)
    elif key in _OTHER:
        return message
    else:
        raise NotImplementedError(f"{type(message).__name__}: app/kafka/topic_names.py does not know its topics")
    return type(message)(*values)


def _values(message: Struct) -> list[Any]:
    return [message.get_item(name) for name in message.SCHEMA.names]


def _walk(schema: Schema, values: Any, names: frozenset[str], rename: Rename) -> list[Any]:
    return [
        _field(name, kind, value, names, rename)
        for name, kind, value in zip(schema.names, schema.fields, values, strict=True)
    ]


def _field(name: str, kind: Any, value: Any, names: frozenset[str], rename: Rename) -> Any:
    if isinstance(value, str):
        return rename(value) if name in names else value
    if value is None or not isinstance(kind, Array):
        return value
    if isinstance(kind.array_of, Schema):
        return [tuple(_walk(kind.array_of, each, names, rename)) for each in value]
    return [rename(each) for each in value] if name in names else value


def _resources(schema: Schema, values: list[Any], rename: Rename) -> list[Any]:
    """Rename those resources that are topics: of a request (type, name, ...), of an answer (..., type, name, ...)."""
    at = schema.names.index("resources")
    names = schema.fields[at].array_of.names
    kind, name = names.index("resource_type"), names.index("resource_name")
    values[at] = [
        tuple(
            rename(value) if place == name and each[kind] == _TOPIC_RESOURCE else value
            for place, value in enumerate(each)
        )
        for each in values[at]
    ]
    return values


def _blobs(message: Any, fields: tuple[str, ...], read: Callable[[bytes, Rename], bytes], rename: Rename) -> list[Any]:
    """Rename in bytes that members of a group exchange: the last value of each item."""
    values = _values(message)
    for name in fields:
        if name in message.SCHEMA.names:
            at = message.SCHEMA.names.index(name)
            values[at] = [(*each[:-1], read(bytes(each[-1]), rename)) for each in values[at]]
    return values


def _subscription(data: bytes, rename: Rename) -> bytes:
    member = ConsumerProtocolMemberMetadata.decode(data)
    topics = [rename(topic) for topic in member.subscription]
    return bytes(ConsumerProtocolMemberMetadata(member.version, topics, member.user_data).encode())


def _assignment(data: bytes, rename: Rename) -> bytes:
    if not data:
        return data
    member = ConsumerProtocolMemberAssignment.decode(data)
    places = [(rename(topic), partitions) for topic, partitions in member.assignment]
    return bytes(ConsumerProtocolMemberAssignment(member.version, places, member.user_data).encode())
