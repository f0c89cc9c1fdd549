"""Taps on lists, questions, settings and examples: everything that is not about one call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from bot.telegram import (
    alarms,
    editing,
    granting,
    histories,
    members,
    pausing,
    pendings,
    policies,
    schedules,
    scheduling,
    settings,
    status,
    teams,
    webhooks,
)
from bot.telegram.asking import from_state, open_question
from bot.telegram.buttons import Page, PageButton
from bot.telegram.messages import (
    CHOOSE,
    NONE_OF_THESE,
    ask_or_propose,
    propose_candidate,
)
from bot.telegram.render import texts, toasts
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import say
from bot.telegram.taps import Query, answer
from bot.telegram.turn import AlreadyHandled, Turn, context_of, known_person, place
from core.errors import Code, Refusal
from core.parsing import Reading, understand
from core.ports import Records

_Act = Callable[[Turn, str, int], Awaitable[Toast]]


async def tap(turn: Turn, query: Query, button: PageButton) -> None:
    """Acts, then answers."""
    try:
        toast = await _act(turn, button, query.message_id)
    except AlreadyHandled:
        return
    await answer(turn, query, toast)


async def _act(turn: Turn, button: PageButton, message_id: int) -> Toast:
    return await _ACTS[button.page](turn, button.argument, message_id)


async def _history(turn: Turn, argument: str, message_id: int) -> Toast:
    shown = await histories.turned(turn, argument, message_id)
    return Toast("") if shown else _no_access()


async def _next(turn: Turn, argument: str, message_id: int) -> Toast:
    return await pendings.turned(turn, argument, message_id) or _no_access()


async def _grants(turn: Turn, argument: str, message_id: int) -> Toast:
    ended = await turn.effect("grants", lambda r: granting.tapped(r, turn, argument, message_id))
    return ended or _no_access()


async def _field(turn: Turn, argument: str, message_id: int) -> Toast:
    return await turn.effect("field", lambda r: editing.field_tapped(r, turn, argument, message_id))


async def _chosen(turn: Turn, argument: str, message_id: int) -> Toast:
    return await turn.effect("choose", lambda r: _choose(r, turn, argument, message_id))


async def _setting(turn: Turn, argument: str, message_id: int) -> Toast:
    return await turn.effect("setting", lambda r: _set(r, turn, argument, message_id))


async def _policy(turn: Turn, argument: str, message_id: int) -> Toast:
    return await turn.effect("policy", lambda r: policies.tapped(r, turn, argument, message_id))


async def _example(turn: Turn, argument: str, _: int) -> Toast:
    return await turn.effect("say", lambda r: _say_example(r, turn, argument))


def _no_access() -> Toast:
    """A tap by somebody who is no member, on a message of a chat they are in."""
    return toasts.refusal(Refusal(Code.NOT_A_MEMBER, "You have no access here. Ask an admin for an invite."))


def _choose(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    """An answer to "Did you mean": only the person who was asked, and only on the newest question."""
    person = known_person(records, turn)
    by = turn.caller(records, person)
    dialogue = open_question(records, turn, person.id)
    origin, _, choice = argument.partition(".")
    if not by.roles:
        return _no_access()
    if dialogue is None or dialogue.kind != CHOOSE or str(dialogue.state["message"]) != origin:
        return toasts.too_old()
    records.dialogues.drop(turn.chat.id, person.id)
    candidates = dialogue.state["candidates"]
    if choice == NONE_OF_THESE or not choice.isdigit() or int(choice) >= len(candidates):
        say(records, turn, texts.left(), edit=message_id)
        return toasts.done()
    candidate = from_state(candidates[int(choice)])
    words = texts.candidate_words(turn.front.env.registry.get(candidate.tool), candidate.arguments)
    say(records, turn, texts.chosen(words), edit=message_id)
    conversation = place(records, turn, person.id)
    if not scheduling.chosen(records, turn, candidate, dialogue.state, conversation, by):
        ask_or_propose(records, turn, candidate, conversation, by, message_id=int(origin))
    return toasts.done()


def _set(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    """One setting of the person who taps."""
    if not turn.caller(records, known_person(records, turn)).roles:
        return _no_access()
    return settings.tapped(records, turn, argument, message_id)


def _say_example(records: Records, turn: Turn, argument: str) -> Toast:
    """An example of /start, as if the person had written it."""
    person = known_person(records, turn)
    by = turn.caller(records, person)
    number = int(argument) if argument.isdigit() else -1
    if not by.roles:
        return _no_access()
    if not 0 <= number < len(texts.EXAMPLES):
        return toasts.unknown_button()
    registry, context = turn.front.env.registry, context_of(records, turn)
    understood = understand(texts.EXAMPLES[number], registry=registry, context=context)
    if understood.reading is not Reading.PROPOSE:
        return toasts.too_old()
    problem = propose_candidate(
        records,
        turn,
        understood.candidates[0],
        place(records, turn, person.id),
        by,
        message_id=None,
        key=f"say:{turn.update_id}",
    )
    if problem is not None:
        say(records, turn, problem)
    return Toast(texts.EXAMPLES[number])


_ACTS: Final[Mapping[Page, _Act]] = {
    Page.HISTORY: _history,
    Page.CHOOSE: _chosen,
    Page.SETTING: _setting,
    Page.SAY: _example,
    Page.FIELD: _field,
    Page.NEXT: _next,
    Page.GRANT: _grants,
    Page.MEMBER: members.tap,
    Page.INVITE: members.tap_invite,
    Page.TEAM: teams.tap,
    Page.POLICY: _policy,
    Page.SCHEDULE: schedules.tap,
    Page.WEBHOOK: webhooks.tap,
    Page.ALARM: alarms.tap,
    Page.STATUS: status.tap,
    Page.PAUSE: pausing.tap,
}
