from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.parsing.language import ENGLISH
from core.parsing.money import CURRENCIES, Money, read_currency, read_money, read_number


def money(text: str, default: str = "EUR", *, loose: bool = True) -> Money | None:
    return read_money(text, default=default, language=ENGLISH, loose=loose)


@pytest.mark.parametrize(
    ("text", "amount", "currency", "sure"),
    [
        ("42.50", "42.50", None, True),
        ("42,50", "42.50", None, True),
        ("1,234.50", "1234.50", None, True),
        ("1.234,50", "1234.50", None, True),
        ("1'234.50", "1234.50", None, True),
        ("1’234", "1234", None, True),
        ("1.234.567", "1234567", None, True),
        ("1.234", "1234", None, False),
        ("1,234", "1234", None, False),
        ("0.125", "0.125", None, True),
        ("1234.567", "1234.567", None, True),
        ("42.", "42", None, True),
        ("€42", "42", "EUR", True),
        ("42 EUR", "42", "EUR", True),
        ("42€", "42", "EUR", True),
        ("42 eur", "42", "EUR", True),
        ("EUR 42", "42", "EUR", True),
        ("US$ 42", "42", "USD", True),
        ("42 zł", "42", "PLN", True),
        ("42 euros", "42", "EUR", True),
        ("5 pounds", "5", "GBP", False),
        ("£5", "5", "GBP", True),
        ("$5", "5", "USD", False),
        ("¥500", "500", "JPY", False),
        ("5 kr", "5", "SEK", False),
        ("-42", "-42", None, True),
        ("\u221242", "-42", None, True),
        ("€-42", "-42", "EUR", True),
        ("-€42", "-42", "EUR", True),
        ("+42", "42", None, True),
    ],
)
def test_an_amount_is_read(text: str, amount: str, currency: str | None, sure: bool) -> None:
    assert money(text) == Money(amount=amount, currency=currency, sure=sure)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lunch",
        "12k",
        "1,23,456",
        "1.234.56",
        "12,34.50",
        "--5",
        "-€-5",
        "€5$",
        "5 xyz",
        "1 234",
        "٤٢",
        "(42)",
        "1e5",
        "NaN",
        "5%",
        "9" * 25,
        "5" * 100,
        "1.2'3",
        "５",
    ],
)
def test_what_is_no_amount_is_none(text: str) -> None:
    assert money(text) is None


@pytest.mark.parametrize("default", ["USD", "AUD", "CAD"])
def test_a_dollar_is_the_defaults_own(default: str) -> None:
    assert money("$5", default) == Money(amount="5", currency=default, sure=True)


def test_codes_that_are_words_count_in_capitals_only() -> None:
    assert read_currency("all", default="EUR", language=ENGLISH, loose=False) is None
    assert read_currency("ALL", default="EUR", language=ENGLISH, loose=False) == ("ALL", True)
    assert read_currency("all", default="EUR", language=ENGLISH) == ("ALL", True)
    assert read_currency("ЕUR", default="EUR", language=ENGLISH) is None  # a Cyrillic letter
    assert {"EUR", "USD", "XCG"} <= CURRENCIES
    assert not {"XXX", "XAU", "BTC", "DEM"} & CURRENCIES


@given(st.decimals(min_value=0, max_value=10**12, places=2))
def test_what_was_written_plainly_reads_the_same(value: Decimal) -> None:
    found = read_number(f"{value:f}")
    assert found is not None
    assert Decimal(found[0]) == value


@given(st.decimals(min_value=1000, max_value=10**12, places=2))
def test_both_ways_of_grouping_read_the_same(value: Decimal) -> None:
    english = f"{value:,f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert read_number(english) == read_number(german) == (f"{value:f}", True)


@given(st.text(alphabet="0123456789.,'’-+€$ EURk\u00a0", max_size=90) | st.text(max_size=90))
def test_any_text_gives_an_amount_or_none(text: str) -> None:
    found = money(text)
    assert found is None or Decimal(found.amount).is_finite()
