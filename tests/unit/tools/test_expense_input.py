"""Amounts, currencies and categories: what is taken, and how it is stored."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.digest import Json, args_digest
from core.errors import InvalidInput
from core.parsing.money import CURRENCIES
from core.registry import validate
from tools.create_expense import CreateExpenseInput, ExpenseLimits, create_expense
from tools.money import minor_units

TOOL = create_expense(ExpenseLimits())


def expense(amount: Json, currency: str = "EUR", **more: Json) -> CreateExpenseInput:
    given_ = {"amount": amount, "currency": currency, "description": "lunch", **more}
    taken = validate(TOOL, given_)
    assert isinstance(taken, CreateExpenseInput)
    return taken


def refusal(amount: Json, currency: str = "EUR", **more: Json) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        expense(amount, currency, **more)
    return caught.value


@pytest.mark.parametrize(
    ("amount", "currency", "stored"),
    [
        ("12.5", "EUR", "12.50"),
        ("12", "EUR", "12.00"),
        (" +12.50 ", "eur", "12.50"),
        ("0.01", "EUR", "0.01"),
        ("1000000000", "EUR", "1000000000.00"),
        ("0007", "EUR", "7.00"),
        (12, "EUR", "12.00"),
        (12.5, "EUR", "12.50"),
        (1200.0, "JPY", "1200"),
        ("1200", "JPY", "1200"),
        ("0.001", "KWD", "0.001"),
        (Decimal("1E+3"), "EUR", "1000.00"),
    ],
)
def test_an_amount_is_stored_in_minor_units(amount: Json, currency: str, stored: str) -> None:
    assert expense(amount, currency).model_dump(mode="json") == {
        "currency": currency.upper(),
        "amount": stored,
        "description": "lunch",
        "category": "",
    }


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("0", "EUR", "it has to be more than zero"),
        ("0.00", "EUR", "it has to be more than zero"),
        ("-0", "EUR", "it has to be more than zero"),
        ("-5", "EUR", "it has to be more than zero"),
        (-5, "EUR", "it has to be more than zero"),
        ("1000000000.01", "EUR", "it can be at most 1000000000"),
        (10**39, "EUR", "it can be at most 1000000000"),
        ("1.234", "EUR", "EUR has at most 2 decimals"),
        ("12.500", "EUR", "EUR has at most 2 decimals"),
        (0.1 + 0.2, "EUR", "EUR has at most 2 decimals"),
        ("12.50", "JPY", "JPY has no decimals"),
        ("12.5001", "KWD", "KWD has at most 3 decimals"),
    ],
)
def test_an_amount_out_of_bounds_is_refused_in_plain_words(amount: Json, currency: str, said: str) -> None:
    error = refusal(amount, currency)
    assert (error.field, error.allowed) == ("amount", said)


@pytest.mark.parametrize(
    "amount",
    [
        *("", "abc", "1e3", "1_000", "12,50", "NaN", "Infinity", "١٢", "1.", ".5", "--5", "12 EUR", "9" * 41),
        *(True, None, [], {}, 10**40, 1e-7, 1e300, float("nan"), float("inf")),
        *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1e999999")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_is_refused(amount: Json) -> None:
    with pytest.raises(InvalidInput) as caught:
        expense(amount)
    assert caught.value.allowed == "it should be a number such as 42.50"


@pytest.mark.parametrize("currency", ["", "EU", "XXX", "EURO", "€", "\u0131NR", "XAU"])
def test_a_currency_is_an_active_code(currency: str) -> None:
    error = refusal("5", currency)
    assert (error.field, error.allowed) == (
        "currency",
        "it should be an ISO 4217 code such as EUR, USD or GBP",
    )


def test_the_currency_is_required() -> None:
    with pytest.raises(InvalidInput) as caught:
        validate(TOOL, {"amount": "5", "description": "lunch"})
    assert caught.value.field == "currency"


def test_unusual_minor_units_belong_to_known_currencies() -> None:
    assert {code for code in CURRENCIES if minor_units(code) == 0} >= {"JPY", "KRW", "ISK", "CLP"}
    assert {code for code in CURRENCIES if minor_units(code) == 3} == {
        *("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
    }


@given(st.integers(min_value=1, max_value=10**12), st.sampled_from(sorted(CURRENCIES)))
def test_amounts_survive_storing_exactly(minor: int, currency: str) -> None:
    amount = Decimal(minor).scaleb(-minor_units(currency))
    if amount > 10**9:
        assert refusal(format(amount, "f"), currency).allowed == "it can be at most 1000000000"
        return
    taken = expense(format(amount, "f"), currency)
    stored = taken.model_dump(mode="json")
    assert Decimal(stored["amount"]) == amount
    assert expense(**stored) == taken
    assert args_digest("create_expense", "1", stored)


@given(st.text(max_size=50) | st.floats() | st.integers() | st.booleans() | st.none())
def test_any_amount_is_stored_plainly_or_refused(amount: Json) -> None:
    try:
        stored = expense(amount).model_dump(mode="json")["amount"]
    except InvalidInput:
        return
    whole, _, decimals = stored.partition(".")
    assert whole.isdecimal()
    assert whole.isascii()
    assert len(decimals) == 2


def test_equal_amounts_have_one_digest() -> None:
    digests = {
        args_digest("create_expense", "1", expense(amount).model_dump(mode="json"))
        for amount in ("12.5", "12.50", "+12.5", 12.5)
    }
    assert len(digests) == 1


@given(st.text(max_size=60))
def test_a_category_is_one_word_in_lower_case(category: str) -> None:
    try:
        taken = expense("5", category=category)
    except InvalidInput:
        return
    assert taken.category == category.strip().lower()
    assert expense("5", category=taken.category) == taken
    assert " " not in taken.category


def test_two_words_are_no_category() -> None:
    assert refusal("5", category="team lunch").allowed == (
        "it should be one word of at most 40 letters, such as food"
    )
