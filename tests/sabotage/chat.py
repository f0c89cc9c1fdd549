"""Controls of the chat's own: what a tap or a reply must be before it counts."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

_SIGNING = "tests/e2e/test_signing.py"
_REPLIES = "tests/e2e/test_card_replies.py"

CHAT: Final = (
    Control(
        name="no list is written over a card",
        file="bot/telegram/replies.py",
        old="    if edit is not None and records.cards.at(turn.chat.id, edit) is not None:",
        new="    if edit == -1:",
        tests=("tests/e2e/test_lists.py::test_a_forged_tap_does_not_write_over_a_card",),
    ),
    Control(
        name="a second tap on what is critical",
        file="bot/telegram/decisions.py",
        old="    if _asks_once_more(tap):",
        new="    if False:",
        tests=(f"{_SIGNING}::test_a_critical_call_needs_two_people_who_tap_twice",),
    ),
    Control(
        name="the same update again is the same tap",
        file="bot/telegram/first_taps.py",
        old="earlier is not None and earlier[0] != update_id and now",
        new="earlier is not None and now",
        tests=("tests/unit/telegram/test_first_taps.py::test_the_same_update_again_is_the_same_tap",),
    ),
    Control(
        name="words do not sign what is critical",
        file="bot/telegram/replying.py",
        old="    elif decision[0] is Vote.APPROVED and one.call.risk is Risk.CRITICAL:",
        new="    elif decision[0] is None:",
        tests=(f"{_SIGNING}::test_words_do_not_sign_what_is_critical",),
    ),
    Control(
        name="forwarded words decide nothing",
        file="bot/telegram/replying.py",
        old='    if message.forward_origin is not None or text.startswith("/"):',
        new='    if text.startswith("/"):',
        tests=(f"{_REPLIES}::test_forwarded_words_decide_nothing",),
    ),
)
