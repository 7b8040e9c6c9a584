"""The query string of GET /orders, as documented. Unknown parameters are ignored, as V2 does."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, Final

from app.sandbox.vendors.bigcommerce.order_store import OrderStore, StoredOrder
from app.sandbox.vendors.bigcommerce.payloads import date_ms
from app.sandbox.vendors.simulation import RefusalError

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 250
PAGE_MAX: Final = 1_000_000_000
_NUMBER_CHARACTERS_MAX: Final = 18

Test = Callable[[StoredOrder], bool]


@dataclass(frozen=True, slots=True)
class Query:
    tests: tuple[Test, ...]
    page: int
    limit: int
    sort: str
    descending: bool
    modified_from: int

    def matches(self, order: StoredOrder) -> bool:
        return all(test(order) for test in self.tests)

    def run(self, orders: OrderStore) -> list[StoredOrder]:
        """Return one page of the orders that match, sorted, equal keys by id: pages neither overlap nor leave a gap."""
        start = (self.page - 1) * self.limit
        return list(islice(self._sorted(orders), start, start + self.limit))

    def _sorted(self, orders: OrderStore) -> Iterable[StoredOrder]:
        """Sort the orders that match. Those by change are stored in that order: only what the page needs is read."""
        if self.sort == "date_modified" and not self.descending:
            return filter(self.matches, orders.modified_from(self.modified_from))
        matching = sorted(filter(self.matches, orders.all()), key=_id_of)
        matching.sort(key=_SORT_KEYS[self.sort], reverse=self.descending)
        return matching


def parse(params: Mapping[str, str]) -> Query:
    """Raises RefusalError: 413 for too great a limit, 400 for anything else that cannot be read."""
    page, limit = paging(params)
    field, descending = _sort(params.get("sort", "id:asc"))
    tests = tuple(_FILTERS[name](name, text) for name, text in params.items() if name in _FILTERS)
    modified_from = _date("min_date_modified", params["min_date_modified"]) if "min_date_modified" in params else 0
    return Query(tests=tests, page=page, limit=limit, sort=field, descending=descending, modified_from=modified_from)


def paging(params: Mapping[str, str]) -> tuple[int, int]:
    """Return the page, from 1, and its size. Raises RefusalError: 413 for a size too large, 400 for no number."""
    limit = _whole("limit", params.get("limit", str(LIMIT_DEFAULT)))
    if limit > LIMIT_MAX:
        raise RefusalError(413, f"The limit of {limit} is too large, the maximum is {LIMIT_MAX}.")
    page = _whole("page", params.get("page", "1"))
    if limit < 1 or not 1 <= page <= PAGE_MAX:
        raise _invalid("limit" if limit < 1 else "page")
    return page, limit


def _sort(text: str) -> tuple[str, bool]:
    field, _, direction = text.partition(":")
    if field not in _SORT_KEYS or direction not in ("", "asc", "desc"):
        raise _invalid("sort")
    return field, direction == "desc"


def _invalid(name: str) -> RefusalError:
    return RefusalError(400, f"The field '{name}' is invalid.")


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _NUMBER_CHARACTERS_MAX:
        raise _invalid(name)
    return int(text)


def _amount(name: str, text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as exc:
        raise _invalid(name) from exc
    if not amount.is_finite():
        raise _invalid(name)
    return amount


def _date(name: str, text: str) -> int:
    try:
        return date_ms(text)
    except (ValueError, OverflowError) as exc:
        raise _invalid(name) from exc


def _same(convert: Callable[[str, str], Any], field: str) -> Callable[[str, str], Test]:
    def build(name: str, text: str) -> Test:
        value = convert(name, text)
        return lambda order: bool(order.fields.get(field) == value)

    return build


def _from(convert: Callable[[str, str], Any], key: Callable[[StoredOrder], Any]) -> Callable[[str, str], Test]:
    def build(name: str, text: str) -> Test:
        bound = convert(name, text)
        return lambda order: bool(key(order) >= bound)

    return build


def _to(convert: Callable[[str, str], Any], key: Callable[[StoredOrder], Any]) -> Callable[[str, str], Test]:
    def build(name: str, text: str) -> Test:
        bound = convert(name, text)
        return lambda order: bool(key(order) <= bound)

    return build


def _text(_name: str, text: str) -> str:
    return text


def _email(_name: str, text: str) -> Test:
    return lambda order: str(order.fields["billing_address"].get("email", "")).lower() == text.lower()


def _id_of(order: StoredOrder) -> int:
    return order.order_id


def _total_of(order: StoredOrder) -> Decimal:
    return Decimal(order.fields["total_inc_tax"])


def _created_of(order: StoredOrder) -> int:
    return order.created_ms


def _modified_of(order: StoredOrder) -> int:
    return order.modified_ms


def _field_of(name: str, default: int | str) -> Callable[[StoredOrder], Any]:
    return lambda order: order.fields.get(name) or default


_FILTERS: Final[Mapping[str, Callable[[str, str], Test]]] = {
    "min_id": _from(_whole, _id_of),
    "max_id": _to(_whole, _id_of),
    "min_total": _from(_amount, _total_of),
    "max_total": _to(_amount, _total_of),
    "min_date_created": _from(_date, _created_of),
    "max_date_created": _to(_date, _created_of),
    "min_date_modified": _from(_date, _modified_of),
    "max_date_modified": _to(_date, _modified_of),
    "customer_id": _same(_whole, "customer_id"),
    "status_id": _same(_whole, "status_id"),
    "channel_id": _same(_whole, "channel_id"),
    "external_order_id": _same(_text, "external_order_id"),
    "cart_id": _same(_text, "cart_id"),
    "payment_method": _same(_text, "payment_method"),
    "email": _email,
}
_SORT_KEYS: Final[Mapping[str, Callable[[StoredOrder], Any]]] = {
    "id": _id_of,
    "date_created": _created_of,
    "date_modified": _modified_of,
    "customer_id": _field_of("customer_id", 0),
    "status_id": _field_of("status_id", 0),
    "channel_id": _field_of("channel_id", 0),
    "external_id": _field_of("external_id", ""),
}
