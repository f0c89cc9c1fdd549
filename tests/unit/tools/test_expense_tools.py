"""What the expense tools say."""

from __future__ import annotations

from datetime import UTC, datetime

from core.registry import validate
from tests.unit.tools.kit import Bench, message_of
from tools.create_expense import ExpenseLimits, create_expense
from tools.list_expenses import LIST_EXPENSES

TOOL = create_expense(ExpenseLimits())


async def test_a_new_expense_is_told_with_its_number(bench: Bench) -> None:
    result = await bench.run(TOOL, amount="42.5", currency="eur", description="team lunch", category="Food")
    assert result.text == "Added expense #1: 42.50 EUR for team lunch (food)"
    assert result.data == {"number": 1}


async def test_no_expenses_tell_how_to_add_one(bench: Bench) -> None:
    result = await bench.run(LIST_EXPENSES)
    assert result.text == "No expenses yet. Add one with /expense, for example: /expense 12.50 lunch"
    assert result.data == {"expenses": [], "this_month": {}}


async def test_the_list_sums_this_month_by_currency(bench: Bench) -> None:
    await bench.run(TOOL, "a", amount="0.10", currency="EUR", description="tape")
    await bench.run(TOOL, "b", amount="0.20", currency="EUR", description="glue", category="office")
    await bench.run(TOOL, "c", amount="1200", currency="JPY", description="tea")
    result = await bench.run(LIST_EXPENSES)
    assert result.text.splitlines() == [
        "November 2026: 0.30 EUR + 1200 JPY",
        "#3 Sat 21 Nov 2026: 1200 JPY for tea",
        "#2 Sat 21 Nov 2026: 0.20 EUR for glue (office)",
        "#1 Sat 21 Nov 2026: 0.10 EUR for tape",
    ]
    assert result.data["this_month"] == {"EUR": "0.30", "JPY": "1200"}
    assert result.data["expenses"][1] == {
        "number": 2,
        "amount": "0.20",
        "currency": "EUR",
        "description": "glue",
        "category": "office",
        "spent_on": "2026-11-21",
    }


async def test_the_month_is_the_requester_s(bench: Bench) -> None:
    turn = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    await bench.at(now=turn, timezone="America/New_York").run(
        TOOL, "a", amount="5", currency="EUR", description="in November"
    )
    berlin = bench.at(now=turn)
    assert (await berlin.run(LIST_EXPENSES)).text.splitlines()[0] == "December 2026: nothing spent yet"
    await berlin.run(TOOL, "b", amount="7", currency="EUR", description="in December")
    assert (await berlin.run(LIST_EXPENSES)).text.splitlines()[0] == "December 2026: 7.00 EUR"
    new_york = bench.at(now=turn, timezone="America/New_York")
    assert (await new_york.run(LIST_EXPENSES)).text.splitlines()[0] == "November 2026: 12.00 EUR"


async def test_the_newest_twenty_are_shown(bench: Bench) -> None:
    for number in range(20):
        await bench.run(TOOL, f"c{number}", amount="1", currency="EUR", description="pen")
    assert "The newest" not in (await bench.run(LIST_EXPENSES)).text
    await bench.run(TOOL, "last", amount="1", currency="EUR", description="ink")
    result = await bench.run(LIST_EXPENSES)
    assert result.text.splitlines()[:2] == ["November 2026: 21.00 EUR", "The newest 20:"]
    assert [item["number"] for item in result.data["expenses"]] == list(range(21, 1, -1))


async def test_an_expense_that_is_gone_cannot_be_undone(bench: Bench) -> None:
    given = {"amount": "5", "currency": "EUR", "description": "tea"}
    await bench.run(TOOL, "a", **given)
    assert (await bench.undo(TOOL, "u1", data={"number": 1}, **given)).text == (
        "Removed expense #1: 5.00 EUR for tea"
    )
    assert message_of(await bench.undo(TOOL, "u2", data={"number": 1}, **given)) == (
        "Expense #1 is not there any more."
    )


def test_the_preview_of_the_list() -> None:
    assert LIST_EXPENSES.preview(validate(LIST_EXPENSES, {})).title == "List the newest expenses"
