"""Errors as SAP Gateway writes them: an envelope with message number and text, and plain text for a few."""

from collections.abc import Mapping
from typing import Any, Final

from app.sandbox.vendors.simulation import RefusalError

_TRANSACTION: Final = "simulated"


class SapError(RefusalError):
    """A refusal with SAP's message number, e.g. `V1/302`."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.code = code
        super().__init__(status, message, headers=headers)


class PlainError(RefusalError):
    """A refusal that SAP answers before its Gateway is asked, in text."""


def envelope(refusal: RefusalError) -> dict[str, Any]:
    code = refusal.code if isinstance(refusal, SapError) else f"HTTP/{refusal.status}"
    detail = {"code": code, "message": refusal.message, "severity": "error", "target": ""}
    inner = {"transactionid": _TRANSACTION, "errordetails": [detail]}
    return {"error": {"code": code, "message": {"lang": "en", "value": refusal.message}, "innererror": inner}}
