"""Releases of SAP that lack a field that we would like to have: what the setting for it changes, and who says so."""

from typing import Any

import pytest

from app.errors import SettingError
from app.providers import registry
from app.providers.port import CallFailedError, Code, Outcome, UnsharedLease
from app.providers.sap import actions
from app.providers.sap.client import Sap, open_provider
from tests.providers.sap.invoice_stage import open_invoice_stage
from tests.providers.sap.orders import AREA, a_line, an_order, billing

OLDER = AREA._replace(item_reference=actions.SHIP_TO_REFERENCE)
LINES = (a_line(1), a_line(2, line_id="a long line id of the shop"))
FIX = "set WAYBILL_SAP_ITEM_REFERENCE=PurchaseOrderByShipToParty"


async def test_an_older_release_refuses_orders_and_the_refusal_names_the_setting() -> None:
    async with open_invoice_stage(older=True) as stage:
        result = await stage.provider.perform(billing(an_order("o-1")), UnsharedLease())
        assert (result.outcome, result.code) == (Outcome.DECLINED, Code.INVALID)
        assert "'UnderlyingPurchaseOrderItem' is invalid" in result.detail
        assert FIX in result.detail
        assert not stage.orders.by_number


async def test_with_the_setting_an_older_release_takes_orders_and_tells_which_lines_it_invoices() -> None:
    async with open_invoice_stage(OLDER, older=True) as stage:
        await stage.order(lines=LINES)
        stage.invoice(item20=1)
        stage.invoice()
        assert await stage.lines() == [
            ("o-1", [("a long line id of the shop", 1)]),
            ("o-1", [("1", 2), ("a long line id of the shop", 1)]),
        ]


async def test_an_older_release_without_the_setting_stops_the_pull_and_says_why() -> None:
    async with open_invoice_stage(OLDER, older=True) as stage:
        await stage.order()
        stage.invoice()
        provider = Sap(f"{stage.proxy.url}/sap", "SIMULATED_USER", lambda: "simulated-sap-password", AREA)
        with pytest.raises(CallFailedError) as failure:
            await provider.pull(None)
        await provider.close()
        assert FIX in failure.value.result.detail


async def test_orders_from_before_an_upgrade_are_still_read_after_it() -> None:
    """The setting is taken away once the release has the field: what was ordered with it keeps its line ids."""
    async with open_invoice_stage(OLDER) as stage:
        await stage.order(lines=LINES)
        stage.invoice()
        provider = Sap(f"{stage.proxy.url}/sap", "SIMULATED_USER", lambda: "simulated-sap-password", AREA)
        page = await provider.pull(None)
        await provider.close()
        assert [line.line_id for line in page.events[0].lines] == ["1", "a long line id of the shop"]


async def test_items_that_are_added_at_an_older_release_are_left_alone() -> None:
    async with open_invoice_stage(OLDER, older=True) as stage:
        await stage.order(lines=LINES)
        order = next(iter(stage.orders.by_number.values()))
        inherited = {"PurchaseOrderByShipToParty": order.values["PurchaseOrderByShipToParty"]}
        order.add("to_Item", dict(order.lists["to_Item"][0].values) | {"SalesOrderItem": "90", **inherited})
        stage.invoice()
        assert await stage.lines() == [("o-1", [("1", 2), ("a long line id of the shop", 2)])]


async def settings(**changes: str) -> dict[str, str]:
    manifest = registry.load_manifests()["sap"]
    given: dict[str, Any] = {setting.name: "x" for setting in manifest.settings}
    return {**given, "BASE_URL": "https://sap.example", "ITEM_REFERENCE": "", **changes}


@pytest.mark.parametrize("field", ["", "UnderlyingPurchaseOrderItem", "PurchaseOrderByShipToParty"])
async def test_the_setting_names_one_of_two_fields_or_nothing(field: str) -> None:
    await open_provider(await settings(ITEM_REFERENCE=field)).close()


async def test_any_other_field_is_refused() -> None:
    with pytest.raises(SettingError, match=r"WAYBILL_SAP_ITEM_REFERENCE='Batch': write UnderlyingPurchaseOrderItem or"):
        open_provider(await settings(ITEM_REFERENCE="Batch"))
