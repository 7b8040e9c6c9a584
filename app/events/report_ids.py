"""What makes two reports of a provider the same one: what they say, by whatever way and however often they come."""

import msgspec

from app.events.ids import derive
from app.events.model import ProviderEvent


def report_id(body: ProviderEvent) -> str:
    """Return the id of a report, from what it says: told again, by the same way or another, it is the same event.

    The time tells two reports apart only where no reference does: a document that is read again may have a newer one.
    """
    lines = sorted((line.line_id, line.quantity, line.reference) for line in body.lines)
    when = 0 if body.reference else body.occurred_at
    content = (body.provider, body.event, body.reference, when, lines, sorted(body.values.items()))
    return derive(body.order_id, msgspec.json.encode(content).decode())
