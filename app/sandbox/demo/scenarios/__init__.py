"""The scenarios of the specification that the demo runs, one module each, named after its flow."""

from collections.abc import Mapping
from typing import Final

from app.sandbox.demo.scenario import Scenario
from app.sandbox.demo.scenarios import (
    bigcommerce_dom_fno_fno,
    bigcommerce_flexe_fno,
    bigcommerce_fno_fno,
    fno_flexe_fno,
    fno_flexe_sap,
    fno_fno_fno,
)

SCENARIOS: Final[Mapping[int, Scenario]] = {
    module.SCENARIO.number: module.SCENARIO
    for module in (
        bigcommerce_fno_fno,
        bigcommerce_flexe_fno,
        fno_flexe_fno,
        fno_fno_fno,
        fno_flexe_sap,
        bigcommerce_dom_fno_fno,
    )
}
