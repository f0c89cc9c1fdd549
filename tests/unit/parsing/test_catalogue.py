"""The same against the real tools: every template of every tool can be said, and means that tool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from core.parsing import Reading, Understood, understand
from core.registry import ToolRegistry
from tests.unit.parsing.kit import CONTEXT
from tests.unit.parsing.test_dangerous import paraphrases, proposed_for
from tools.catalog import build_catalog
from tools.create_expense import ExpenseLimits
from tools.print_label import print_label


async def _health() -> Any:
    raise AssertionError("nothing runs here")


CATALOG: ToolRegistry = build_catalog(
    limits=ExpenseLimits(), health=_health, extra=[print_label(Path("labels.txt"))]
)
VALUES = {
    "title": "review the budget",
    "number": "12",
    "amount": "42.50",
    "currency": "EUR",
    "description": "team lunch",
    "text": "Box 7",
}
SAID = [
    (tool.name, re.sub(r"\{(\w+)\??\}", lambda hole: VALUES[hole[1]], example))
    for tool in CATALOG
    for example in tool.examples
]


def read(text: str) -> Understood:
    return understand(text, registry=CATALOG, context=CONTEXT)


@pytest.mark.parametrize(("name", "text"), SAID, ids=[text for _, text in SAID])
def test_every_example_means_its_tool(name: str, text: str) -> None:
    found = read(text)
    assert found.reading is Reading.PROPOSE, found
    assert found.candidates[0].tool == name


def test_t13_no_dangerous_paraphrase_is_proposed_for_a_risky_real_tool() -> None:
    texts, risky = paraphrases(), frozenset({"create_expense", "print_label"})
    assert risky <= {tool.name for tool in CATALOG}
    assert not [text for text in texts if proposed_for(risky, text, read)]
    print(f"T13: {len(texts)}/{len(texts)} paraphrases, 0 proposed for a risky real tool")


@pytest.mark.parametrize(
    ("text", "reading", "name"),
    [
        ("/task Buy milk due:friday", Reading.PROPOSE, "create_task"),
        ("/expense 42.50 EUR team lunch", Reading.PROPOSE, "create_expense"),
        ("/expense 42.50 EUR for lunch category:food", Reading.PROPOSE, "create_expense"),
        ("create_expense amount=42.5 currency=EUR description=lunch", Reading.PROPOSE, "create_expense"),
        ("create task: Review the budget", Reading.PROPOSE, "create_task"),
        ("Add a task to call Ada, due tomorrow", Reading.PROPOSE, "create_task"),
        ("bought coffee for 4,20 €", Reading.PROPOSE, "create_expense"),
        ("I bought a desk for the office for 300", Reading.PROPOSE, "create_expense"),
        ("create task", Reading.ASK, "create_task"),
        ("expense", Reading.ASK, "create_expense"),
        ("complete task", Reading.ASK, "complete_task"),
        ("crate task: x", Reading.CONFIRM, "create_task"),
        ("expense 1.234 laptop", Reading.CONFIRM, "create_expense"),
    ],
)
def test_what_people_say(text: str, reading: Reading, name: str) -> None:
    found = read(text)
    assert (found.reading, found.candidates[0].tool) == (reading, name), found
