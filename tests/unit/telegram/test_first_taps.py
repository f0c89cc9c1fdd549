"""The second tap on what is critical: within ten seconds, by the same person, on the same revision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.telegram.first_taps import FirstTaps
from core.ids import CallId, PersonId

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
ANN, BOB, CALL, OTHER = PersonId("ann"), PersonId("bob"), CallId("c"), CallId("o")


def second(
    taps: FirstTaps, *, at: float, update: int, person: PersonId = ANN, call: CallId = CALL, revision: int = 1
) -> bool:
    now = NOW + timedelta(seconds=at)
    return taps.is_second(person, call, revision, update_id=update, now=now)


@pytest.mark.parametrize(("at", "counts"), [(0, True), (9.9, True), (10, True), (10.1, False), (600, False)])
def test_the_second_tap_counts_within_ten_seconds(at: float, counts: bool) -> None:
    taps = FirstTaps()
    assert not second(taps, at=0, update=1)
    assert second(taps, at=at, update=2) is counts


def test_a_tap_that_came_too_late_is_a_first_one() -> None:
    taps = FirstTaps()
    assert not second(taps, at=0, update=1)
    assert not second(taps, at=11, update=2)
    assert second(taps, at=20, update=3)


def test_the_same_update_again_is_the_same_tap() -> None:
    taps = FirstTaps()
    for at in (0, 1, 2):
        assert not second(taps, at=at, update=1)
    assert second(taps, at=3, update=2)
    assert second(taps, at=4, update=2), "and so is the second, where its transaction is tried again"


@pytest.mark.parametrize("other", [{"person": BOB}, {"call": OTHER}, {"revision": 2}])
def test_another_persons_calls_or_revisions_tap_is_a_first_one(other: dict[str, object]) -> None:
    taps = FirstTaps()
    assert not second(taps, at=0, update=1)
    assert not second(taps, at=1, update=2, **other)  # type: ignore[arg-type]
    assert second(taps, at=2, update=3)


def test_only_so_many_are_kept() -> None:
    taps = FirstTaps()
    for number in range(1500):
        second(taps, at=0, update=number, call=CallId(str(number)))
    assert not second(taps, at=1, update=9999, call=CallId("0"))
    assert second(taps, at=1, update=9999, call=CallId("1499"))
