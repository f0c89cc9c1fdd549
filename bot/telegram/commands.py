"""The bot's own commands. Each checks its caller itself; menus are only for convenience.

Commands of tools (/task, /expense …) are no different from sentences: `messages.said` reads them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from telegram import Message

from bot.telegram import (
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
from bot.telegram.render import lists, texts
from bot.telegram.render.message import Shown
from bot.telegram.render.run import by_itself
from bot.telegram.replies import say
from bot.telegram.turn import Turn, known_person, place, rest_of, settle
from core.engine import Refused, cancel
from core.engine.held import viewed
from core.engine.members import code_hash, join
from core.errors import Refusal
from core.guards import visible
from core.ids import read_short_id
from core.lifecycle import EXECUTING
from core.model import Principal, Role, ToolCall
from core.ports import Records

Act = Callable[[Turn, Message], Awaitable[None]]


def _caller(records: Records, turn: Turn) -> Principal:
    person = known_person(records, turn)
    settle(records, turn)
    return turn.caller(records, person)


def _for_members(show: Callable[[Records, Turn, Principal, str], Shown]) -> Act:
    """A command that shows something to members, and tells strangers how to get in."""

    async def act(turn: Turn, message: Message) -> None:
        rest = rest_of(message)

        def work(records: Records) -> None:
            by = _caller(records, turn)
            shown = show(records, turn, by, rest) if by.roles else texts.no_access(turn.user.id)
            say(records, turn, shown)

        await turn.effect("command", work)

    return act


async def start(turn: Turn, message: Message) -> None:
    """/start, alone or with a claim or invite code."""
    code = rest_of(message)

    def work(records: Records) -> Role | None:
        person = known_person(records, turn)
        role = records.people.role(turn.tenant(records), person.id)
        if code:
            joined = join(records, person_id=person.id, code_hash=code_hash(code), now=turn.now.wall)
            if isinstance(joined, Refused):
                say(records, turn, texts.refusal(joined.refusal))
                return role
            role = joined.role
            teams.came_to(records, turn, person, joined.tenant_id)
        if role is None:
            say(records, turn, texts.no_access(turn.user.id))
            return None
        place(records, turn, person.id)
        say(records, turn, texts.start(name=person.name, role=role, registry=turn.front.env.registry))
        several = teams.where_several(records, turn)
        if several is not None:
            say(records, turn, several)
        if turn.private and (person.timezone is None or person.currency is None):
            say(records, turn, settings.page(records, turn, person))
        return role

    role = await turn.effect("command.start", work)
    if turn.private and role is not None:
        await turn.front.registered(turn.chat.id, role)


def _help(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    return texts.help(next(iter(by.roles)))


def _tools(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    return texts.tools(turn.front.env.registry)


def _whoami(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    person = known_person(records, turn)
    role, team = next(iter(by.roles)), turn.team(records)
    group = None if turn.private else turn.chat.id
    return texts.whoami(person, role, team, user_id=turn.user.id, group=group)


def _settings(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    person = known_person(records, turn)
    if rest:
        return settings.written(records, turn, person, rest)
    return settings.page(records, turn, person)


def _grants(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    return granting.page(records, turn, by)


def _cancel(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    if not rest:
        open_question = by.person is not None and records.dialogues.drop(turn.chat.id, by.person)
        return texts.left() if open_question else texts.nothing_to_leave()
    found = find_call(records, turn, by, rest)
    if isinstance(found, Refusal):
        return texts.refusal(found)
    answer = cancel(records, by=by, call_id=found.id, now=turn.now, env=turn.front.env)
    if isinstance(answer, Refused):
        return texts.refusal(answer.refusal)
    return texts.stopping(found) if answer.call.status in EXECUTING else texts.withdrawn(found)


def _call(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    found = find_call(records, turn, by, rest)
    if isinstance(found, Refusal):
        return texts.refusal(found)
    details = lists.call_details(
        viewed(records, found, now=turn.now.wall, env=turn.front.env),
        tool=turn.front.env.registry.find(found.tool),
        now=turn.now.wall,
        registry=turn.front.env.registry,
        private=turn.private,
    )
    return by_itself(details, found)


def _audit(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    if not rest:
        if not by.holds(Role.ADMIN):
            return texts.refusal(texts.which_call())
        seq, digest = records.audit.head(turn.tenant(records))
        return texts.audit_head(seq=seq, digest=digest)
    found = find_call(records, turn, by, rest)
    if isinstance(found, Refusal):
        return texts.refusal(found)
    names = {str(member.person_id): member.name for member in records.people.members(turn.tenant(records))}
    return lists.audit(found, records.audit.of_call(found.id), names=names)


def find_call(records: Records, turn: Turn, by: Principal, text: str) -> ToolCall | Refusal:
    """The call that somebody names by its short id, if they may know of it."""
    call = (
        records.calls.by_short_id(turn.tenant(records), read_short_id(text.split(maxsplit=1)[0]))
        if text
        else None
    )
    role = next(iter(by.roles), None)
    if call is None or not visible(call, by=by, role=role):
        return texts.no_such_call() if text else texts.which_call()
    return call


async def history(turn: Turn, message: Message) -> None:
    """/history with filters."""
    await histories.first(turn, rest_of(message))


async def pending(turn: Turn, message: Message) -> None:
    """/pending: what this person may sign."""
    await pendings.first(turn)


COMMANDS: Final[Mapping[str, Act]] = {
    "start": start,
    "help": _for_members(_help),
    "tools": _for_members(_tools),
    "whoami": _for_members(_whoami),
    "settings": _for_members(_settings),
    "members": _for_members(members.listed),
    "invite": _for_members(members.invited),
    "team": _for_members(teams.team),
    "cancel": _for_members(_cancel),
    "call": _for_members(_call),
    "grants": _for_members(_grants),
    "policy": _for_members(policies.command),
    "webhooks": _for_members(webhooks.command),
    "audit": _for_members(_audit),
    "history": history,
    "pending": pending,
    "schedule": scheduling.command,
    "schedules": _for_members(schedules.command),
    "pause": pausing.paused,
    "resume": pausing.resumed,
    "status": _for_members(status.command),
}
