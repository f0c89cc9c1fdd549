"""What a reply to a card spells: plainly a decision, or nothing that would count as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.telegram.decisions import REASONS, read_decision
from core.model import Vote


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("ok", ""),
        ("OK!", ""),
        (" yes. ", ""),
        ("Approved", ""),
        ("approve", ""),
        ("okay: within budget", "within budget"),
        ("approve : as agreed\nwith Ann", "as agreed\nwith Ann"),
    ],
)
def test_an_approval_is_a_word_or_a_word_and_a_colon(text: str, comment: str) -> None:
    assert read_decision(text) == (Vote.APPROVED, comment)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no", ""),
        ("No.", ""),
        ("no, too expensive", "too expensive"),
        ("no: not now", "not now"),
        ("deny", ""),
        ("deny: wrong supplier", "wrong supplier"),
        ("Deny wrong supplier", "wrong supplier"),
        ("rejected, see mail", "see mail"),
    ],
)
def test_a_denial_says_no_and_perhaps_why(text: str, reason: str) -> None:
    assert read_decision(text) == (Vote.DENIED, reason)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok but only 800",
        "ok, but only 800",
        "okay then we will see",
        "yes if Ann agrees",
        "approve this only for 800",
        "not ok",
        "no problem",
        "no objections",
        "now",
        "nope it is fine",
        "denying is not needed",
        "oks",
        "looks ok",
        "amount: 800",
        "\u043ek",  # a Cyrillic letter
    ],
)
def test_what_could_mean_something_else_is_no_decision(text: str) -> None:
    assert read_decision(text) is None


@given(st.text(max_size=200))
def test_whatever_is_read_as_an_approval_begins_with_the_word(text: str) -> None:
    found = read_decision(text)
    if found is not None and found[0] is Vote.APPROVED:
        assert text.strip().casefold().startswith(("ok", "yes", "approve"))


def test_a_comment_is_read_whole_however_long_it_is() -> None:
    assert read_decision("no: " + "x" * 9000) == (Vote.DENIED, "x" * 9000)
    assert read_decision("ok: " + "x" * 9000) == (Vote.APPROVED, "x" * 9000)


def test_the_quick_reasons_are_the_usual_ones() -> None:
    assert list(REASONS.values()) == ["Too expensive", "Not now", "Wrong details", "Not allowed"]
