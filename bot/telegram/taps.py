"""Taps on a call's buttons: who taps, where, on which revision; then one verb of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from telegram import Chat, User
from telegram.error import TelegramError

from bot.logs import get_logger
from bot.telegram import runs
from bot.telegram.buttons import CallButton, RunButton
from bot.telegram.render import toasts
from bot.telegram.render.message import ALERT_MOST
from bot.telegram.render.parts import one_line
from bot.telegram.render.toasts import Toast
from bot.telegram.tap_verbs import VERBS
from bot.telegram.tapping import NotShownYet, Tap, Tapped, acting_on, told_no
from bot.telegram.turn import AlreadyHandled, Front, Turn, known_person
from core.engine import Refused
from core.engine.answers import refused
from core.engine.readable import set_aside
from core.errors import Code, CorruptRecord, Refusal
from core.guards import not_found
from core.ports import Records

log = get_logger(__name__)

STILL_DECIDING_AFTER_S: Final = 8.0
"""A tap is answered once its decision is committed. Storage held up so long: the person is told so."""


class Query(Struct, frozen=True, kw_only=True):
    """A tap as Telegram tells it: on which message (0: on one that is not known), with which data."""

    id: str
    data: str | None
    message_id: int


def read_tap(front: Front, raw: Mapping[str, Any]) -> tuple[Turn, Query]:
    """The turn and the tap of a raw update. Raises KeyError, TypeError, ValueError or AttributeError for one
    that names no person and no chat."""
    told = raw["callback_query"]
    message = told["message"]
    user, chat = User.de_json(told["from"], None), Chat.de_json(message["chat"], None)
    data = told.get("data")
    turn = Turn(
        front=front,
        update_id=int(raw["update_id"]),
        user=user,
        chat=chat,
        thread=message.get("message_thread_id") if message.get("is_topic_message") else None,
        now=front.clock.both(),
    )
    query = Query(
        id=str(told["id"]),
        data=data if isinstance(data, str) else None,
        message_id=int(message["message_id"]),
    )
    return turn, query


async def tap(turn: Turn, query: Query, button: CallButton | RunButton) -> None:
    """Decides, then answers. The cards follow by themselves, from the outbox."""
    deciding = asyncio.ensure_future(_decided(turn, button, query.message_id))
    done, _ = await asyncio.wait({deciding}, timeout=STILL_DECIDING_AFTER_S)
    if not done:
        await answer(turn, query, toasts.still_deciding())
    try:
        tapped = await deciding
    except AlreadyHandled:
        return
    if tapped.look_again and query.message_id:
        turn.front.relay.refresh(turn.chat.id, query.message_id)
    if done:
        await answer(turn, query, tapped.toast)


async def answer(turn: Turn, query: Query, toast: Toast) -> None:
    """Tells the person who tapped. Too late for an answer is no error: the card tells as well."""
    text = one_line(toast.text, ALERT_MOST)
    try:
        await turn.front.api.call(
            "answerCallbackQuery",
            callback_query_id=query.id,
            text=text or None,
            show_alert=toast.alert or None,
        )
    except TelegramError as error:
        log.info("a tap could not be answered", error=str(error))


async def _decided(turn: Turn, button: CallButton | RunButton, message_id: int) -> Tapped:
    name = f"tap.{button.verb.name.lower()}"
    try:
        try:
            return await turn.effect(
                name, lambda records: _act(records, turn, button, message_id, final=False)
            )
        except NotShownYet:
            await turn.front.relay.settled(turn.chat.id)
        return await turn.effect(name, lambda records: _act(records, turn, button, message_id, final=True))
    except CorruptRecord as found:
        corrupt = found
    return await turn.effect(name, lambda records: _unreadable(records, turn, corrupt))


def _unreadable(records: Records, turn: Turn, corrupt: CorruptRecord) -> Tapped:
    """A tap on what cannot be read, whatever of it: nothing is done but that it is set aside, and told."""
    set_aside(records, corrupt, now=turn.now.wall)
    return told_no(Refused(refusal=Refusal(Code.CORRUPT_RECORD, corrupt.message)))


def _act(
    records: Records, turn: Turn, button: CallButton | RunButton, message_id: int, *, final: bool
) -> Tapped:
    """One tap, inside its transaction: who taps, which call, on which card; then the button's verb."""
    if isinstance(button, RunButton):
        return runs.act(records, turn, button, message_id, final=final)
    person = known_person(records, turn)
    call = records.calls.get(button.call_id)
    by = acting_on(records, turn, person, call)
    if call is None:
        verb = button.verb.name.lower()
        return told_no(refused(records, not_found(), verb=verb, by=by, now=turn.now.wall))
    card = records.cards.at(turn.chat.id, message_id)
    shows = card is not None and (card.call_id == call.id or (card.run_id or "") == call.run_id)
    return VERBS[button.verb](
        Tap(
            records=records,
            turn=turn,
            call=call,
            by=by,
            card=card if shows else None,
            message_id=message_id,
            revision=button.revision,
            final=final,
        )
    )
