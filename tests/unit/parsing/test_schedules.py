"""Sentences that begin with a time. It is a Wednesday noon in Vienna."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from core.parsing.schedules import NotKnown, Timed, Unclear, answer_when, read_when
from tests.unit.parsing.kit import CONTEXT

TIMED = (
    ("every monday 9:00 expense 12 EUR coffee", "cron 0 9 * * mon", "expense 12 EUR coffee"),
    ("Every Monday at 9:00, expense 12 EUR coffee", "cron 0 9 * * mon", "expense 12 EUR coffee"),
    ("every weekday at 8am list tasks", "cron 0 8 * * mon-fri", "list tasks"),
    ("every day at 18:00 list tasks", "cron 0 18 * * *", "list tasks"),
    ("every day at noon: list tasks", "cron 0 12 * * *", "list tasks"),
    ("every day at midnight list tasks", "cron 0 0 * * *", "list tasks"),
    ("daily at 9:00 list tasks", "cron 0 9 * * *", "list tasks"),
    ("every morning at 8 list tasks", "cron 0 8 * * *", "list tasks"),
    ("every evening at 8 list tasks", "cron 0 20 * * *", "list tasks"),
    ("every monday morning at 8 list tasks", "cron 0 8 * * mon", "list tasks"),
    ("every monday at 14 list tasks", "cron 0 14 * * mon", "list tasks"),
    ("every monday and thursday 8:15am list tasks", "cron 15 8 * * mon,thu", "list tasks"),
    ("every mon, wed and fri at noon list tasks", "cron 0 12 * * mon,wed,fri", "list tasks"),
    ("each friday 5pm list tasks", "cron 0 17 * * fri", "list tasks"),
    ("every week on monday at 9:00 list tasks", "cron 0 9 * * mon", "list tasks"),
    ("every 1st of the month 9:00 list tasks", "cron 0 9 1 * *", "list tasks"),
    ("every first of the month 9:00 list tasks", "cron 0 9 1 * *", "list tasks"),
    ("every 1st and 15th of the month at 9am list tasks", "cron 0 9 1,15 * *", "list tasks"),
    ("every 3rd day of the month at 9am list tasks", "cron 0 9 3 * *", "list tasks"),
    ("every month on the 1st at 9:00 list tasks", "cron 0 9 1 * *", "list tasks"),
    ("tomorrow 8am create task call the bank", "at 2026-11-19T08:00", "create task call the bank"),
    ("tomorrow at 12am list tasks", "at 2026-11-19T00:00", "list tasks"),
    ("tomorrow morning at 8 list tasks", "at 2026-11-19T08:00", "list tasks"),
    ("tonight at 8 list tasks", "at 2026-11-18T20:00", "list tasks"),
    ("friday 5pm list tasks", "at 2026-11-20T17:00", "list tasks"),
    ("on friday at 17:00 list tasks", "at 2026-11-20T17:00", "list tasks"),
    ("next friday noon list tasks", "at 2026-11-27T12:00", "list tasks"),
    ("in 3 days at 9:00 list tasks", "at 2026-11-21T09:00", "list tasks"),
    ("2026-12-24 18:00 list tasks", "at 2026-12-24T18:00", "list tasks"),
    ("24 dec 6:30 pm list tasks", "at 2026-12-24T18:30", "list tasks"),
    ("24.12. 18:00 list tasks", "at 2026-12-24T18:00", "list tasks"),
    ("in 2 hours list tasks", "at 2026-11-18T14:00+01:00", "list tasks"),
    ("in 90 minutes list tasks", "at 2026-11-18T13:30+01:00", "list tasks"),
    ("in half an hour list tasks", "at 2026-11-18T12:30+01:00", "list tasks"),
    ("in an hour and a half, list tasks", "at 2026-11-18T13:30+01:00", "list tasks"),
    ("in 1 hour and 5 minutes list tasks", "at 2026-11-18T13:05+01:00", "list tasks"),
    ("at 18:30 list tasks", "at 2026-11-18T18:30+01:00", "list tasks"),
    ("at 11:30 list tasks", "at 2026-11-19T11:30+01:00", "list tasks"),
    ("at 8 in the evening list tasks", "at 2026-11-18T20:00+01:00", "list tasks"),
    ("8am tomorrow list tasks", "at 2026-11-19T08:00", "list tasks"),
    ("5 pm - list tasks", "at 2026-11-18T17:00+01:00", "list tasks"),
    ("8 o'clock p.m. list tasks", None, ""),
    ("every monday 9:00", "cron 0 9 * * mon", ""),
)
UNCLEAR = (
    ("every monday expense 12 EUR coffee", "At what time", "every monday", "expense 12 EUR coffee"),
    ("every monday at 9 expense 12", "9 in the morning or in the evening", "every monday", "expense 12"),
    ("every monday 9 expense 12", "9 in the morning or in the evening", "every monday", "expense 12"),
    ("every day 14 expense 12", "14:00", "every day", "expense 12"),
    ("at 8 list tasks", "8 in the morning or in the evening", "", "list tasks"),
    ("at 8 tomorrow list tasks", "8 in the morning or in the evening", "tomorrow", "list tasks"),
    ("at 25:00 list tasks", "no time of day", "", "list tasks"),
    ("every day at 13pm list tasks", "Do you mean 13:00", "every day", "list tasks"),
    ("tomorrow morning list tasks", "At what time", "tomorrow morning", "list tasks"),
    ("tomorrow midnight list tasks", "between two days", "tomorrow", "list tasks"),
    ("midnight friday list tasks", "between two days", "friday", "list tasks"),
    ("wednesday 5pm list tasks", "Which day", "", "list tasks"),
    ("3/4 9:00 list tasks", "Which day", "", "list tasks"),
    ("today 8am list tasks", "has passed; it is 12:00", "", "list tasks"),
    ("yesterday 9:00 list tasks", "has passed", "", "list tasks"),
)
NOT_KNOWN = (
    "every 2 weeks 9:00 list tasks",
    "every two days at 9:00 list tasks",
    "every hour list tasks",
    "every other day 9:00 list tasks",
    "every second day 9:00 list tasks",
    "every 2nd day 9:00 list tasks",
    "every 1st monday 9:00 list tasks",
    "every month 9:00 list tasks",
    "every weekend at 9:00 list tasks",
)
NOTHING = (
    "",
    "tomorrow create task x",
    "task buy milk tomorrow",
    "create task: call at 18:30",
    "friday 13 list tasks",
    "in 2 days list tasks",
    "in 2 list tasks",
    "in the end list tasks",
    "every penny counts",
    "every",
    "daily report",
    "12 EUR coffee",
    "at the office list tasks",
    "\uff18am list tasks",
    "list tasks every monday 9:00",
    "at 8am " * 1000,
)


@pytest.mark.parametrize(("text", "rule", "rest"), [row for row in TIMED if row[1]])
def test_a_time_with_an_hour_makes_a_schedule(text: str, rule: str, rest: str) -> None:
    assert read_when(text, context=CONTEXT) == Timed(rule=rule, rest=rest)


@pytest.mark.parametrize(("text", "why", "keep", "rest"), UNCLEAR)
def test_a_time_with_two_meanings_is_asked_for(text: str, why: str, keep: str, rest: str) -> None:
    read = read_when(text, context=CONTEXT)
    assert isinstance(read, Unclear)
    assert why in read.why
    assert (read.keep, read.rest) == (keep, rest)


@pytest.mark.parametrize("text", NOT_KNOWN)
def test_a_repetition_that_is_not_known_is_never_made_another_one(text: str) -> None:
    assert read_when(text, context=CONTEXT) == NotKnown()


@pytest.mark.parametrize("text", NOTHING)
def test_a_day_without_an_hour_stays_a_word_of_the_sentence(text: str) -> None:
    assert read_when(text, context=CONTEXT) is None


@pytest.mark.parametrize(
    ("answer", "rule"),
    [("9:00", "cron 0 9 * * mon"), ("9am", "cron 0 9 * * mon"), ("at 21:00", "cron 0 21 * * mon")],
)
def test_the_answer_completes_it(answer: str, rule: str) -> None:
    unclear = read_when("every monday expense 12 EUR coffee", context=CONTEXT)
    assert isinstance(unclear, Unclear)
    assert answer_when(unclear, answer, context=CONTEXT) == Timed(rule=rule, rest="expense 12 EUR coffee")


@pytest.mark.parametrize("answer", ["9", "no idea", "9:00 list tasks", "every day", "25:00"])
def test_an_answer_that_makes_nothing_clear_is_asked_again(answer: str) -> None:
    unclear = read_when("every monday expense 12 EUR coffee", context=CONTEXT)
    assert isinstance(unclear, Unclear)
    again = answer_when(unclear, answer, context=CONTEXT)
    assert isinstance(again, Unclear)
    assert (again.keep, again.rest) == ("every monday", "expense 12 EUR coffee")


def test_hours_from_now_are_hours_that_pass() -> None:
    """Two hours later the clock shows 02:30 for the second time; half a minute is made up for."""
    night = replace(CONTEXT, now=datetime(2026, 10, 24, 23, 29, 30, tzinfo=UTC))
    read = read_when("in 2 hours list tasks", context=night)
    assert read == Timed(rule="at 2026-10-25T02:30+01:00", rest="list tasks")
