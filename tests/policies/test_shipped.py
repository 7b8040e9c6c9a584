"""Each policy that ships: what it accepts, and what it is there to refuse, with the sentence that a person reads."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from app import policies, resources
from app.domain.order import Order
from app.events.model import PolicyResult
from app.policies import Criticality, PolicyType, PolicyVerdict
from app.policies.codes import COUNTRIES, CURRENCIES, POSTAL_CODE_OPTIONAL
from tests.policies.orders import a_line, amount, an_address, an_order

SHIPPED = policies.all_rules(resources.policy_files())
VALIDATION = (
    "order-lines-present",
    "line-ids-unique",
    "quantities-positive",
    "totals-add-up",
    "currency-known",
    "ship-to-complete",
)
INFORMING = ("ship-to-country",)
ASSIGNMENT = ("assign-company", "assign-site", "assign-site-warehouse")
FILTERS = ("from-bigcommerce", "from-fno")


def evaluate(name: str, order: Order) -> PolicyVerdict:
    return SHIPPED[name].evaluate(order)


def refused(name: str, order: Order) -> str:
    verdict = evaluate(name, order)
    assert not verdict.passed
    assert verdict.result.outcome == "failed"
    assert verdict.order is order
    assert verdict.changes == ()
    return verdict.detail


def accepted(name: str, order: Order) -> None:
    verdict = evaluate(name, order)
    assert verdict.passed, verdict.detail
    assert verdict.result == PolicyResult(name, 1, "passed")
    assert verdict.order is order


@pytest.mark.parametrize(("file", "text"), list(resources.policy_files().items()))
def test_shipped_files_are_right_and_named_after_their_policy(file: str, text: str) -> None:
    assert policies.check(text, file) == []
    assert policies.load(text, file).name == Path(file).stem


def test_what_ships() -> None:
    assert set(SHIPPED) == {*VALIDATION, *INFORMING, *ASSIGNMENT, *FILTERS}
    assert all(SHIPPED[name].policy.criticality is Criticality.CRITICAL for name in VALIDATION + ASSIGNMENT)
    assert {name for name, one in SHIPPED.items() if one.policy.type is PolicyType.FILTER} == set(FILTERS)


@pytest.mark.parametrize(("country", "site"), [("BR", "SA"), ("US", "US"), ("JP", "US"), ("DE", "EU"), ("", "EU")])
def test_a_site_alone_leaves_the_warehouse_to_sourcing(country: str, site: str) -> None:
    order = an_order(ship_to=an_address(country=country))
    after = evaluate("assign-site", order).order
    assert (after.site, after.warehouse, {line.warehouse for line in after.lines}) == (site, None, {None})


@pytest.mark.parametrize("name", VALIDATION)
def test_a_good_order_passes_and_stays_itself(name: str) -> None:
    accepted(name, an_order())


@pytest.mark.parametrize("name", VALIDATION)
def test_a_good_order_of_fno_passes_too(name: str) -> None:
    accepted(name, an_order(origin="fno", company="USMF", site="US", warehouse="US-SEA"))


def test_order_without_lines() -> None:
    assert refused("order-lines-present", an_order(lines=())) == "the order has no lines"


def test_line_ids() -> None:
    accepted("line-ids-unique", an_order(a_line("1", "TEA-001"), a_line("2", "TEA-001")))
    twice = refused("line-ids-unique", an_order(a_line("1", "TEA-001"), a_line("1", "MUG-001")))
    assert twice == "line 1 (SKU MUG-001) has an id that another line has too"
    assert refused("line-ids-unique", an_order(a_line(" "))) == "line number 1 (SKU TEA-001) has no id"


@pytest.mark.parametrize("quantity", ["0.0001", "1", "10000"])
def test_quantities_that_are_fine(quantity: str) -> None:
    accepted("quantities-positive", an_order(a_line(quantity=quantity)))


@pytest.mark.parametrize(
    ("quantity", "rule", "sentence"),
    [
        ("-1", "positive", "quantity -1 is not positive"),
        ("0", "positive", "quantity 0 is not positive"),
        ("10000.0001", "at-most-10000", "quantity 10000.0001 is more than 10000, the most that is accepted"),
        ("50000000", "at-most-10000", "quantity 50000000 is more than 10000, the most that is accepted"),
    ],
)
def test_quantities_that_are_not(quantity: str, rule: str, sentence: str) -> None:
    order = an_order(a_line(), a_line("2", "A-1", quantity))
    assert refused("quantities-positive", order) == f"line 2 (SKU A-1): {sentence}"
    assert evaluate("quantities-positive", order).result == PolicyResult("quantities-positive", 1, "failed", (rule,))


def test_many_wrong_lines_are_counted() -> None:
    order = an_order(*(a_line(str(number), quantity="-1") for number in range(1000)))
    detail = refused("quantities-positive", order)
    assert detail.startswith("line 0 (SKU TEA-001): quantity -1 is not positive; line 1 ")
    assert detail.endswith("; and 995 more")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"total": amount("23.97")}, "a cent a line of rounding up"),
        ({"total": amount("23.93")}, "a cent a line of rounding down"),
        ({"tax": amount("2"), "total": amount("25.95")}, "tax on top"),
        ({"tax": amount("2")}, "tax in the prices"),
        ({"discount": amount("3.95"), "total": amount("20.00")}, "a discount"),
        ({"shipping": amount("-0.01"), "total": amount("18.99")}, "a charge paid back"),
    ],
)
def test_totals_that_add_up(changes: dict[str, int], why: str) -> None:
    order = an_order(**changes)
    assert order.subtotal == amount("19"), why
    accepted("totals-add-up", order)


@pytest.mark.parametrize("subtotal", ["18.98", "19.02"])
def test_the_subtotal_may_round_by_a_cent_a_line(subtotal: str) -> None:
    accepted("totals-add-up", an_order(subtotal=amount(subtotal), total=amount(subtotal) + amount("4.95")))


def test_a_line_may_have_a_discount_or_round_by_a_cent() -> None:
    accepted("totals-add-up", an_order(a_line(total=amount("9.00"))))
    accepted("totals-add-up", an_order(a_line(total=amount("10.51"))))
    accepted("totals-add-up", an_order(a_line(total=0)))
    accepted("totals-add-up", an_order(a_line(quantity="0.3333", price="0.0101", total=amount("0.0133"))))


def test_totals_with_tax_need_the_tax_once() -> None:
    order = an_order(tax=amount("2"), total=amount("27.95"))
    assert refused("totals-add-up", order) == "total 27.95 is not subtotal + shipping + tax - discount, 25.95"


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (an_order(subtotal=amount("19.0201"), total=amount("23.9701")), "subtotal 19.0201 is not the sum of the lines"),
        (an_order(subtotal=amount("18.9799"), total=amount("23.9299")), "subtotal 18.9799 is not the sum of the lines"),
        (an_order(a_line(total=-1)), "line 1 (SKU TEA-001): total -0.0001 is negative"),
        (an_order(total=amount("30.95")), "total 30.95 is not subtotal + shipping + tax - discount, 23.95"),
        (an_order(total=amount("23.9701")), "total 23.9701 is not subtotal + shipping + tax - discount, 23.95"),
        (an_order(total=amount("23.9299")), "total 23.9299 is not subtotal + shipping + tax - discount, 23.95"),
        (an_order(subtotal=amount("20"), total=amount("24.95")), "subtotal 20.00 is not the sum of the lines, 19.00"),
        (an_order(a_line(total=amount("10.5101"))), "line 1 (SKU TEA-001): total 10.5101 is more than 2 x 5.25"),
        (an_order(a_line(total=amount("-0.5"))), "line 1 (SKU TEA-001): total -0.50 is negative; subtotal -0.50 or "),
        (an_order(discount=amount("30"), total=amount("-6.05")), "subtotal 19.00 or total -6.05 is negative"),
        (an_order(a_line(quantity="-1", total=amount("5.25"))), "line 1 (SKU TEA-001): total 5.25 is more than -1 x"),
    ],
)
def test_totals_that_do_not_add_up(order: Order, sentence: str) -> None:
    assert refused("totals-add-up", order).startswith(sentence)


@pytest.mark.parametrize("currency", ["EUR", "USD", "JPY", "XOF", "XCG"])
def test_known_currencies(currency: str) -> None:
    accepted("currency-known", an_order(currency=currency))


@pytest.mark.parametrize("currency", ["QQQ", "eur", "XXX", "XAU", "€", "EUR "])
def test_unknown_currencies(currency: str) -> None:
    assert refused("currency-known", an_order(currency=currency)).startswith(f"currency {currency} is not a currency")


def test_no_currency() -> None:
    assert refused("currency-known", an_order(currency="")) == "currency none is not a currency of ISO 4217"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "", "company": "Vins et alcools Chevalier"},
        {"country": "IE", "postal_code": ""},
        {"country": "HK", "postal_code": ""},
        {"country": "XK", "postal_code": "10000"},
        {"region": "", "email": ""},
    ],
)
def test_addresses_that_a_carrier_can_use(changes: dict[str, str]) -> None:
    accepted("ship-to-complete", an_order(ship_to=an_address(**changes)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"street": ""}, "ship-to address has no street"),
        ({"name": " ", "city": "\t"}, "ship-to address has no name, no city"),
        ({"postal_code": ""}, "ship-to address has no postal code (needed in FR)"),
        ({"country": "fr"}, "ship-to country fr is not a country code of ISO 3166-1 (two capital letters)"),
        ({"country": "13008"}, "ship-to country 13008 is not a country code of ISO 3166-1 (two capital letters)"),
        ({"country": "\x1b[31m"}, "ship-to country ?[31m is not a country code of ISO 3166-1 (two capital letters)"),
    ],
)
def test_addresses_that_no_carrier_can_use(changes: dict[str, str], sentence: str) -> None:
    assert refused("ship-to-complete", an_order(ship_to=an_address(**changes))) == sentence


def test_an_order_without_a_country_goes_on_and_says_so() -> None:
    """Columns that slipped in an import: house number as city, postal code as country name, and no country code."""
    slipped = an_address(street="12", city=" rue des Bouchers", region="Marseille", postal_code="", country="")
    accepted("ship-to-complete", an_order(ship_to=slipped))
    verdict = evaluate("ship-to-country", an_order(ship_to=slipped))
    assert verdict.passed
    assert verdict.result.outcome == "informed"
    assert verdict.detail == "ship-to address has no country; what depends on it takes its default"
    accepted("ship-to-country", an_order())


def test_only_the_ship_to_address_has_to_be_complete() -> None:
    accepted("ship-to-complete", an_order(bill_to=an_address(street="", country="")))


@pytest.mark.parametrize(
    ("country", "channel", "company", "customer", "rule"),
    [
        ("US", "bigcommerce-1", "USMF", "US-WEB", "americas-and-pacific"),
        ("JP", "bigcommerce-1", "USMF", "US-WEB", "americas-and-pacific"),
        ("BR", "bigcommerce-1", "BRMF", "BR-WEB", "south-america"),
        ("NO", "bigcommerce-1", "DEMF", "DE-WEB", "everywhere-else"),
        ("", "", "DEMF", "DE-WEB", "everywhere-else"),
        ("BR", "bigcommerce-2", "BRMF", "BR-DEALERS", "dealers-south-america"),
        ("DE", "bigcommerce-2", "USMF", "US-DEALERS", "dealers-elsewhere"),
    ],
)
def test_company_by_country_and_channel(country: str, channel: str, company: str, customer: str, rule: str) -> None:
    verdict = evaluate("assign-company", an_order(ship_to=an_address(country=country), channel=channel))
    assert (verdict.order.company, verdict.order.invoice_customer) == (company, customer)
    assert verdict.result == PolicyResult("assign-company", 1, "passed", (rule,))
    assert [(change.field, change.rule) for change in verdict.changes] == [
        ("company", f"assign-company/{rule}@1"),
        ("invoice_customer", f"assign-company/{rule}@1"),
    ]


def test_an_order_keeps_its_company_and_its_invoice_customer() -> None:
    order = an_order(origin="fno", company="GBSI", invoice_customer="US-001", ship_to=an_address(country="US"))
    accepted("assign-company", order)


@pytest.mark.parametrize("country", sorted(COUNTRIES | {"", "??"}))
def test_every_country_gets_company_site_and_warehouse(country: str) -> None:
    order = an_order(ship_to=an_address(country=country))
    for name in ASSIGNMENT:
        order = evaluate(name, order).order
    assert all((order.company, order.invoice_customer, order.site, order.warehouse))
    assert all((line.site, line.warehouse) == (order.site, order.warehouse) for line in order.lines)


def test_site_and_warehouse_by_country_and_sku() -> None:
    order = an_order(a_line("1", "TEA-001"), a_line("2", "BIKE-003"), ship_to=an_address(country="BR"))
    verdict = evaluate("assign-site-warehouse", order)
    assert (verdict.order.site, verdict.order.warehouse) == ("SA", "SA-GRU")
    assert [(line.site, line.warehouse) for line in verdict.order.lines] == [("SA", "SA-GRU"), ("US", "US-SEA")]
    assert {change.field: change.rule for change in verdict.changes} == {
        "site": "assign-site-warehouse/south-america@1",
        "warehouse": "assign-site-warehouse/south-america@1",
        "lines.1.site": "assign-site-warehouse/as-the-header@1",
        "lines.1.warehouse": "assign-site-warehouse/as-the-header@1",
        "lines.2.site": "assign-site-warehouse/bulky-to-south-america@1",
        "lines.2.warehouse": "assign-site-warehouse/bulky-to-south-america@1",
    }


def test_warehouses_that_are_set_stay_and_the_second_time_changes_nothing() -> None:
    order = an_order(a_line(), a_line("2", site="US", warehouse="US-SEA"))
    verdict = evaluate("assign-site-warehouse", order)
    assert [line.warehouse for line in verdict.order.lines] == ["EU-HAM", "US-SEA"]
    accepted("assign-site-warehouse", verdict.order)


def test_orders_born_in_fno_are_not_assigned() -> None:
    order = an_order(origin="fno", company="USMF", site="US")
    for name in ASSIGNMENT:
        accepted(name, order)


@pytest.mark.parametrize(("name", "origin"), [("from-bigcommerce", "bigcommerce"), ("from-fno", "fno")])
def test_filters_by_origin(name: str, origin: str) -> None:
    accepted(name, an_order(origin=origin))
    assert refused(name, an_order(origin="shopify")) == f"rule born-in-{origin} does not hold"


def test_codes_are_codes() -> None:
    assert len(COUNTRIES) == 250
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)
    assert POSTAL_CODE_OPTIONAL < COUNTRIES
    assert not {"US", "DE", "FR", "GB", "BR"} & POSTAL_CODE_OPTIONAL


def test_the_verdict_never_changes_what_it_was_given() -> None:
    order = an_order()
    before = replace(order)
    evaluate("assign-site-warehouse", order)
    assert order == before
