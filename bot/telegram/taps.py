"""Taps on a call's buttons: who taps, where, on which revision; then one verb of the engine."""

from __future__ import annotations

import asyncio
from typing import Final

from telegram import CallbackQuery
from telegram.error import TelegramError

from bot.logs import get_logger
from bot.telegram.buttons import CallButton
from bot.telegram.render import toasts
from bot.telegram.render.message import ALERT_MOST
from bot.telegram.render.parts import one_line
from bot.telegram.render.toasts import Toast
from bot.telegram.tap_verbs import VERBS, NotShownYet, Tap, Tapped, told_no
from bot.telegram.turn import AlreadyHandled, Turn, known_person, principal
from core.engine import Refused
from core.engine.answers import refused
from core.errors import Code, CorruptRecord, Refusal
from core.guards import not_found
from core.ports import Records

log = get_logger(__name__)

STILL_DECIDING_AFTER_S: Final = 8.0
"""A tap is answered once its decision is committed. Storage held up so long: the person is told so."""


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


async def _decided(turn: Turn, button: CallButton, message_id: int) -> Tapped:
    name = f"tap.{button.verb.name.lower()}"
    try:
        return await turn.effect(name, lambda records: _act(records, turn, button, message_id, final=False))
    except NotShownYet:
        await turn.front.relay.settled(turn.chat.id)
    return await turn.effect(name, lambda records: _act(records, turn, button, message_id, final=True))


def _act(records: Records, turn: Turn, button: CallButton, message_id: int, *, final: bool) -> Tapped:
    """One tap, inside its transaction: who taps, which call, on which card; then the button's verb."""
    person = known_person(records, turn)
    by = principal(person.id, turn.front.home, records.people.role(turn.front.home, person.id))
    try:
        call = records.calls.get(button.call_id)
    except CorruptRecord as corrupt:
        return told_no(Refused(refusal=Refusal(Code.CORRUPT_RECORD, corrupt.message)))
    if call is None:
        verb = button.verb.name.lower()
        return told_no(refused(records, not_found(), verb=verb, by=by, now=turn.now.wall))
    card = records.cards.at(turn.chat.id, message_id)
    return VERBS[button.verb](
        Tap(
            records=records,
            turn=turn,
            call=call,
            by=by,
            card=card if card is not None and card.call_id == call.id else None,
            revision=button.revision,
            final=final,
        )
    )
