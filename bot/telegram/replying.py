"""Replies to cards, and answers to questions about one: a decision in words, a change, or neither."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from msgspec import Struct
from telegram import Message

from bot.telegram.asking import put
from bot.telegram.decisions import REASON, SAID, note_delivery, read_decision
from bot.telegram.editing import VALUE, answered, written
from bot.telegram.render import approving, texts
from bot.telegram.render.message import Shown
from bot.telegram.replies import reply
from bot.telegram.tapping import NotShownYet, acting_on, card_here
from bot.telegram.turn import Turn, keep, known_person, place
from core.engine import Decided, Refused, decide
from core.engine.answers import refused
from core.errors import Code, CorruptRecord, Refusal
from core.ids import CallId
from core.lifecycle import Status
from core.model import Card, Principal, Risk, ToolCall, Vote
from core.parsing.edits import looks_like_changes
from core.policy.evaluate import eligible
from core.ports import Dialogue, Records

ABOUT_CALLS: Final = frozenset({VALUE, REASON})
"""Dialogues whose answer is about one call."""
ANSWERED_WITHIN: Final = timedelta(minutes=15)


class Said(Struct, frozen=True, kw_only=True):
    """What somebody wrote about a call: in answer to the card, or to a question (`state`) of this kind."""

    records: Records
    turn: Turn
    message: Message
    text: str
    call: ToolCall
    by: Principal
    card: Card | None
    final: bool
    kind: str = ""
    state: Mapping[str, Any] | None = None

    def answer(self, shown: Shown, *, ask: str | None = None) -> None:
        """One short message back; in a group as a reply."""
        in_reply = not self.turn.private or ask is not None
        reply(
            self.records,
            self.call.tenant_id,
            self.turn.chat.id,
            shown,
            now=self.turn.now.wall,
            thread=self.turn.thread,
            reply_to=self.message.message_id if in_reply else None,
            ask=ask,
        )

    def refuse(self, refusal: Refusal, verb: str) -> None:
        """Records a refusal of this door's own, and tells it."""
        wall = self.turn.now.wall
        told = refused(self.records, refusal, verb=verb, by=self.by, now=wall, call=self.call)
        self.answer(texts.refusal(told.refusal))


def is_about_a_call(
    records: Records, turn: Turn, message: Message, text: str, dialogue: Dialogue | None
) -> bool:
    """Whether these words are meant for a call that waits, and not as something new. What is forwarded never
    is, and a reply of somebody who has no say in the call only where it is plainly a decision or a change."""
    if message.forward_origin is not None or text.startswith("/"):
        return False
    card = _card_replied_to(records, turn, message)
    if card is None:
        return asks_about_a_call(dialogue, turn)
    call = None if card.run_id is not None else records.calls.get(card.call_id)
    if call is None or call.status is not Status.PROPOSED:
        return False
    tool = turn.front.env.registry.find(call.tool)
    plain = read_decision(text) is not None or (tool is not None and looks_like_changes(tool, text))
    return plain or _has_a_say(records, turn, call)


def asks_about_a_call(dialogue: Dialogue | None, turn: Turn) -> bool:
    """Whether a question about a call is open. After a while what somebody writes is no answer to it."""
    if dialogue is None or dialogue.kind not in ABOUT_CALLS:
        return False
    return turn.now.wall - dialogue.at <= ANSWERED_WITHIN


def _has_a_say(records: Records, turn: Turn, call: ToolCall) -> bool:
    speaker = turn.speaker(records)
    if speaker.person is None:
        return False
    role = records.people.role(call.tenant_id, speaker.person.id)
    return eligible(call.verdict, requester=call.requester_id, person=speaker.person.id, role=role)


def _card_replied_to(records: Records, turn: Turn, message: Message) -> Card | None:
    replied = message.reply_to_message
    return None if replied is None else records.cards.at(turn.chat.id, replied.message_id)


async def said(turn: Turn, message: Message, text: str) -> None:
    """Acts on what `is_about_a_call` found to be so."""
    with suppress(NotShownYet):
        await turn.effect("said.call", lambda records: _act(records, turn, message, text, final=False))
        return
    await turn.front.relay.settled(turn.chat.id)
    await turn.effect("said.call", lambda records: _act(records, turn, message, text, final=True))


def _act(records: Records, turn: Turn, message: Message, text: str, *, final: bool) -> None:
    person = known_person(records, turn)
    dialogue = None
    with suppress(CorruptRecord):
        dialogue = records.dialogues.get(turn.chat.id, person.id)
    replied = _card_replied_to(records, turn, message)
    asked = dialogue if replied is None and asks_about_a_call(dialogue, turn) else None
    about = CallId(str(asked.state["call"])) if asked else replied.call_id if replied else None
    call = None if about is None else records.calls.get(about)
    if call is None:
        return
    by = acting_on(records, turn, person, call)
    keep(records, turn, place(records, turn, person.id), person, number=message.message_id, text=text)
    one = Said(
        records=records,
        turn=turn,
        message=message,
        text=text,
        call=call,
        by=by,
        card=card_here(records, turn, call) if asked else replied,
        final=final,
        kind=asked.kind if asked else "",
        state=asked.state if asked else None,
    )
    if asked is None:
        _reply_to_card(one)
    elif asked.kind == REASON:
        told = _decide(one, Vote.DENIED, text.strip(), revision=int(asked.state["revision"]))
        if not (isinstance(told, Refused) and told.refusal.code is Code.INVALID_INPUT):
            records.dialogues.drop(turn.chat.id, person.id)
    else:
        _value(one, asked.state)


def _value(one: Said, state: Mapping[str, Any]) -> None:
    """The new value of a field; where it does not fit, the question stays open."""
    shown, ask = answered(one.records, one.turn, one.call, one.by, state, one.text)
    if ask is None and one.by.person is not None:
        one.records.dialogues.drop(one.turn.chat.id, one.by.person)
    one.answer(shown, ask=ask)


def _reply_to_card(one: Said) -> None:
    tool = one.turn.front.env.registry.find(one.call.tool)
    changes = tool is not None and looks_like_changes(tool, one.text)
    decision = None if changes else read_decision(one.text)
    if tool is not None and changes:
        one.answer(written(one.records, one.turn, one.call, one.by, tool, one.text))
    elif decision is None:
        _ask_what_it_is(one)
    elif _was_written_before(one):
        told = "This request changed while you wrote. Please look at it again; nothing was changed."
        one.refuse(Refusal(Code.STALE_REVISION, told, current_revision=one.call.revision), "decide")
    elif decision[0] is Vote.APPROVED and one.call.risk is Risk.CRITICAL:
        one.refuse(approving.by_button(), "decide.approved")
    else:
        _decide(one, *decision, revision=one.call.revision)


def _was_written_before(one: Said) -> bool:
    """Whether the call changed after the words were written: they name no revision, as a button does. When
    they were written is known to the second: of one and the same nobody knows which came first."""
    written_at = int(one.message.date.timestamp())
    return one.call.revision > 1 and written_at <= int(one.call.changed_at.timestamp())


def _decide(one: Said, vote: Vote, comment: str, *, revision: int) -> Decided | Refused:
    """Counts a decision in words, by the same checks as a tap on the card."""
    if vote is Vote.APPROVED:
        note_delivery(one.records, one.turn, one.call, one.by, one.card, final=one.final)
    decided = decide(
        one.records,
        by=one.by,
        call_id=one.call.id,
        revision=revision,
        vote=vote,
        comment=comment,
        shown=one.card is not None,
        now=one.turn.now,
        env=one.turn.front.env,
    )
    if isinstance(decided, Refused):
        one.answer(texts.refusal(decided.refusal))
    elif decided.repeated:
        one.answer(approving.voted_before(decided.call))
    else:
        one.answer(approving.counted(decided.call, vote))
    return decided


def _ask_what_it_is(one: Said) -> None:
    state = {
        "call": one.call.id,
        "revision": one.call.revision,
        "text": one.text.strip(),
        "message": one.message.message_id,
    }
    put(one.records, one.turn, one.by, SAID, state)
    one.answer(approving.what_is_it(one.call, one.text.strip()))
