"""OData V4 as F+O speaks it: keys and filters with their quoting, exact numbers, ETags, errors. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec

from app.providers.http_messages import Call, Intent, MalformedReplyError, Reply, decode, decode_object

ETAG: Final = "@odata.etag"
EMPTY_DATE: Final = "1900-01-01T12:00:00Z"
"""How F+O writes a date that is not set."""
ACROSS: Final = ("cross-company", "true")
"""Without it F+O shows the service user's own company alone."""
_JSON: Final = ("content-type", "application/json")
_REFUSED: Final = "Write failed for table row"
"""How F+O's infolog begins when its rules refuse a write and roll it back."""

Entity = Mapping[str, Any]
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class EntityState(NamedTuple):
    """An entity of F+O as it was last read, and its path."""

    path: str
    entity: Entity

    @property
    def etag(self) -> str:
        return str(self.entity.get(ETAG) or "")


class EntityPage(NamedTuple):
    """`following` is the path of the next page, "" after the last one."""

    entities: list[Entity]
    following: str


def literal(text: str) -> str:
    """Quote a text for a filter or a key, its own quotes doubled."""
    return "'" + text.replace("'", "''") + "'"


def equal(**fields: str) -> str:
    """Return a filter: all of these fields are equal, as F+O compares texts."""
    return " and ".join(_equal(name, literal(value)) for name, value in fields.items())


def _equal(name: str, text: str) -> str:
    """Compare without `eq` where it would read `*` as any text; the other operators do not."""
    return f"{name} ge {text} and {name} le {text}" if "*" in text else f"{name} eq {text}"


def key_path(collection: str, **key: str) -> str:
    """Return the path of one entity. F+O requires every field of the key."""
    fields = ",".join(f"{name}={quote(literal(value), safe='')}" for name, value in key.items())
    return f"/data/{collection}({fields})"


def search(collection: str, **fields: str) -> Call:
    return Call(Intent.READ, "GET", f"/data/{collection}", (ACROSS, ("$filter", equal(**fields))))


def read(path: str) -> Call:
    return Call(Intent.READ, "GET", path, (ACROSS,))


def create(collection: str, values: Mapping[str, Any]) -> Call:
    return Call(
        intent=Intent.CREATE,
        method="POST",
        path=f"/data/{collection}",
        query=(ACROSS,),
        body=_ENCODER.encode(values),
        headers=(_JSON,),
    )


def patch(target: EntityState, values: Mapping[str, Any]) -> Call:
    headers = (_JSON, ("if-match", target.etag))
    return Call(
        intent=Intent.SET,
        method="PATCH",
        path=target.path,
        query=(ACROSS,),
        body=_ENCODER.encode(values),
        headers=headers,
    )


def delete(target: EntityState) -> Call:
    return Call(Intent.SET, "DELETE", target.path, (ACROSS,), headers=(("if-match", target.etag or "*"),))


def number(amount: int) -> Decimal:
    """Return ten-thousandths as a decimal, which is written as a JSON number without loss."""
    return Decimal(amount).scaleb(-4)


def date(ms: int | None) -> str:
    """Write a date without a time: to F+O that is noon UTC. None is F+O's empty date."""
    return EMPTY_DATE if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}T12:00:00Z"


def is_same(current: object, value: object) -> bool:
    """Return whether F+O's value means the same: dates by day, numbers by value, a missing text is an empty one."""
    if isinstance(value, Decimal | int):
        return isinstance(current, Decimal | int) and current == value
    current_text = str(current or "")
    text = str(value)
    if text.endswith("T12:00:00Z"):
        return (current_text or EMPTY_DATE)[:10] == text[:10]
    return current_text == text


def differing(entity: Entity, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `values` that F+O does not have yet."""
    return {name: value for name, value in values.items() if not is_same(entity.get(name), value)}


def entity_of(reply: Reply) -> dict[str, Any]:
    """Read one entity, with its ETag from the body or the header. Raises MalformedReplyError."""
    entity = decode_object(reply)
    entity.setdefault(ETAG, reply.headers.get("etag", ""))
    return entity


def page_of(reply: Reply, base_url: str, check: Callable[[dict[str, Any]], Entity]) -> EntityPage:
    """Read one page, and check each of its entities. Raises MalformedReplyError.

    A next page elsewhere than below `base_url` is refused: the token would go there.
    """
    page = decode_object(reply)
    rows, following = page.get("value"), str(page.get("@odata.nextLink") or "")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MalformedReplyError("expected an array of entities as `value`")
    if following and not following.startswith(f"{base_url}/data/"):
        raise MalformedReplyError(f"expected a next page below {base_url}/data/, got {following[:200]!r}")
    return EntityPage([check(row) for row in rows], following.removeprefix(base_url))


def text_of(entity: Entity, name: str) -> str:
    """Return a text that an entity must have. Raises MalformedReplyError."""
    value = entity.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedReplyError(f"expected a text as {name}, got {value!r}")
    return value


def message_of(reply: Reply) -> str:
    """Return F+O's own message: the infolog within `innererror`, which says more, or the message. Any body will do."""
    try:
        answer = decode(reply)
    except MalformedReplyError:
        return reply.body[:1000].decode("utf-8", "replace")
    if not isinstance(answer, dict):
        return str(answer)
    error = answer.get("error")
    if isinstance(error, dict):
        inner = error.get("innererror")
        return str((inner.get("message") if isinstance(inner, dict) else "") or error.get("message") or error)
    return str(answer.get("error_description") or error or answer)


def is_refused_by_rules(reply: Reply) -> bool:
    """Return whether F+O's rules refused a write and rolled it back."""
    return message_of(reply).startswith(_REFUSED)
