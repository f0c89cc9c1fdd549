"""Taps on lists, questions, settings and examples: everything that is not about one call."""

from __future__ import annotations

from bot.telegram import histories, settings
from bot.telegram.buttons import Page, PageButton
from bot.telegram.messages import (
    CHOOSE,
    NONE_OF_THESE,
    ask_or_propose,
    from_state,
    open_question,
    propose_candidate,
)
from bot.telegram.render import texts, toasts
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import reply
from bot.telegram.taps import Query, answer
from bot.telegram.turn import AlreadyHandled, Turn, known_person, place, principal
from core.errors import Code, Refusal
from core.parsing import ParseContext, Reading, understand
from core.ports import Records


async def tap(turn: Turn, query: Query, button: PageButton) -> None:
    """Acts, then answers."""
    try:
        toast = await _act(turn, button, query.message_id)
    except AlreadyHandled:
        return
    await answer(turn, query, toast)


async def _act(turn: Turn, button: PageButton, message_id: int) -> Toast:
    match button.page:
        case Page.HISTORY:
            shown = await histories.turned(turn, button.argument, message_id)
            return Toast("") if shown else _no_access()
        case Page.CHOOSE:
            return await turn.effect("choose", lambda r: _choose(r, turn, button.argument, message_id))
        case Page.SETTING:
            return await turn.effect("setting", lambda r: _set(r, turn, button.argument, message_id))
        case Page.SAY:
            return await turn.effect("say", lambda r: _say(r, turn, button.argument))


def _no_access() -> Toast:
    """A tap by somebody who is no member, on a message of a chat they are in."""
    return toasts.refusal(Refusal(Code.NOT_A_MEMBER, "You have no access here. Ask an admin for an invite."))


def _choose(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    """An answer to "Did you mean": only the person who was asked, and only on the newest question."""
    person = known_person(records, turn)
    role = records.people.role(turn.front.home, person.id)
    dialogue = open_question(records, turn, person)
    origin, _, choice = argument.partition(".")
    if role is None:
        return _no_access()
    if dialogue is None or dialogue.kind != CHOOSE or str(dialogue.state["message"]) != origin:
        return toasts.too_old()
    records.dialogues.drop(turn.chat.id, person.id)
    candidates = dialogue.state["candidates"]
    if choice == NONE_OF_THESE or not choice.isdigit() or int(choice) >= len(candidates):
        reply(records, turn.front.home, turn.chat.id, texts.left(), now=turn.now.wall, edit=message_id)
        return toasts.done()
    candidate = from_state(candidates[int(choice)])
    words = texts.candidate_words(turn.front.env.registry.get(candidate.tool), candidate.arguments)
    reply(records, turn.front.home, turn.chat.id, texts.chosen(words), now=turn.now.wall, edit=message_id)
    by = principal(person.id, turn.front.home, role)
    conversation = place(records, turn, person.id)
    ask_or_propose(records, turn, candidate, conversation, by, message_id=int(origin))
    return toasts.done()


def _set(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    """One setting of the person who taps."""
    person = known_person(records, turn)
    tenant = records.people.tenant(turn.front.home)
    role = records.people.role(turn.front.home, person.id)
    if role is None or tenant is None:
        return _no_access()
    name, _, value = argument.partition("=")
    after = settings.changed(person, name, value)
    if after is None:
        return toasts.unknown_button()
    records.people.save_settings(after)
    shown = texts.settings(after, tenant)
    reply(records, turn.front.home, turn.chat.id, shown, now=turn.now.wall, edit=message_id)
    return toasts.saved(f"replies {value}" if name == "replies" else value)


def _say(records: Records, turn: Turn, argument: str) -> Toast:
    """An example of /start, as if the person had written it."""
    person = known_person(records, turn)
    role = records.people.role(turn.front.home, person.id)
    tenant = records.people.tenant(turn.front.home)
    number = int(argument) if argument.isdigit() else -1
    if role is None or tenant is None:
        return _no_access()
    if not 0 <= number < len(texts.EXAMPLES):
        return toasts.unknown_button()
    context = ParseContext(
        now=turn.now.wall,
        timezone=person.timezone or tenant.timezone,
        currency=person.currency or tenant.currency,
    )
    understood = understand(texts.EXAMPLES[number], registry=turn.front.env.registry, context=context)
    if understood.reading is not Reading.PROPOSE:
        return toasts.too_old()
    problem = propose_candidate(
        records,
        turn,
        understood.candidates[0],
        place(records, turn, person.id),
        principal(person.id, turn.front.home, role),
        message_id=None,
        key=f"say:{turn.update_id}",
    )
    if problem is not None:
        reply(records, turn.front.home, turn.chat.id, problem, now=turn.now.wall)
    return Toast(texts.EXAMPLES[number])
