"""Deciding from a chat: by a tap, by a second one where it is critical, with a quick reason, or in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bot.telegram.asking import open_question, put
from bot.telegram.buttons import Verb
from bot.telegram.jobs import shows_whole
from bot.telegram.render import approving, toasts
from bot.telegram.tapping import NotShownYet, Tap, Tapped, told_no
from bot.telegram.turn import Turn
from core.engine import Refused, decide
from core.engine.held import why_held
from core.lifecycle import Status
from core.model import Card, Principal, Risk, ToolCall, Vote
from core.policy.evaluate import eligible
from core.ports import Dialogue, Records

REASON: Final = "reason"
"""A dialogue that waits for a reason in words."""
SAID: Final = "said"
"""A dialogue that holds what a reply to a card said, until it is clear what it is."""

REASONS: Final[Mapping[Verb, str]] = {
    Verb.TOO_EXPENSIVE: "Too expensive",
    Verb.NOT_NOW: "Not now",
    Verb.WRONG_DETAILS: "Wrong details",
    Verb.NOT_ALLOWED: "Not allowed",
}

# "ok but only 800" is no approval and "no problem" no denial: beyond the bare word it takes a colon.
_YES: Final = re.compile(
    r"(?:approved?|ok|okay|yes)(?:\s*:\s*(?P<comment>.*)|[\s.!]*)", re.IGNORECASE | re.DOTALL
)
_NO: Final = re.compile(
    r"(?:(?:deny|denied|reject(?:ed)?)\b[\s:,;.!-]*(?P<reason>.*)|no(?:\s*[:,;]\s*(?P<because>.*)|[\s.!]*))",
    re.IGNORECASE | re.DOTALL,
)


def read_decision(text: str) -> tuple[Vote, str] | None:
    """The decision that a reply to a card spells, with its comment; None where it is not plainly one."""
    yes = _YES.fullmatch(text.strip())
    if yes is not None:
        return Vote.APPROVED, (yes["comment"] or "").strip()
    no = _NO.fullmatch(text.strip())
    if no is not None:
        return Vote.DENIED, (no["reason"] or no["because"] or "").strip()
    return None


def approve(tap: Tap) -> Tapped:
    """Signs what the card shows; where it is critical, from the second tap on."""
    note_delivery(tap.records, tap.turn, tap.call, tap.by, tap.card, final=tap.final)
    if _asks_once_more(tap):
        return Tapped(toasts.once_more())
    return vote(tap, Vote.APPROVED)


def deny(tap: Tap) -> Tapped:
    """Says no."""
    return vote(tap, Vote.DENIED)


def vote(tap: Tap, cast: Vote, comment: str = "") -> Tapped:
    """Counts one vote, and tells what it came to."""
    decided = decide(
        tap.records,
        by=tap.by,
        call_id=tap.call.id,
        revision=tap.revision,
        vote=cast,
        comment=comment,
        shown=tap.shown,
        now=tap.turn.now,
        env=tap.turn.front.env,
    )
    if isinstance(decided, Refused):
        return told_no(decided)
    if decided.repeated:
        return Tapped(toasts.voted_before(decided.call, decided.approval), look_again=True)
    held, _ = why_held(tap.records, decided.call, now=tap.turn.now.wall, env=tap.turn.front.env)
    return Tapped(toasts.voted(decided.call, cast, held=held))


def note_delivery(
    records: Records, turn: Turn, call: ToolCall, by: Principal, card: Card | None, *, final: bool
) -> None:
    """A card that shows everything counts as delivered to the person who answers it there. Raises NotShownYet
    where it is not known yet what it shows."""
    if by.person is None or call.status is not Status.PROPOSED:
        return
    if card is not None and shows_whole(records, card, call):
        records.cards.delivered(call.id, by.person, call.consent_digest, now=turn.now.wall)
    elif not final and not records.cards.was_delivered(call.id, by.person, call.consent_digest):
        raise NotShownYet


def _asks_once_more(tap: Tap) -> bool:
    """Whether this is a first tap on a critical call, which would count if it were the second."""
    call, person = tap.call, tap.by.person
    if call.risk is not Risk.CRITICAL or call.status is not Status.PROPOSED or person is None:
        return False
    if tap.revision != call.revision or not _could_sign(tap):
        return False
    if any(a.person_id == person and a.revision == call.revision for a in tap.records.approvals.of(call.id)):
        return False
    return not tap.turn.front.first_taps.is_second(
        person, call.id, call.revision, update_id=tap.turn.update_id, now=tap.turn.now.real
    )


def _could_sign(tap: Tap) -> bool:
    call, person = tap.call, tap.by.person
    return (
        person is not None
        and eligible(call.verdict, requester=call.requester_id, person=person, role=tap.role)
        and tap.records.cards.was_delivered(call.id, person, call.consent_digest)
    )


def open_reasons(tap: Tap) -> Tapped:
    """Offers the quick reasons, in a message of its own."""
    problem = tap.not_open() or tap.not_a_decider()
    if problem is not None:
        return tap.refuse(problem, "reasons")
    tap.say(approving.reasons(tap.call, name=tap.name, quick=REASONS))
    return Tapped(toasts.choose_below())


def deny_because(tap: Tap, reason: str) -> Tapped:
    """Says no for a reason, and closes the question about it."""
    tapped = vote(tap, Vote.DENIED, reason)
    if not tapped.toast.alert:
        tap.rewrite(approving.decided(tap.call, Vote.DENIED, reason))
    return tapped


def ask_reason(tap: Tap) -> Tapped:
    """Asks for a reason in words."""
    problem = tap.not_open() or tap.not_a_decider()
    if problem is not None:
        return tap.refuse(problem, "reason")
    state = {"call": tap.call.id, "revision": tap.revision, "message": tap.message_id}
    put(tap.records, tap.turn, tap.by, REASON, state)
    tap.say(approving.which_reason(tap.call, name=tap.name), ask="the reason")
    return Tapped(toasts.write_below())


def is_open(tap: Tap) -> bool:
    """Whether this person's open question here is about the tapped call."""
    return _held(tap) is not None


def _held(tap: Tap) -> Dialogue | None:
    if tap.by.person is None:
        return None
    dialogue = open_question(tap.records, tap.turn, tap.by.person)
    if dialogue is None or dialogue.kind not in {REASON, SAID} or dialogue.state["call"] != tap.call.id:
        return None
    return dialogue


def deny_with_it(tap: Tap) -> Tapped:
    """What a reply to the card said is why not."""
    return _with_it(tap, Vote.DENIED)


def approve_with_it(tap: Tap) -> Tapped:
    """What a reply to the card said is a comment. A critical call is signed by its own button only."""
    return _with_it(tap, Vote.APPROVED)


def _with_it(tap: Tap, cast: Vote) -> Tapped:
    dialogue = _held(tap)
    if dialogue is None or dialogue.kind != SAID:
        return Tapped(toasts.too_old())
    if cast is Vote.APPROVED and tap.call.risk is Risk.CRITICAL:
        return tap.refuse(approving.by_button(), "decide.approved")
    if cast is Vote.APPROVED:
        note_delivery(tap.records, tap.turn, tap.call, tap.by, tap.here, final=tap.final)
    tapped = vote(tap, cast, str(dialogue.state["text"]))
    if not tapped.toast.alert and tap.by.person is not None:
        tap.records.dialogues.drop(tap.turn.chat.id, tap.by.person)
        tap.rewrite(approving.decided(tap.call, cast, str(dialogue.state["text"])))
    return tapped
