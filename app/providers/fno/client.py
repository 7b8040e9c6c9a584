"""Client of Finance + Operations: creates and changes sales orders by the rows of dual-write."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from app.dualwrite.write_plan import WritePlan
from app.events.sales_order_change import SalesOrderRow
from app.events.sales_order_reference import reference_of
from app.lanes.lease import Lease
from app.providers.fno import actions, field_lengths, odata, row_size
from app.providers.fno.access_token import AccessToken
from app.providers.fno.actions import StatusField
from app.providers.fno.session import Session
from app.providers.fno.upsert import Upsert
from app.providers.http import Link, OpenHttp, Timeouts, checked_base, open_client
from app.providers.port import Action, CallFailedError, Result, UnsharedLease
from app.redaction import Redaction
from app.secrets import ReadSecret

THROTTLE_MS: Final = 30_000
"""F+O's pause after a 429 that names none."""


class Fno:
    """One environment. `clock` gives monotonic seconds."""

    name: Final = "fno"
    title: Final = "F+O"

    def __init__(
        self,
        base_url: str,
        token_url: str,
        client_id: str,
        client_secret: ReadSecret,
        *,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
        status_field: StatusField = actions.SHOWN_STATUS,
        open_http: OpenHttp = open_client,
    ) -> None:
        limits = timeouts or Timeouts()
        self._status_field = status_field
        self._http = open_http(limits)
        redaction = Redaction()
        open_link = partial(
            Link,
            client=self._http,
            redaction=redaction,
            timeouts=limits,
            message_of=odata.message_of,
            throttle_ms=THROTTLE_MS,
            clock=clock,
        )

        def form() -> Mapping[str, str]:
            secret = client_secret()
            redaction.learn("client secret", secret)
            return {"client_id": client_id, "client_secret": secret, "scope": f"{base_url}/.default"}

        token = AccessToken(open_link(f"{self.name} tokens", token_url), form, redaction, clock)
        self.link = open_link(self.name, base_url)
        self._session = Session(self.link, token)

    async def close(self) -> None:
        await self._http.aclose()

    async def perform(self, action: Action, lease: Lease) -> Result:
        """Write the row that the action carries. See Provider.perform."""
        row = actions.row_of(action)
        if isinstance(row, Result):
            return row
        return await self.upsert(row, actions.first_plan(row, action.effect_id), lease)

    async def upsert(self, row: SalesOrderRow, plan: WritePlan, lease: Lease) -> Result:
        """Write as planned. What F+O has is looked up first, and the order stays stopped until it is complete.

        See SalesOrderWriter.upsert.
        """
        result = actions.without_writing(plan) or field_lengths.refusal(row, plan) or row_size.refusal(row)
        if result is not None:
            return result
        try:
            return await Upsert(self._session, row, plan, lease, status_field=self._status_field).run()
        except CallFailedError as failure:
            return failure.result

    async def find_references(self, order_id: str) -> Sequence[str]:
        """Return the numbers of the sales orders with this order's reference, in all companies. See OrderFinder."""
        texts = tuple(dict.fromkeys((reference_of(order_id), order_id)))  # the id is what older versions wrote
        headers = [
            header
            for text in texts
            for header in await self._session.all(actions.find_orders(text), UnsharedLease(), actions.header)
        ]
        return actions.numbers_of(headers, texts)


def open_provider(values: Mapping[str, str]) -> Fno:
    """Open the client from the settings of the manifest. Raises SettingError."""
    base_url = checked_base("WAYBILL_FNO_BASE_URL", values["BASE_URL"])
    token_url = checked_base("WAYBILL_FNO_TOKEN_URL", values["TOKEN_URL"])
    status_field = actions.status_field(values["STATUS_FIELD"])
    client_secret = partial(values.__getitem__, "CLIENT_SECRET")
    return Fno(base_url, token_url, values["CLIENT_ID"], client_secret, status_field=status_field)
