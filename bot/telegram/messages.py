"""What people write: understood, asked about where it is unclear, proposed where it is clear."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from msgspec import Struct
from telegram import Message

from bot.telegram import pausing, replying, scheduling
from bot.telegram.asking import as_state, from_state, open_question, put
from bot.telegram.buttons import Page, PageButton
from bot.telegram.render import texts
from bot.telegram.render.message import Shown
from bot.telegram.replies import say
from bot.telegram.runs import propose_several
from bot.telegram.turn import Speaker, Turn, keep, known_person, place
from core.engine import Proposal, Refused, propose
from core.errors import CorruptRecord, InvalidInput
from core.model import Channel, Conversation, Person, Principal
from core.parsing import (
    Candidate,
    ParseContext,
    Reading,
    Understood,
    fill,
    question,
    understand,
    understand_several,
)
from core.ports import Dialogue, Records

Act = Callable[[Turn, Message], Awaitable[None]]

ASK = "ask"
CHOOSE = "choose"
NONE_OF_THESE = "none"
_HELP_WORDS = frozenset(
    {"help", "hello", "hi", "hey", "what can you do", "what can i do", "how does this work", "commands"}
)


class _Heard(Struct, frozen=True, kw_only=True):
    """What is known before a text is read."""

    speaker: Speaker
    dialogue: Dialogue | None
    about_a_call: bool
    under_a_card: bool  # in reply to one: no answer to a question that was asked elsewhere
    replies_to_what_is_under_way: bool  # to a message of this bot of which it is not known yet what it is


async def said(turn: Turn, message: Message) -> None:
    """A text: the answer to an open question, or something new."""
    text = message.text or message.caption or ""
    addressed = turn.private or _addresses(turn, message)
    heard = await turn.front.reader.read(lambda records: _hear(records, turn, message))
    if heard.replies_to_what_is_under_way:
        await turn.front.relay.settled(turn.chat.id)
        heard = await turn.front.reader.read(lambda records: _hear(records, turn, message))
    answers = heard.dialogue is not None and not text.startswith("/")
    if not addressed:
        await turn.effect("ignored", lambda records: None)
        return
    if heard.speaker.role is None:
        await turn.effect("stranger", lambda records: _no_access(records, turn, message))
        return
    plain = _without_mention(text, turn.front.bot_username)
    quoted = message.forward_origin is not None
    if answers and not (heard.under_a_card or quoted) and pausing.asks_why(heard.dialogue, turn):
        await pausing.reasoned(turn, plain)
        return
    if heard.about_a_call:
        await replying.said(turn, message, plain)
        return
    if plain.casefold().strip(" .!?") in _HELP_WORDS and not answers:
        role = heard.speaker.role
        await turn.effect("said", lambda records: _reply(records, turn, message, texts.help(role)))
        return
    context = ParseContext(
        now=turn.now.wall,
        timezone=heard.speaker.timezone,
        currency=heard.speaker.currency,
        quoted=quoted,
    )
    if await scheduling.said(turn, message, plain, context, heard.dialogue):
        return
    registry = turn.front.env.registry
    if answers and heard.dialogue is not None and heard.dialogue.kind == ASK:
        understood = _answered(turn, heard.dialogue, plain, context)
    elif several := understand_several(plain, registry=registry, context=context):
        await turn.effect("said.several", lambda records: _several(records, turn, message, text, several))
        return
    else:
        understood = understand(plain, registry=registry, context=context)
    await turn.effect("said", lambda records: _act(records, turn, message, text, understood))


async def not_text(turn: Turn, message: Message) -> None:
    """A sticker, a voice message, a place: said plainly that it is not read."""
    await turn.effect("not_text", lambda records: _reply(records, turn, message, texts.only_text()))


def note_forged(records: Records, turn: Turn) -> None:
    """A button that this bot never made leaves a trace."""
    records.audit.append(
        "refused",
        tenant_id=None,
        actor=f"telegram:{turn.user.id}",
        content={"verb": "tap", "code": "unknown_button", "channel": Channel.TELEGRAM.value},
        now=turn.now.wall,
    )


def propose_candidate(
    records: Records,
    turn: Turn,
    candidate: Candidate,
    conversation: Conversation,
    by: Principal,
    *,
    message_id: int | None,
    key: str | None = None,
) -> Shown | None:
    """Proposes a complete candidate; what to say where that is refused, None where the card says it all."""
    answer = propose(
        records,
        Proposal(
            tool=candidate.tool,
            arguments=candidate.arguments,
            conversation=conversation,
            message=message_id,
            key=key,
        ),
        by=by,
        now=turn.now,
        env=turn.front.env,
    )
    return texts.refusal(answer.refusal) if isinstance(answer, Refused) else None


def ask_or_propose(
    records: Records,
    turn: Turn,
    candidate: Candidate,
    conversation: Conversation,
    by: Principal,
    *,
    message_id: int,
) -> None:
    """Goes on with a chosen candidate: asks for what is missing, or proposes."""
    if candidate.missing:
        _ask(records, turn, candidate, by, message_id=message_id)
        return
    shown = propose_candidate(records, turn, candidate, conversation, by, message_id=message_id)
    if shown is not None:
        say(records, turn, shown, reply_to=message_id)


def _hear(records: Records, turn: Turn, message: Message) -> _Heard:
    speaker = turn.speaker(records)
    dialogue = None
    if speaker.person is not None:
        with suppress(CorruptRecord):  # `open_question` sets it aside, where it may write
            dialogue = records.dialogues.get(turn.chat.id, speaker.person.id)
    text = _without_mention(message.text or message.caption or "", turn.front.bot_username)
    about = replying.is_about_a_call(records, turn, message, text, dialogue)
    under_a_card = _under_a_card(records, turn, message)
    return _Heard(
        speaker=speaker,
        dialogue=dialogue,
        about_a_call=about,
        under_a_card=under_a_card,
        replies_to_what_is_under_way=_to_the_bot(turn, message) and not (about or under_a_card),
    )


def _to_the_bot(turn: Turn, message: Message) -> bool:
    """Whether a message is a reply to one of this bot's."""
    replied = message.reply_to_message
    return replied is not None and replied.from_user is not None and replied.from_user.id == turn.front.bot_id


def _under_a_card(records: Records, turn: Turn, message: Message) -> bool:
    replied = message.reply_to_message
    return replied is not None and records.cards.at(turn.chat.id, replied.message_id) is not None


def _answered(turn: Turn, dialogue: Dialogue, text: str, context: ParseContext) -> Understood:
    """The candidate with this answer in it."""
    candidate = from_state(dialogue.state["candidate"])
    field = candidate.missing[0]
    try:
        filled = fill(candidate, field, text, registry=turn.front.env.registry, context=context)
    except InvalidInput as problem:
        return Understood(reading=Reading.INVALID, candidates=(candidate,), problem=problem)
    return Understood(reading=filled.reading, candidates=(filled,))


def _act(records: Records, turn: Turn, message: Message, text: str, understood: Understood) -> None:
    """One text, inside its transaction."""
    person = known_person(records, turn)
    by = turn.caller(records, person)
    if not by.roles:
        _no_access(records, turn, message)
        return
    conversation = place(records, turn, person.id)
    keep(records, turn, conversation, person, number=message.message_id, text=text)
    origin = _origin(records, turn, person, message)
    records.dialogues.drop(turn.chat.id, person.id)
    match understood.reading:
        case Reading.PROPOSE:
            best = understood.candidates[0]
            ask_or_propose(records, turn, best, conversation, by, message_id=message.message_id)
        case Reading.ASK:
            _ask(records, turn, understood.candidates[0], by, message_id=origin)
        case Reading.CONFIRM:
            _confirm(records, turn, understood, by, message)
        case Reading.INVALID:
            _invalid(records, turn, understood, by, message)
        case Reading.UNKNOWN:
            nearest = [tool for name in understood.nearest if (tool := turn.front.env.registry.find(name))]
            if text.startswith("/") and message.forward_origin is not None:
                _reply(records, turn, message, texts.forwarded_command())
            elif text.startswith("/"):
                name = text[1:].split(maxsplit=1)[0] if text[1:].strip() else ""
                _reply(records, turn, message, texts.unknown_command(name.partition("@")[0], nearest))
            else:
                _reply(records, turn, message, texts.unknown(nearest))


def _several(
    records: Records, turn: Turn, message: Message, text: str, candidates: Sequence[Candidate]
) -> None:
    """Several actions in one text, inside its transaction."""
    person = known_person(records, turn)
    by = turn.caller(records, person)
    if not by.roles:
        _no_access(records, turn, message)
        return
    conversation = place(records, turn, person.id)
    keep(records, turn, conversation, person, number=message.message_id, text=text)
    records.dialogues.drop(turn.chat.id, person.id)
    answer = propose_several(records, turn, candidates, conversation, by, message_id=message.message_id)
    if isinstance(answer, Refused):
        _reply(records, turn, message, texts.refusal(answer.refusal))


def _origin(records: Records, turn: Turn, person: Person, message: Message) -> int:
    """The message that an open question began with; this one where there is none."""
    dialogue = open_question(records, turn, person.id)
    return int(dialogue.state["message"]) if dialogue is not None else message.message_id


def _ask(records: Records, turn: Turn, candidate: Candidate, by: Principal, *, message_id: int) -> None:
    """Asks for the next missing argument."""
    tool = turn.front.env.registry.get(candidate.tool)
    field = candidate.missing[0]
    put(records, turn, by, ASK, {"candidate": as_state(candidate), "message": message_id})
    slot = tool.slots.get(field)
    say(
        records,
        turn,
        texts.question(tool, field, question(tool, field)),
        reply_to=message_id,
        ask=(slot.placeholder if slot else "") or field.replace("_", " "),
    )


def _confirm(records: Records, turn: Turn, understood: Understood, by: Principal, message: Message) -> None:
    """Asks which of the candidates was meant."""
    message_id = message.message_id
    candidates = understood.candidates[:3]
    state = {"candidates": [as_state(candidate) for candidate in candidates], "message": message_id}
    put(records, turn, by, CHOOSE, state)
    registry = turn.front.env.registry
    choices = [
        (texts.candidate_words(registry.get(c.tool), c.arguments), _choice(message_id, str(n)))
        for n, c in enumerate(candidates)
    ]
    shown = texts.did_you_mean(
        choices, leave=_choice(message_id, NONE_OF_THESE), forwarded=message.forward_origin is not None
    )
    say(records, turn, shown, reply_to=message_id)


def _choice(message_id: int, choice: str) -> str:
    return PageButton(Page.CHOOSE, f"{message_id}.{choice}").encode()


def _invalid(records: Records, turn: Turn, understood: Understood, by: Principal, message: Message) -> None:
    """A value that cannot be read: asked for again where it is clear which one, else explained."""
    if understood.problem is None:
        return
    shown = texts.refusal(understood.problem)
    if understood.candidates and understood.candidates[0].missing:
        candidate = understood.candidates[0]
        put(records, turn, by, ASK, {"candidate": as_state(candidate), "message": message.message_id})
        say(records, turn, shown, reply_to=message.message_id, ask=candidate.missing[0].replace("_", " "))
    else:
        _reply(records, turn, message, shown)


def _no_access(records: Records, turn: Turn, message: Message) -> None:
    known_person(records, turn)
    _reply(records, turn, message, texts.no_access(turn.user.id))


def _reply(records: Records, turn: Turn, message: Message, shown: Shown) -> None:
    say(records, turn, shown, reply_to=None if turn.private else message.message_id)


def _addresses(turn: Turn, message: Message) -> bool:
    """Whether a group message speaks to this bot: a command, a mention, a reply to it."""
    text = message.text or message.caption or ""
    if _to_the_bot(turn, message):
        return True
    name = re.escape(turn.front.bot_username)
    if re.match(r"/\w+@", text):
        return re.match(rf"/\w+@{name}\b", text, re.IGNORECASE) is not None
    return text.startswith("/") or re.search(rf"@{name}\b", text, re.IGNORECASE) is not None


def _without_mention(text: str, username: str) -> str:
    """The text without the bot's own name, which only says who is meant."""
    if text.startswith("/"):
        return text
    return re.sub(rf"\s*@{re.escape(username)}\b[,:]?\s*", " ", text, flags=re.IGNORECASE).strip()
