"""What risk an expense has, and what is said before it is made."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.model import Risk
from core.registry import validate
from core.tool import AssessContext, ToolInput
from tools.create_expense import ExpenseLimits, create_expense

TOOL = create_expense(ExpenseLimits())


def expense(
    amount: str, currency: str = "EUR", *, description: str = "lunch", category: str = ""
) -> ToolInput:
    given = {"amount": amount, "currency": currency, "description": description, "category": category}
    return validate(TOOL, given)


@pytest.mark.parametrize(
    ("amount", "currency", "risk"),
    [
        ("0.01", "EUR", Risk.LOW),
        ("50", "EUR", Risk.LOW),
        ("50.01", "EUR", Risk.MEDIUM),
        ("500", "EUR", Risk.MEDIUM),
        ("500.01", "EUR", Risk.HIGH),
        ("1", "USD", Risk.MEDIUM),
        ("500", "USD", Risk.MEDIUM),
        ("500.01", "USD", Risk.HIGH),
    ],
)
def test_risk_rises_with_the_amount(amount: str, currency: str, risk: Risk) -> None:
    assert TOOL.risk_of(expense(amount, currency), AssessContext(currency="EUR")) is risk


def test_limits_are_configurable() -> None:
    tool = create_expense(ExpenseLimits(low=Decimal(0), medium=Decimal(5)))
    assert tool.risk_of(expense("1"), AssessContext(currency="EUR")) is Risk.MEDIUM
    assert tool.risk_of(expense("5.01"), AssessContext(currency="EUR")) is Risk.HIGH
    assert tool.definition_hash == TOOL.definition_hash


@pytest.mark.parametrize(("low", "medium"), [("-1", "5"), ("6", "5"), ("NaN", "5")])
def test_limits_that_do_not_rise_are_refused(low: str, medium: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        ExpenseLimits(low=Decimal(low), medium=Decimal(medium))


def test_the_preview_says_what_will_happen() -> None:
    assert TOOL.preview(expense("900", description="new\nlaptop")).title == (
        "Add expense of 900.00 EUR for new laptop"
    )
    assert TOOL.preview(expense("5", "JPY", category="Food")).title == (
        "Add expense of 5 JPY for lunch (food)"
    )
