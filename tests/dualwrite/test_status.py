"""What each status says, on its own."""

import pytest

from app.dualwrite.processing_status import PROCESSING, Milestone, line_status, processing_status, progress_of
from app.errors import RecordError
from tests.dualwrite.rows import a_row, with_lines

WHOLE = {
    "Active": Milestone.NONE,
    "Confirmed": Milestone.CONFIRMED,
    "Picked": Milestone.PICKED,
    "PartiallyDelivered": Milestone.PICKED,
    "Delivered": Milestone.SHIPPED,
    "PartiallyInvoiced": Milestone.CONFIRMED,
    "DeliveredAndPartiallyInvoiced": Milestone.SHIPPED,
    "Invoiced": Milestone.INVOICED,
    "Canceled": Milestone.NONE,
}


@pytest.mark.parametrize("status", WHOLE)
def test_a_status_implies_its_milestone(status: str) -> None:
    assert progress_of(a_row(status)).whole == WHOLE[status]
    assert progress_of(a_row(status)).canceled == (status == "Canceled")


def test_every_status_is_covered() -> None:
    assert PROCESSING.keys() == WHOLE.keys()


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (("Backorder", "Backorder"), Milestone.CONFIRMED),
        (("Delivered", "Backorder"), Milestone.PICKED),
        (("Invoiced", "Delivered"), Milestone.SHIPPED),
        (("Invoiced", "Canceled"), Milestone.SHIPPED),
        (("Invoiced", "Invoiced"), Milestone.SHIPPED),
        (("Canceled", "Canceled"), Milestone.CONFIRMED),
    ],
)
def test_a_partial_invoice_says_of_the_order_what_its_lines_do_and_never_invoiced(
    lines: tuple[str, str], whole: Milestone
) -> None:
    assert progress_of(with_lines(a_row("PartiallyInvoiced"), *lines)).whole == whole


def test_only_lines_beyond_the_whole_are_told() -> None:
    said = progress_of(with_lines(a_row("PartiallyInvoiced"), "Invoiced", "Delivered"))
    assert said.lines == {"1": Milestone.INVOICED}
    assert progress_of(with_lines(a_row("Delivered"), "Delivered", "Delivered")).lines == {}
    said = progress_of(with_lines(a_row("DeliveredAndPartiallyInvoiced"), "Invoiced", "Delivered"))
    assert said.lines == {"1": Milestone.INVOICED}


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("delivered", "Delivered"),
        ("PARTIALLYINVOICED", "PartiallyInvoiced"),
        ("Partially Delivered", "PartiallyDelivered"),
        ("Delivered And Partially Invoiced", "DeliveredAndPartiallyInvoiced"),
        ("Cancelled", "Canceled"),
    ],
)
def test_any_case_and_the_spellings_of_the_screens_are_understood(given: str, canonical: str) -> None:
    assert processing_status(given) == canonical


@pytest.mark.parametrize(("given", "canonical"), [("", "None"), ("open order", "Backorder"), ("INVOICED", "Invoiced")])
def test_line_statuses_too(given: str, canonical: str) -> None:
    assert line_status(given) == canonical


@pytest.mark.parametrize("status", ["", "Shipped", "192350005"])
def test_an_unknown_status_is_refused_and_the_allowed_ones_are_named(status: str) -> None:
    with pytest.raises(RecordError) as refused:
        progress_of(a_row(status))
    assert refused.value.code == "unknown-status"
    assert ", ".join(WHOLE) in str(refused.value)


def test_an_unknown_line_status_is_refused() -> None:
    with pytest.raises(RecordError, match="SalesOrderLineStatus 'Lost' is not one of None, Backorder"):
        progress_of(with_lines(a_row(), "Lost", "None"))
