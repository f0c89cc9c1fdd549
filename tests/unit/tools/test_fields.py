"""Input rules of text, days, numbers and labels."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.digest import Json, args_digest
from core.errors import InvalidInput
from core.registry import validate
from core.tool import Tool
from tools.complete_task import COMPLETE_TASK
from tools.create_task import CREATE_TASK, CreateTaskInput
from tools.print_label import print_label

LABEL = print_label(Path("labels"))


def refusal(tool: Tool, **arguments: Json) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        validate(tool, arguments)
    return caught.value


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("", "it should say something, it is empty"),
        (" \n\t\u2028", "it should say something, it is empty"),
        ("x" * 201, "it should be at most 200 characters, these are 201"),
        ("a\0b", "it should be plain text without control characters"),
        ("a\x1b[31mb", "it should be plain text without control characters"),
    ],
)
def test_a_title_is_refused_in_plain_words(title: str, said: str) -> None:
    error = refusal(CREATE_TASK, title=title)
    assert error.field == "title"
    assert error.allowed == said


def test_a_missing_title_and_an_unknown_field_are_named() -> None:
    assert refusal(CREATE_TASK).message == "title: 'nothing' does not fit; it is required"
    assert "create_task knows only title, due, assignee" in refusal(CREATE_TASK, title="a", owner="b").message


@pytest.mark.parametrize("title", ["x", "x" * 200, "👨‍👩‍👧 dinner", "Käse & <b>Brot</b>"])
def test_titles_at_the_limits_and_with_odd_characters_are_taken(title: str) -> None:
    assert validate(CREATE_TASK, {"title": title}).model_dump()["title"] == title


def test_a_title_becomes_one_line() -> None:
    assert validate(CREATE_TASK, {"title": "  buy\nmilk \u2028 and\tbread "}).model_dump()["title"] == (
        "buy milk and bread"
    )


@given(st.text())
def test_any_text_is_refused_or_taken_as_one_line_for_good(text: str) -> None:
    try:
        taken = validate(CREATE_TASK, {"title": text, "assignee": text})
    except InvalidInput:
        return
    assert isinstance(taken, CreateTaskInput)
    assert 1 <= len(taken.title) <= 200
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in taken.title)
    stored = taken.model_dump(mode="json")
    assert validate(CREATE_TASK, stored) == taken
    assert args_digest("create_task", "1", stored)


@given(st.dates())
def test_every_day_is_read_and_written_as_iso(day: date) -> None:
    taken = validate(CREATE_TASK, {"title": "a", "due": day.isoformat()})
    assert taken == validate(CREATE_TASK, {"title": "a", "due": day})
    assert taken.model_dump(mode="json")["due"] == day.isoformat()


@pytest.mark.parametrize(
    "due", ["friday", "2026-02-30", "20261127", "2026-W48-5", "", 5, True, [], "27.11.26"]
)
def test_what_is_no_day_is_refused(due: Json) -> None:
    error = refusal(CREATE_TASK, title="a", due=due)
    assert (error.field, error.allowed) == ("due", "it should be a day such as 2026-11-27")


def test_a_moment_is_no_day() -> None:
    assert refusal(CREATE_TASK, title="a", due=datetime(2026, 11, 27)).field == "due"  # noqa: DTZ001


def test_no_day_and_nobody_are_fine() -> None:
    taken = validate(CREATE_TASK, {"title": "a", "due": None, "assignee": " "})
    assert taken.model_dump(mode="json") == {"title": "a", "due": None, "assignee": ""}
    assert refusal(CREATE_TASK, title="a", assignee="x" * 101).field == "assignee"


@pytest.mark.parametrize("number", [12, "12", "#12", " # 12 ", "012"])
def test_a_task_is_named_by_its_number(number: Json) -> None:
    assert validate(COMPLETE_TASK, {"number": number}).model_dump(mode="json") == {"number": 12}


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "A7F3Q2", "١٢", "", None, 2**31, "9999999999", "0"])
def test_what_is_no_number_is_told_where_numbers_are(number: Json) -> None:
    assert refusal(COMPLETE_TASK, number=number).allowed == (
        "it should be a task's number such as 12; /tasks lists them"
    )


@pytest.mark.parametrize("text", ["", "  ", "x" * 101, "a\nb", "a\0b", "a\u202eb"])
def test_a_label_is_printable(text: str) -> None:
    error = refusal(LABEL, text=text)
    assert error.allowed == "it should be 1 to 100 printable characters on one line"


@given(st.text(max_size=120))
def test_a_label_that_is_taken_stays_as_it_is(text: str) -> None:
    try:
        taken = validate(LABEL, {"text": text}).model_dump(mode="json")
    except InvalidInput:
        return
    assert taken["text"].isprintable()
    assert 1 <= len(taken["text"]) <= 100
    assert taken["text"] in text
    assert validate(LABEL, taken).model_dump(mode="json") == taken
