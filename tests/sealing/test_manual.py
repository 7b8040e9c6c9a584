"""What docs/privacy.md tells subscribers outside opens what Waybill sealed."""

from typing import Any

from app.resources import ROOT
from app.sealing.master_keys import MasterKeys
from app.sealing.sealed_fields import seal
from tests.flows.journey import an_order

MASTER_KEY, ORDER_KEY = bytes(range(64)), bytes(range(100, 164))


def test_the_recipe_opens_an_address() -> None:
    recipe = (ROOT / "docs/privacy.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    told: dict[str, Any] = {}
    exec(recipe, told)
    master_keys, order = MasterKeys([MASTER_KEY]), an_order(1)
    wrapped = master_keys.wrap(order.order_id, ORDER_KEY)
    sealed = seal(order, master_keys.cipher(order.order_id, wrapped))
    key = told["order_key"](MASTER_KEY, order.order_id, wrapped)
    assert key == ORDER_KEY
    assert told["text"](key, order.order_id, "ship_to.street", sealed.ship_to.street) == order.ship_to.street
