"""Templates that the small tools do not have: odd orders of holes, tools without a currency."""

from __future__ import annotations

import time
from datetime import date

import pytest

from core.parsing import Reading, Understood
from core.registry import ToolRegistry
from core.tool import Slot, SlotKind, ToolInput
from tests.unit.parsing.kit import CONTEXT, read, tool


class Everything(ToolInput):
    text: str = ""
    more: str = ""
    word: str = ""
    day: date | None = None
    sum: str = ""
    ref: str = ""
    flag: bool = False


SLOTS = {
    "text": Slot(kind=SlotKind.TEXT),
    "more": Slot(kind=SlotKind.TEXT),
    "word": Slot(kind=SlotKind.WORD),
    "day": Slot(kind=SlotKind.DATE),
    "sum": Slot(kind=SlotKind.AMOUNT),
    "ref": Slot(kind=SlotKind.REFERENCE),
}


def said(text: str, *examples: str, form: str = "") -> Understood:
    one = tool("try_it", Everything, command="try", form=form, examples=examples, slots=SLOTS)
    return read(text, CONTEXT, ToolRegistry([one]))


@pytest.mark.parametrize(
    ("template", "text", "reading", "arguments"),
    [
        ("do {text} {day?}", "do it in 3 days", Reading.PROPOSE, {"text": "it", "day": "2026-11-21"}),
        ("do {text} {day?}", "do it", Reading.PROPOSE, {"text": "it"}),
        ("do {text} {word?}", "do it now", Reading.PROPOSE, {"text": "it now"}),
        ("do {text} {more?}", "do it now", Reading.PROPOSE, {"text": "it now"}),
        ("do {word} {text?}", "do it", Reading.PROPOSE, {"word": "it"}),
        ("do {word}", "do a:b", Reading.PROPOSE, {"word": "a:b"}),
        ("meet {day?} for {text}", "meet for tea", Reading.PROPOSE, {"text": "tea"}),
        (
            "meet {day?} for {text}",
            "meet tomorrow for tea",
            Reading.PROPOSE,
            {"day": "2026-11-19", "text": "tea"},
        ),
        (
            "tell {word} that {text}",
            "tell ada that it works",
            Reading.PROPOSE,
            {"word": "ada", "text": "it works"},
        ),
        ("send {text} about {more}", "send it about tea", Reading.PROPOSE, {"text": "it", "more": "tea"}),
        (
            "send {text} about {more}",
            "send a about b about c",
            Reading.CONFIRM,
            {"text": "a", "more": "b about c"},
        ),
        ("{text} needs doing", "it needs doing", Reading.CONFIRM, {"text": "it"}),
        ("pay {sum}", "pay 42", Reading.PROPOSE, {"sum": "42"}),
        ("pay {sum}", "pay 42 EUR", Reading.PROPOSE, {"sum": "42"}),
        ("pay {sum} {text?}", "pay 42 XYZ", Reading.CONFIRM, {"sum": "42", "text": "XYZ"}),
        ("see {ref}", "see #A7F3Q2", Reading.PROPOSE, {"ref": "A7F3Q2"}),
        ("see {ref}", "see a7f3q2", Reading.PROPOSE, {"ref": "A7F3Q2"}),
        ("see {ref}", "see ABCDEF", Reading.CONFIRM, {"ref": "ABCDEF"}),
        ("see {ref}", "see number 12", Reading.PROPOSE, {"ref": "12"}),
        ("do {text}", "do it word:x flag=true", Reading.PROPOSE, {"text": "it", "word": "x", "flag": True}),
        ("do {text}", "do it ref:#12", Reading.PROPOSE, {"text": "it", "ref": "12"}),
        ("do {text}", "do it day tomorrow", Reading.PROPOSE, {"text": "it", "day": "2026-11-19"}),
    ],
)
def test_a_template_reads(template: str, text: str, reading: Reading, arguments: dict[str, object]) -> None:
    found = said(text, template)
    assert found.reading is reading, found
    assert dict(found.candidates[0].arguments) == arguments


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("see {ref}", "see banana"),
        ("see {ref}", "see you"),
        ("do {word} now", "do it later"),
        ("{text}", "anything"),
        ("do {text}", "do"),  # the tool does not need it, so there is nothing to ask
        ("do it {day}", "do it sometime"),
    ],
)
def test_a_template_does_not_read(template: str, text: str) -> None:
    assert said(text, template).reading is Reading.UNKNOWN


def test_another_currency_is_refused_by_a_tool_that_has_none() -> None:
    found = said("pay 42 USD", "pay {sum}")
    assert found.problem is not None
    assert (found.problem.field, "EUR" in found.problem.allowed) == ("sum", True)


@pytest.mark.parametrize("value", ["1e999", "0.12345678901234567890", "NaN", "-Infinity"])
def test_json_numbers_that_would_change_are_refused(value: str) -> None:
    assert said(f'try_it {{"flag": {value}}}').reading is Reading.INVALID


def test_an_insane_template_ends() -> None:
    start = time.perf_counter()
    said("do " + "and " * 1000, "do {text} and {more} and {word} and {day} and {text} and {more} or")
    assert time.perf_counter() - start < 1
