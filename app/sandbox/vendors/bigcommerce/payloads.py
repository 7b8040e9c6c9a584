"""Formats of BigCommerce: dates, JSON bodies, and the checks of a seeded order."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

import msgspec
from aiohttp import web

from app.sandbox.vendors.bigcommerce import fields as defaults
from app.sandbox.vendors.bigcommerce.fields import Wire
from app.sandbox.vendors.bigcommerce.statuses import NAMES
from app.sandbox.vendors.simulation import RefusalError
from app.sandbox.vendors.simulation_http import body_of

LINES_MAX: Final = 1000
ID_MAX: Final = 2**53 - 1

SUB_RESOURCES: Final = ("products", "shipping_addresses", "coupons", "taxes", "fees")
"""Lists with a path of their own. V2 shows them as links within the order, taxes not at all."""
_MONEY: Final = ("subtotal_ex_tax", "subtotal_inc_tax", "total_ex_tax", "total_inc_tax", "total_tax")


def rfc2822(ms: int) -> str:
    """Format a time as `Tue, 05 Mar 2019 21:40:11 +0000`, in whole seconds."""
    return format_datetime(datetime.fromtimestamp(ms // 1000, UTC))


def date_ms(text: str) -> int:
    """Parse RFC 2822 or ISO 8601, UTC where no zone is given, to whole seconds. Raises ValueError."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000


def parse_seed(order: Wire, at: str, now_ms: int) -> tuple[Wire, dict[str, list[Wire]]]:
    """Return a seeded order's own fields, and its lists by name. Raises RefusalError that names the place and the fix.

    What a shop may hold and a retailer's policy refuses (no lines, negative quantities, wrong totals) is taken as is.
    """
    _check_id(order.get("id"), f"{at}.id")
    status_id = order.get("status_id", 11)
    if status_id not in NAMES or isinstance(status_id, bool):
        raise _unusable(f"{at}.status_id", status_id, "send one of GET /order_statuses, such as 11")
    fields = {name: value for name, value in order.items() if name not in SUB_RESOURCES}
    created_at = str(order.get("date_created") or rfc2822(now_ms))
    fields |= {"status_id": status_id, "status": NAMES[status_id], "custom_status": NAMES[status_id]}
    fields |= {"date_created": created_at, "date_modified": str(order.get("date_modified") or created_at)}
    _check_fields(fields, at)
    return defaults.order(fields), {
        name: _sub_resource(order.get(name) or [], f"{at}.{name}") for name in SUB_RESOURCES
    }


async def json_object(request: web.Request) -> Wire:
    """Return the body. Raises RefusalError: 415 for another content type, 400 for anything but a JSON object."""
    if request.content_type != "application/json":
        raise RefusalError(415, "The content type must be application/json.")
    try:
        return msgspec.json.decode(await body_of(request), type=Wire)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise RefusalError(400, "The request body is not a JSON object.") from exc


def _check_id(value: object, at: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= ID_MAX:
        raise _unusable(at, value, f"send a whole number from 1 to {ID_MAX}")


def _check_fields(fields: Wire, at: str) -> None:
    for name in ("date_created", "date_modified"):
        try:
            date_ms(fields[name])
        except (ValueError, OverflowError) as exc:
            raise _unusable(f"{at}.{name}", fields[name], "send an RFC 2822 date") from exc
    for name in _MONEY:
        if not _is_money(fields.get(name, defaults.ZERO)):
            raise _unusable(f"{at}.{name}", fields[name], 'send text such as "12.5000"')
    if not isinstance(fields.get("billing_address", {}), dict):
        raise _unusable(f"{at}.billing_address", fields["billing_address"], "send an object")


def _is_money(value: object) -> bool:
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _sub_resource(value: object, at: str) -> list[Wire]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > LINES_MAX:
        raise _unusable(at, type(value).__name__, f"send it expanded: an array of at most {LINES_MAX} objects")
    for position, item in enumerate(value):
        if not isinstance(item, dict):
            raise _unusable(f"{at}[{position}]", item, "send an object")
        _check_id(item.get("id"), f"{at}[{position}].id")
    return list(value)


def _unusable(at: str, value: object, fix: str) -> RefusalError:
    return RefusalError(400, f"{at}: {str(value)[:100]!r} cannot be used", fix)
