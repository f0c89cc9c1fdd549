"""What /pause and /resume mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.errors import InvalidInput
from core.model import Target
from core.parsing.pausing import PauseWish, read_end, read_pause, read_resume

BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY_NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # 13:00 in Berlin
ALL, TOOL, ADAPTER = Target.EVERYTHING, Target.TOOL, Target.ADAPTER


def read(text: str) -> PauseWish:
    return read_pause(text, now=FRIDAY_NOON, zone=BERLIN)


@pytest.mark.parametrize(
    ("text", "target", "name", "everywhere", "reason"),
    [
        ("", ALL, "", False, ""),
        ("everything", ALL, "", False, ""),
        ("everywhere", ALL, "", True, ""),
        ("Everything everywhere incident 7", ALL, "", True, "incident 7"),
        ("tool create_task bad data", TOOL, "create_task", False, "bad data"),
        ("TOOL create_task everywhere  bad data", TOOL, "create_task", True, "bad data"),
        ("tool\ncreate_task\tbad data", TOOL, "create_task", False, "bad data"),
        ("everywhere\nincident 7", ALL, "", True, "incident 7"),
        ("adapter mail", ADAPTER, "mail", False, ""),
        ("deploy freeze", ALL, "", False, "deploy freeze"),
        ("for safety reasons", ALL, "", False, "for safety reasons"),
        ("everyone out", ALL, "", False, "everyone out"),
    ],
)
def test_what_is_to_be_paused_and_why(
    text: str, target: Target, name: str, everywhere: bool, reason: str
) -> None:
    assert read(text) == PauseWish(target=target, name=name, everywhere=everywhere, reason=reason)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("for 2h", timedelta(hours=2)),
        ("for 90 minutes", timedelta(minutes=90)),
        ("For 1 day", timedelta(days=1)),
        ("30m", timedelta(minutes=30)),
        ("until 18:00", timedelta(hours=5)),
        ("until 13:00", timedelta(hours=24)),  # is now
        ("until 9am", timedelta(hours=20)),
        ("until 12am", timedelta(hours=11)),
        ("until tomorrow", timedelta(hours=11)),
        ("until tomorrow 8.30", timedelta(hours=19, minutes=30)),
        ("until 21 november 12:15 pm", timedelta(hours=23, minutes=15)),
        ("until monday 9:00", timedelta(hours=68)),
    ],
)
def test_when_it_is_to_end(text: str, after: timedelta) -> None:
    wish = read(f"tool x {text} because of it")
    assert (wish.until, wish.reason) == (FRIDAY_NOON + after, "because of it")
    assert read(text).until == FRIDAY_NOON + after
    assert read_end(text.removeprefix("until "), now=FRIDAY_NOON, zone=BERLIN) == FRIDAY_NOON + after


@pytest.mark.parametrize("text", ["until", "until soon", "until 25:00 x", "tool", "adapter", "until 13pm"])
def test_what_cannot_be_read_pauses_nothing(text: str) -> None:
    if text == "until":  # a word like any other
        assert read(text).reason == "until"
        return
    with pytest.raises(InvalidInput):
        read(text)


def test_an_end_alone_must_be_one() -> None:
    with pytest.raises(InvalidInput, match="18:00"):
        read_end("whenever", now=FRIDAY_NOON, zone=BERLIN)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("it please", None),
        ("everything", PauseWish(target=ALL, name="", everywhere=False)),
        ("everywhere", PauseWish(target=ALL, name="", everywhere=True)),
        ("tool x", PauseWish(target=TOOL, name="x", everywhere=False)),
        ("adapter x everywhere", PauseWish(target=ADAPTER, name="x", everywhere=True)),
        ("tool x now", None),
    ],
)
def test_what_is_to_be_resumed(text: str, found: PauseWish | None) -> None:
    assert read_resume(text) == found
