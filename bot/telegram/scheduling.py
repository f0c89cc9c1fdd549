"""Sentences that begin with a time: "every monday 9:00 …", "tomorrow 8am …". What is left of one is
understood as any sentence is, and asked about in the same way; nothing is proposed before its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from telegram import Message

from bot.telegram.asking import as_state, from_state, put
from bot.telegram.buttons import Page, PageButton
from bot.telegram.render import schedules as render
from bot.telegram.render import texts
from bot.telegram.render.message import Shown
from bot.telegram.replies import say
from bot.telegram.schedules import reading
from bot.telegram.turn import Turn, context_of, keep, known_person, place, rest_of
from core.digest import Json
from core.engine import Refused
from core.engine.schedules import Wanted, add
from core.errors import InvalidInput
from core.model import Conversation, Principal
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
from core.parsing.schedules import NotKnown, Timed, Unclear, When, answer_when, read_when
from core.ports import Dialogue, Records
from core.registry import ToolRegistry
from core.schedule_rules import in_words
from core.tool import SlotKind

WHEN: Final = "when"
"""The dialogue that asks for a time."""
LATER: Final = "later"
"""The dialogue that asks for what is missing of something to be done later."""
CHOOSE: Final = "choose"
"""The dialogue of "Did you mean"; of something to be done later it holds the rule as well."""
_ASK: Final = "ask"


class _Heard(Struct, frozen=True, kw_only=True):
    """What somebody wants later: when, and what as far as that was understood."""

    when: When
    timezone: str
    understood: Understood | None = None  # None: nothing, or several things at once
    several: bool = False
    began: int | None = None  # the message that it began with, where this one is an answer


async def said(
    turn: Turn, message: Message, text: str, context: ParseContext, dialogue: Dialogue | None
) -> bool:
    """Takes a text that is about something to be done later; False where it is not."""
    heard = _heard(text, context, dialogue, turn.front.env.registry)
    if heard is None:
        return False
    await turn.effect("said.later", lambda records: _act(records, turn, message, text, heard))
    return True


async def command(turn: Turn, message: Message) -> None:
    """/schedule with such a sentence."""
    text = rest_of(message)
    context = await turn.front.reader.read(lambda records: context_of(records, turn))
    when = read_when(text, context=context)
    heard = None if when is None else _of(when, context, turn.front.env.registry)

    def work(records: Records) -> None:
        if not turn.caller(records, known_person(records, turn)).roles:
            say(records, turn, texts.no_access(turn.user.id))
        elif heard is None:
            say(records, turn, render.known_forms(asked=True))
        else:
            _act(records, turn, message, text, heard)

    await turn.effect("command.schedule", work)


def chosen(
    records: Records,
    turn: Turn,
    candidate: Candidate,
    state: Mapping[str, Any],
    conversation: Conversation,
    by: Principal,
) -> bool:
    """Goes on with an answer to "Did you mean"; False where it was about something to be done at once."""
    if "rule" not in state:
        return False
    when = Timed(rule=state["rule"], rest="")
    _go_on(records, turn, candidate, when, state["timezone"], conversation, by, began=int(state["message"]))
    return True


def _heard(
    text: str, context: ParseContext, dialogue: Dialogue | None, registry: ToolRegistry
) -> _Heard | None:
    """What a text means, said now or in answer to an open question. A whole new sentence is no answer."""
    kind = None if dialogue is None or text.startswith("/") else dialogue.kind
    if dialogue is None or kind not in (WHEN, LATER):
        when = None if kind == _ASK else read_when(text, context=context)
        return None if when is None else _of(when, context, registry)
    state = dialogue.state
    new = read_when(text, context=context)
    if isinstance(new, Timed) and new.rest:
        return _of(new, context, registry)
    if kind == WHEN:
        unclear = Unclear(why=str(state["why"]), keep=str(state["keep"]), rest=str(state["rest"]))
        quoted = ParseContext(
            now=context.now,
            timezone=context.timezone,
            currency=context.currency,
            quoted=context.quoted or bool(state["quoted"]),
        )
        when = answer_when(unclear, text, context=context)
        return _of(when, quoted, registry, began=int(str(state["message"])))
    return _Heard(
        when=Timed(rule=str(state["rule"]), rest=""),
        timezone=str(state["timezone"]),
        understood=_filled(from_state(_object(state["candidate"])), text, registry, context),
        began=int(str(state["message"])),
    )


def _of(when: When, context: ParseContext, registry: ToolRegistry, *, began: int | None = None) -> _Heard:
    if not isinstance(when, Timed) or not when.rest:
        return _Heard(when=when, timezone=context.timezone, began=began)
    many = understand_several(when.rest, registry=registry, context=context) is not None
    understood = None if many else understand(when.rest, registry=registry, context=context)
    return _Heard(when=when, timezone=context.timezone, understood=understood, several=many, began=began)


def _filled(candidate: Candidate, text: str, registry: ToolRegistry, context: ParseContext) -> Understood:
    try:
        filled = fill(candidate, candidate.missing[0], text, registry=registry, context=context)
    except InvalidInput as problem:
        return Understood(reading=Reading.INVALID, candidates=(candidate,), problem=problem)
    return Understood(reading=filled.reading, candidates=(filled,))


def _object(value: Json) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a dialogue keeps its candidate as an object")
    return value


def _act(records: Records, turn: Turn, message: Message, text: str, heard: _Heard) -> None:
    """One text, inside its transaction."""
    person = known_person(records, turn)
    by = turn.caller(records, person)
    if not by.roles:
        say(records, turn, texts.no_access(turn.user.id))
        return
    conversation = place(records, turn, person.id)
    keep(records, turn, conversation, person, number=message.message_id, text=text)
    records.dialogues.drop(turn.chat.id, person.id)
    began = message.message_id if heard.began is None else heard.began
    quoted = message.forward_origin is not None
    match heard.when:
        case NotKnown():
            say(records, turn, render.known_forms(), reply_to=_reply_to(turn, message))
        case Unclear() as unclear:
            asked: dict[str, Json] = {"why": unclear.why, "keep": unclear.keep, "rest": unclear.rest}
            put(records, turn, by, WHEN, {**asked, "quoted": quoted, "message": began})
            say(records, turn, render.question(unclear.why), reply_to=began, ask="when")
        case Timed() as when if heard.several or heard.understood is None:
            shown = render.one_at_a_time() if heard.several else render.what_then(in_words(when.rule))
            say(records, turn, shown, reply_to=_reply_to(turn, message))
        case Timed() as when:
            _timed(records, turn, message, when, heard, conversation, by, began=began)


def _timed(
    records: Records,
    turn: Turn,
    message: Message,
    when: Timed,
    heard: _Heard,
    conversation: Conversation,
    by: Principal,
    *,
    began: int,
) -> None:
    """A clear time, and something that was understood in some way."""
    understood = heard.understood
    if understood is None:
        return
    candidates = understood.candidates
    match understood.reading:
        case Reading.PROPOSE | Reading.ASK:
            _go_on(records, turn, candidates[0], when, heard.timezone, conversation, by, began=began)
        case Reading.CONFIRM:
            _confirm(records, turn, understood, when, heard.timezone, by, message)
        case Reading.INVALID if understood.problem is not None:
            shown = texts.refusal(understood.problem)
            if candidates and candidates[0].missing:
                _keep_asking(records, turn, candidates[0], when, heard.timezone, by, began=began)
                say(records, turn, shown, reply_to=began, ask=candidates[0].missing[0].replace("_", " "))
            else:
                say(records, turn, shown, reply_to=_reply_to(turn, message))
        case _:
            shown = render.not_understood(in_words(when.rule), when.rest)
            say(records, turn, shown, reply_to=_reply_to(turn, message))


def _go_on(
    records: Records,
    turn: Turn,
    candidate: Candidate,
    when: Timed,
    timezone: str,
    conversation: Conversation,
    by: Principal,
    *,
    began: int,
) -> None:
    """Asks for what is missing, or makes the schedule and shows it."""
    registry = turn.front.env.registry
    if candidate.missing:
        tool, field = registry.get(candidate.tool), candidate.missing[0]
        _keep_asking(records, turn, candidate, when, timezone, by, began=began)
        asked = texts.question(tool, field, question(tool, field))
        say(records, turn, asked, reply_to=began, ask=field.replace("_", " "))
        return
    problem = _fixed_date(candidate, when, registry)
    if problem is not None:
        say(records, turn, texts.refusal(problem), reply_to=began)
        return
    wanted = Wanted(
        tool=candidate.tool,
        arguments=candidate.arguments,
        conversation=conversation,
        rule=when.rule,
        timezone=timezone,
    )
    answer = add(records, wanted, by=by, now=turn.now, env=turn.front.env)
    if isinstance(answer, Refused):
        say(records, turn, texts.refusal(answer.refusal), reply_to=began)
        return
    shown = render.made(answer.schedule, reading(records, turn, by), verdict=answer.verdict)
    say(records, turn, shown, reply_to=None if turn.private else began)


def _keep_asking(
    records: Records,
    turn: Turn,
    candidate: Candidate,
    when: Timed,
    timezone: str,
    by: Principal,
    *,
    began: int,
) -> None:
    state: dict[str, Json] = {"candidate": dict(as_state(candidate)), "rule": when.rule, "timezone": timezone}
    put(records, turn, by, LATER, {**state, "message": began})


def _fixed_date(candidate: Candidate, when: Timed, registry: ToolRegistry) -> InvalidInput | None:
    """A day that was said in a sentence would be the same one each time: that is hardly meant."""
    if not when.rule.startswith("cron"):
        return None
    slots = registry.get(candidate.tool).slots
    for field, value in candidate.arguments.items():
        if field in slots and slots[field].kind is SlotKind.DATE and value is not None:
            allowed = "it would be that very day each time; please leave it out"
            return InvalidInput(field=field, given=str(value), allowed=allowed)
    return None


def _confirm(
    records: Records,
    turn: Turn,
    understood: Understood,
    when: Timed,
    timezone: str,
    by: Principal,
    message: Message,
) -> None:
    """Asks which of the candidates was meant, and says for when."""
    number, registry = message.message_id, turn.front.env.registry
    candidates = understood.candidates[:3]
    listed: list[Json] = [dict(as_state(each)) for each in candidates]
    state: dict[str, Json] = {"candidates": listed, "rule": when.rule, "timezone": timezone}
    put(records, turn, by, CHOOSE, {**state, "message": number})
    said_when = in_words(when.rule)
    choices = [
        (
            f"{texts.candidate_words(registry.get(each.tool), each.arguments)}, {said_when}",
            PageButton(Page.CHOOSE, f"{number}.{place}").encode(),
        )
        for place, each in enumerate(candidates)
    ]
    leave = PageButton(Page.CHOOSE, f"{number}.none").encode()
    shown: Shown = texts.did_you_mean(choices, leave=leave, forwarded=message.forward_origin is not None)
    say(records, turn, shown, reply_to=number)


def _reply_to(turn: Turn, message: Message) -> int | None:
    return None if turn.private else message.message_id
