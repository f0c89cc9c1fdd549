"""What each button on a call does: one verb of the engine a button, and what the person is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.telegram.buttons import Verb
from bot.telegram.render import texts, toasts
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import reply
from bot.telegram.turn import Turn
from core.engine import Proposed, Refused, ask_again, cancel, decide, mark, undo
from core.engine.answers import refused
from core.engine.routing import show_here
from core.errors import Code, Refusal
from core.guards import not_found, visible
from core.lifecycle import Status
from core.model import Card, Principal, Role, ToolCall, Vote
from core.ports import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """One tap, inside its transaction. `card` is the tapped message, if it is a card of this call; `final`
    says that what the chat shows has settled."""

    records: Records
    turn: Turn
    call: ToolCall
    by: Principal
    card: Card | None
    revision: int
    final: bool

    @property
    def shown(self) -> bool:
        """Whether the person sees this call in the chat in which they tap."""
        return self.card is not None

    @property
    def role(self) -> Role | None:
        """The person's role in the call's tenant today."""
        return (
            None if self.by.person is None else self.records.people.role(self.call.tenant_id, self.by.person)
        )

    def refuse(self, refusal: Refusal, verb: str) -> Tapped:
        """Records a refusal of this door's own, and tells it."""
        answer = refused(self.records, refusal, verb=verb, by=self.by, now=self.turn.now.wall, call=self.call)
        return told_no(answer)


@dataclass(frozen=True, slots=True)
class Tapped:
    """What a tap came to. `look_again`: the message it was on shows something old."""

    toast: Toast
    look_again: bool = False


class NotShownYet(Exception):
    """The card that was tapped is on its way through the relay: what it shows is recorded in a moment."""


_SHOWS_SOMETHING_OLD: Final = frozenset(
    {
        Code.ALREADY_DECIDED,
        Code.STALE_REVISION,
        Code.NOT_PENDING,
        Code.NOT_INTERRUPTED,
        Code.NOT_UNDOABLE,
    }
)


def told_no(answer: Refused) -> Tapped:
    """A tap that did not count, and why."""
    return Tapped(toasts.refusal(answer.refusal), look_again=answer.refusal.code in _SHOWS_SOMETHING_OLD)


def _approve(tap: Tap) -> Tapped:
    _note_delivery(tap)
    return _vote(tap, Vote.APPROVED)


def _deny(tap: Tap) -> Tapped:
    return _vote(tap, Vote.DENIED)


def _vote(tap: Tap, vote: Vote) -> Tapped:
    decided = decide(
        tap.records,
        by=tap.by,
        call_id=tap.call.id,
        revision=tap.revision,
        vote=vote,
        shown=tap.shown,
        now=tap.turn.now,
        env=tap.turn.front.env,
    )
    if isinstance(decided, Refused):
        return told_no(decided)
    if decided.repeated:
        return Tapped(toasts.voted_before(decided.call, decided.approval), look_again=True)
    return Tapped(toasts.voted(decided.call, vote))


def _note_delivery(tap: Tap) -> None:
    """A card that shows everything counts as delivered to the person who taps it there."""
    records, call, person = tap.records, tap.call, tap.by.person
    if person is None or call.status is not Status.PROPOSED:
        return
    if tap.card is not None and tap.card.shown_digest == call.consent_digest:
        records.cards.delivered(call.id, person, call.consent_digest, now=tap.turn.now.wall)
    elif not tap.final and not records.cards.was_delivered(call.id, person, call.consent_digest):
        raise NotShownYet


def _cancel(tap: Tap) -> Tapped:
    withdrawn = cancel(
        tap.records, by=tap.by, call_id=tap.call.id, shown=tap.shown, now=tap.turn.now, env=tap.turn.front.env
    )
    return _proposed(withdrawn, toasts.withdrawn())


def _undo(tap: Tap) -> Tapped:
    undone = undo(
        tap.records, by=tap.by, call_id=tap.call.id, shown=tap.shown, now=tap.turn.now, env=tap.turn.front.env
    )
    return _proposed(undone, toasts.undoing(undone))


def _again(tap: Tap) -> Tapped:
    if tap.role is None:
        return tap.refuse(Refusal(Code.NOT_A_MEMBER, "You have no access here."), "again")
    if not (tap.shown or visible(tap.call, by=tap.by, role=tap.role)):
        return tap.refuse(not_found(), "again")
    fresh = ask_again(tap.records, tap.call, by=tap.by, now=tap.turn.now, env=tap.turn.front.env)
    return _proposed(fresh, toasts.asked_again())


def _mark_done(tap: Tap) -> Tapped:
    return _mark(tap, done=True)


def _mark_not_done(tap: Tap) -> Tapped:
    return _mark(tap, done=False)


def _run_again(tap: Tap) -> Tapped:
    return _mark(tap, done=False, run_again=True)


def _mark(tap: Tap, *, done: bool, run_again: bool = False) -> Tapped:
    marked = mark(
        tap.records,
        by=tap.by,
        call_id=tap.call.id,
        done=done,
        run_again=run_again,
        shown=tap.shown,
        now=tap.turn.now,
        env=tap.turn.front.env,
    )
    if isinstance(marked, Refused):
        return told_no(marked)
    if isinstance(marked.again, Refused):
        return Tapped(toasts.refusal(marked.again.refusal))
    return Tapped(toasts.marked(marked.call, again=marked.again is not None))


def _show_here(tap: Tap) -> Tapped:
    """Brings the card to the end of this chat; the older copy loses its buttons."""
    records, turn, call, by = tap.records, tap.turn, tap.call, tap.by
    if tap.role is None or not visible(call, by=by, role=tap.role):
        return tap.refuse(not_found(), "show")
    here = next((card for card in records.cards.of(call.id) if card.chat == turn.chat.id), None)
    if here is not None and here.message_id is not None:
        if here.private and by.person is not None and here.shown_digest == call.consent_digest:
            records.cards.delivered(call.id, by.person, call.consent_digest, now=turn.now.wall)
        moved = texts.moved_below(call)
        reply(records, turn.front.home, turn.chat.id, moved, now=turn.now.wall, edit=here.message_id)
    show_here(records, call, chat=turn.chat.id, thread=turn.thread, private=turn.private, env=turn.front.env)
    return Tapped(toasts.done())


def _proposed(answer: Proposed | Refused, toast: Toast) -> Tapped:
    if isinstance(answer, Refused):
        return told_no(answer)
    if answer.repeated:
        return Tapped(toasts.there_already(answer.call), look_again=True)
    return Tapped(toast)


VERBS: Final[Mapping[Verb, Callable[[Tap], Tapped]]] = {
    Verb.APPROVE: _approve,
    Verb.DENY: _deny,
    Verb.CANCEL: _cancel,
    Verb.UNDO: _undo,
    Verb.AGAIN: _again,
    Verb.MARK_DONE: _mark_done,
    Verb.MARK_NOT_DONE: _mark_not_done,
    Verb.RUN_AGAIN: _run_again,
    Verb.DETAILS: _show_here,
}
