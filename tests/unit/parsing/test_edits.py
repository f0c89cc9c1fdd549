"""Changes to a call as people write them: read to the letter, or refused with the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.digest import Json
from core.errors import InvalidInput
from core.parsing.edits import LONGEST, looks_like_changes, read_changes
from core.tool import Tool
from tests.unit.parsing.kit import CONTEXT, REGISTRY

EXPENSE, TASK = REGISTRY.get("create_expense"), REGISTRY.get("create_task")
CALL, DONE, HEALTH = REGISTRY.get("http_call"), REGISTRY.get("complete_task"), REGISTRY.get("list_tasks")


@pytest.mark.parametrize(
    ("tool", "text", "changes"),
    [
        (EXPENSE, "amount: 800", {"amount": "800"}),
        (EXPENSE, "Amount = 800", {"amount": "800"}),
        (EXPENSE, "amount: 800 eur", {"amount": "800", "currency": "EUR"}),
        (EXPENSE, "AMOUNT:1'000.50", {"amount": "1000.50"}),
        (EXPENSE, "amount: 800\ncategory: travel", {"amount": "800", "category": "travel"}),
        (EXPENSE, "\n  amount: 800  \n\n category :travel\n", {"amount": "800", "category": "travel"}),
        (EXPENSE, "currency: usd", {"currency": "USD"}),
        (EXPENSE, "description: lunch: with Ann = 2", {"description": "lunch: with Ann = 2"}),
        (EXPENSE, 'description: "  two  "', {"description": "  two  "}),
        (EXPENSE, "category:", {"category": None}),
        (EXPENSE, 'category: ""', {"category": None}),
        (TASK, "due: friday", {"due": "2026-11-20"}),
        (TASK, "due: in 3 days", {"due": "2026-11-21"}),
        (TASK, "assignee: @Ann", {"assignee": "Ann"}),
        (TASK, "due:", {"due": None}),
        (DONE, "number: #12", {"number": "12"}),
        (CALL, 'headers: {"a": [1, "b"]}', {"headers": {"a": [1, "b"]}}),
        (CALL, "tags: []\nlimit: 5", {"tags": [], "limit": "5"}),
        (CALL, "url: [::1]", None),
    ],
)
def test_what_lines_mean(tool: Tool, text: str, changes: dict[str, Json] | None) -> None:
    if changes is None:
        with pytest.raises(InvalidInput, match="JSON"):
            read_changes(tool, text, context=CONTEXT)
        return
    assert read_changes(tool, text, context=CONTEXT) == changes


@pytest.mark.parametrize(
    ("tool", "text", "field", "remedy"),
    [
        (EXPENSE, "800", "changes", "amount, currency, description, category"),
        (EXPENSE, "colour: red", "colour", "amount, currency, description, category"),
        (EXPENSE, "amount: 800\nand so on", "changes", "one change a line"),
        (EXPENSE, "", "changes", "one change a line"),
        (EXPENSE, " \n ", "changes", "one change a line"),
        (EXPENSE, ": 5", "changes", "one change a line"),
        (EXPENSE, "amount: much", "amount", "42.50"),
        (EXPENSE, "amount: 1,000", "amount", "it could mean two things; write it without separators"),
        (EXPENSE, "amount: 5\nAMOUNT: 6", "amount", "once only"),
        (EXPENSE, "amount: 5 eur\ncurrency: usd", "currency", "once only"),
        (EXPENSE, "currency: potatoes", "currency", "EUR"),
        (TASK, "due: someday", "due", "2026-12-31"),
        (TASK, "due: wednesday", "due", "it could mean two things; write it as a date"),
        (DONE, "number: ABCDEF", "number", "it could mean two things"),
        (CALL, 'headers: {"a": 1} x', "headers", "closing bracket"),
        (CALL, 'headers: {"a": 1, "a": 2}', "headers", "JSON"),
        (HEALTH, "now: yes", "now", "has no fields"),
        (EXPENSE, "description: \ud800", "description", "nobody can store"),
        (EXPENSE, "x" * (LONGEST + 1), "changes", "at once"),
    ],
)
def test_what_is_refused_and_the_remedy(tool: Tool, text: str, field: str, remedy: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_changes(tool, text, context=CONTEXT)
    assert refused.value.field == field
    assert remedy in refused.value.message


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("amount: 800", True),
        (" Amount=1", True),
        ("amount 800", False),
        ("please: less", False),
        ("", False),
        ("ok", False),
    ],
)
def test_what_begins_as_changes_do(text: str, does: bool) -> None:
    assert looks_like_changes(EXPENSE, text) is does


_LINES = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["amount", "Due", "title", "tags", "number", "x", ""]),
        st.sampled_from([":", "=", ": ", " = ", ""]),
        st.one_of(st.text(max_size=20), st.sampled_from(["5", "5 eur", "friday", "[1]", "{", "1e9"])),
    ),
    max_size=4,
).map("\n".join)


@given(st.one_of(st.text(max_size=300), _LINES), st.sampled_from(list(REGISTRY)))
def test_any_text_gives_fields_of_the_tool_or_is_refused(text: str, tool: Tool) -> None:
    changes: Mapping[str, Json] = {}
    with suppress(InvalidInput):
        changes = read_changes(tool, text, context=CONTEXT)
        assert changes
    assert set(changes) <= set(tool.input.model_fields)


_PLAIN = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\"“„«'‘`"), min_size=1)


@given(_PLAIN, st.sampled_from(["title: ", "TITLE=", " Title :"]))
def test_a_text_that_is_given_is_the_text_that_is_taken(text: str, head: str) -> None:
    assert read_changes(TASK, f"{head}{text}\nassignee:", context=CONTEXT) == {
        "title": text,
        "assignee": None,
    }
