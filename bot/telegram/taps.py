"""Taps on a call's buttons: who taps, where, on which revision; then one verb of the engine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from telegram import CallbackQuery
from telegram.error import TelegramError

from bot.telegram.buttons import CallButton, Verb
from bot.telegram.render import texts, toasts
from bot.telegram.render.message import ALERT_MOST
from bot.telegram.render.parts import one_line
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import reply
from bot.telegram.turn import AlreadyHandled, Turn, known_person, principal
from core.engine import Decided, Marked, Proposed, Refused, cancel, decide, mark, undo
from core.engine.answers import refused
from core.engine.propose import ask_again
from core.engine.routing import show_here
from core.errors import Code, CorruptRecord, Refusal
from core.guards import not_found, visible
from core.lifecycle import Status
from core.model import Card, Principal, ToolCall, Vote
from core.ports import Records

log = structlog.get_logger(__name__)

STILL_DECIDING_AFTER_S: Final = 8.0
"""A tap is answered once its decision is committed. Storage held up so long: the person is told so."""


@dataclass(frozen=True, slots=True)
class _Tapped:
    """What a tap came to. `look_again`: the message it was on shows something old."""

    toast: Toast
    look_again: bool = False


class _NotShownYet(Exception):
    """The card that was tapped is on its way through the relay: what it shows is recorded in a moment."""


async def tap(turn: Turn, query: CallbackQuery, button: CallButton) -> None:
    """Decides, then answers. The cards follow by themselves, from the outbox."""
    message_id = query.message.message_id if query.message else 0
    deciding = asyncio.ensure_future(_decided(turn, button, message_id))
    done, _ = await asyncio.wait({deciding}, timeout=STILL_DECIDING_AFTER_S)
    if not done:
        await answer(query, toasts.still_deciding())
    try:
        tapped = await deciding
    except AlreadyHandled:
        return
    if tapped.look_again and message_id:
        turn.front.relay.refresh(turn.chat.id, message_id)
    if done:
        await answer(query, tapped.toast)


async def answer(query: CallbackQuery, toast: Toast) -> None:
    """Tells the person who tapped. Too late for an answer is no error: the card tells as well."""
    try:
        await query.answer(one_line(toast.text, ALERT_MOST), show_alert=toast.alert)
    except TelegramError as error:
        log.info("a tap could not be answered", error=str(error))


async def _decided(turn: Turn, button: CallButton, message_id: int) -> _Tapped:
    name = f"tap.{button.verb.name.lower()}"
    try:
        return await turn.effect(name, lambda records: _act(records, turn, button, message_id, final=False))
    except _NotShownYet:
        await turn.front.relay.settled(turn.chat.id)
    return await turn.effect(name, lambda records: _act(records, turn, button, message_id, final=True))


def _act(records: Records, turn: Turn, button: CallButton, message_id: int, *, final: bool) -> _Tapped:
    """One tap, inside its transaction."""
    now, env = turn.now, turn.front.env
    person = known_person(records, turn)
    by = principal(person.id, turn.front.home, records.people.role(turn.front.home, person.id))
    try:
        call = records.calls.get(button.call_id)
    except CorruptRecord as corrupt:
        return _refused(Refused(refusal=Refusal(Code.CORRUPT_RECORD, corrupt.message)))
    card = records.cards.at(turn.chat.id, message_id)
    if card is not None and card.call_id != button.call_id:
        card = None
    if call is None:
        return _refused(refused(records, not_found(), verb=button.verb.name.lower(), by=by, now=now.wall))
    shown = card is not None
    match button.verb:
        case Verb.APPROVE | Verb.DENY:
            vote = Vote.APPROVED if button.verb is Verb.APPROVE else Vote.DENIED
            _note_delivery(records, call, card, by, turn, final=final or vote is Vote.DENIED)
            decided = decide(
                records,
                by=by,
                call_id=call.id,
                revision=button.revision,
                vote=vote,
                shown=shown,
                now=now,
                env=env,
            )
            return _voted(decided, vote)
        case Verb.CANCEL:
            withdrawn = cancel(records, by=by, call_id=call.id, shown=shown, now=now, env=env)
            return _proposed(withdrawn, toasts.withdrawn())
        case Verb.UNDO:
            undone = undo(records, by=by, call_id=call.id, shown=shown, now=now, env=env)
            return _proposed(undone, toasts.undoing(undone))
        case Verb.AGAIN:
            return _again(records, turn, call, by, shown=shown)
        case Verb.MARK_DONE | Verb.MARK_NOT_DONE | Verb.RUN_AGAIN:
            marked = mark(
                records,
                by=by,
                call_id=call.id,
                done=button.verb is Verb.MARK_DONE,
                run_again=button.verb is Verb.RUN_AGAIN,
                shown=shown,
                now=now,
                env=env,
            )
            return _marked(marked)
        case Verb.DETAILS:
            return _show_again(records, turn, call, by)
        case _:
            return _Tapped(toasts.unknown_button())


def _note_delivery(
    records: Records, call: ToolCall, card: Card | None, by: Principal, turn: Turn, *, final: bool
) -> None:
    """A card that shows everything counts as delivered to the person who taps it there."""
    if by.person is None or call.status is not Status.PROPOSED:
        return
    if card is not None and card.shown_digest == call.consent_digest:
        records.cards.delivered(call.id, by.person, call.consent_digest, now=turn.now.wall)
    elif not final and not records.cards.was_delivered(call.id, by.person, call.consent_digest):
        raise _NotShownYet


def _show_again(records: Records, turn: Turn, call: ToolCall, by: Principal) -> _Tapped:
    """Brings the card of a call to the end of this chat; the older copy loses its buttons."""
    role = None if by.person is None else records.people.role(call.tenant_id, by.person)
    if role is None or not visible(call, by=by, role=role):
        return _refused(refused(records, not_found(), verb="show", by=by, now=turn.now.wall, call=call))
    here = next((card for card in records.cards.of(call.id) if card.chat == turn.chat.id), None)
    if here is not None and here.message_id is not None:
        if here.private and by.person is not None and here.shown_digest == call.consent_digest:
            records.cards.delivered(call.id, by.person, call.consent_digest, now=turn.now.wall)
        old, front = here.message_id, turn.front
        reply(records, front.home, turn.chat.id, texts.moved_below(call), now=turn.now.wall, edit=old)
    show_here(
        records,
        call,
        chat=turn.chat.id,
        thread=turn.thread,
        private=turn.private,
        env=turn.front.env,
    )
    return _Tapped(toasts.done())


def _again(records: Records, turn: Turn, call: ToolCall, by: Principal, *, shown: bool) -> _Tapped:
    role = None if by.person is None else records.people.role(call.tenant_id, by.person)
    if role is None or not (shown or visible(call, by=by, role=role)):
        refusal = not_found() if role else Refusal(Code.NOT_A_MEMBER, "You have no access here.")
        return _refused(refused(records, refusal, verb="again", by=by, now=turn.now.wall, call=call))
    fresh = ask_again(records, call, by=by, now=turn.now, env=turn.front.env)
    return _proposed(fresh, toasts.asked_again())


def _voted(decided: Decided | Refused, vote: Vote) -> _Tapped:
    if isinstance(decided, Refused):
        return _refused(decided)
    if decided.repeated:
        return _Tapped(toasts.voted_before(decided.call, decided.approval), look_again=True)
    return _Tapped(toasts.voted(decided.call, vote))


def _proposed(proposed: Proposed | Refused, toast: Toast) -> _Tapped:
    if isinstance(proposed, Refused):
        return _refused(proposed)
    if proposed.repeated:
        return _Tapped(toasts.there_already(proposed.call), look_again=True)
    return _Tapped(toast)


def _marked(marked: Marked | Refused) -> _Tapped:
    if isinstance(marked, Refused):
        return _refused(marked)
    if isinstance(marked.again, Refused):
        return _Tapped(toasts.refusal(marked.again.refusal))
    return _Tapped(toasts.marked(marked.call, again=marked.again is not None))


def _refused(answered: Refused) -> _Tapped:
    stale = answered.refusal.code in {
        Code.ALREADY_DECIDED,
        Code.STALE_REVISION,
        Code.NOT_PENDING,
        Code.NOT_INTERRUPTED,
        Code.NOT_UNDOABLE,
    }
    return _Tapped(toasts.refusal(answered.refusal), look_again=stale)
