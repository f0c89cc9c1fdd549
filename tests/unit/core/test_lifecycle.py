from __future__ import annotations

import itertools

import pytest

from core.lifecycle import (
    ENDS,
    EXECUTING,
    INITIAL,
    TRANSITIONS,
    IllegalTransition,
    Status,
    advance,
    in_words,
    phase,
)

# SPEC 2, written out by hand: the table must not be its own witness.
SPEC = {
    "proposed": "pending denied expired cancelled",
    "pending": "running proposed denied expired cancelled",
    "running": "completed validating failed timed_out cancelled interrupted",
    "validating": "completed failed timed_out cancelled interrupted",
    "interrupted": "completed failed",
}
PAIRS = list(itertools.product(Status, Status))


@pytest.mark.parametrize(("current", "to"), PAIRS, ids=lambda status: status.value)
def test_every_pair_of_statuses_steps_as_the_specification_says(current: Status, to: Status) -> None:
    if to.value in SPEC.get(current.value, "").split():
        assert advance(current, to) is to
    else:
        with pytest.raises(IllegalTransition, match=f"{current} -> {to}"):
            advance(current, to)


def test_every_status_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(Status)


def test_ends_are_those_from_which_nothing_leads() -> None:
    assert {status.value for status in ENDS} == {
        "completed",
        "failed",
        "timed_out",
        "cancelled",
        "denied",
        "expired",
    }
    assert {Status.RUNNING, Status.VALIDATING} == EXECUTING
    assert {Status.PROPOSED, Status.PENDING, Status.DENIED} == INITIAL


def test_every_status_can_be_reached() -> None:
    reached = set(INITIAL).union(*TRANSITIONS.values())
    assert reached == set(Status)


def test_every_status_is_said_in_words_of_its_own() -> None:
    words = [in_words(status) for status in Status]
    assert len(set(words)) == len(Status)
    assert in_words(Status.COMPLETED) == "has already been executed"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("proposed", "PENDING"),
        ("pending", "PENDING"),
        ("running", "RUNNING"),
        ("validating", "RUNNING"),
        ("interrupted", "INTERRUPTED"),
        ("expired", "EXPIRED"),
        ("completed", "COMPLETED"),
        ("failed", "FAILED"),
        ("timed_out", "TIMED_OUT"),
        ("cancelled", "CANCELLED"),
        ("denied", "DENIED"),
    ],
)
def test_phase_is_for_simple_clients(status: str, expected: str) -> None:
    assert phase(Status(status)) == expected
