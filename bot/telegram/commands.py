"""The bot's own commands. Each checks its caller itself; menus are only for convenience.

Commands of tools (/task, /expense …) are no different from sentences: `messages.said` reads them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

from telegram import Message

from bot.codes import new_code
from bot.telegram import histories, settings
from bot.telegram.render import lists, texts
from bot.telegram.render.message import Shown
from bot.telegram.replies import reply
from bot.telegram.turn import Turn, known_person, place, principal
from core.engine import Refused, cancel
from core.engine.members import code_hash, invite, join
from core.errors import Refusal
from core.guards import visible
from core.ids import read_short_id
from core.model import Principal, Role, ToolCall
from core.ports import Records, view

Act = Callable[[Turn, Message], Awaitable[None]]
INVITE_FOR: Final = timedelta(days=7)


def rest_of(message: Message) -> str:
    """What follows the command."""
    text = message.text or message.caption or ""
    return text.partition(" ")[2].strip()


def _caller(records: Records, turn: Turn) -> Principal:
    person = known_person(records, turn)
    return principal(person.id, turn.front.home, records.people.role(turn.front.home, person.id))


def _send(records: Records, turn: Turn, shown: Shown) -> None:
    reply(records, turn.front.home, turn.chat.id, shown, now=turn.now.wall, thread=turn.thread)


def _for_members(show: Callable[[Records, Turn, Principal, str], Shown]) -> Act:
    """A command that shows something to members, and tells strangers how to get in."""

    async def act(turn: Turn, message: Message) -> None:
        rest = rest_of(message)

        def work(records: Records) -> None:
            by = _caller(records, turn)
            shown = show(records, turn, by, rest) if by.roles else texts.no_access(turn.user.id)
            _send(records, turn, shown)

        await turn.effect("command", work)

    return act


async def start(turn: Turn, message: Message) -> None:
    """/start, alone or with a claim or invite code."""
    code = rest_of(message)

    def work(records: Records) -> Role | None:
        person = known_person(records, turn)
        role = records.people.role(turn.front.home, person.id)
        if turn.private:
            place(records, turn, person.id)
        if code:
            joined = join(records, person_id=person.id, code_hash=code_hash(code), now=turn.now.wall)
            if isinstance(joined, Refused):
                _send(records, turn, texts.refusal(joined.refusal))
                return role
            role = joined.role
        if role is None:
            _send(records, turn, texts.no_access(turn.user.id))
            return None
        _send(records, turn, texts.start(name=person.name, role=role, registry=turn.front.env.registry))
        tenant = records.people.tenant(turn.front.home)
        if turn.private and tenant is not None and (person.timezone is None or person.currency is None):
            _send(records, turn, texts.settings(person, tenant))
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
    tenant = records.people.tenant(turn.front.home)
    if tenant is None:
        raise LookupError("the home tenant is made when the bot starts")
    return texts.whoami(person, next(iter(by.roles)), tenant, user_id=turn.user.id)


def _settings(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    tenant = records.people.tenant(turn.front.home)
    if tenant is None:
        raise LookupError("the home tenant is made when the bot starts")
    person = known_person(records, turn)
    if rest:
        after = settings.said(person, rest)
        if after is None:
            return texts.no_such_setting(rest)
        records.people.save_settings(after)
        person = after
    return texts.settings(person, tenant)


def _members(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    if not by.holds(Role.ADMIN):
        return texts.admins_only()
    return lists.members(records.people.members(turn.front.home))


def _invite(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    try:
        role = Role(rest.strip().lower() or Role.MEMBER)
    except ValueError:
        return texts.which_role() if by.holds(Role.ADMIN) else texts.admins_only()
    code = new_code()
    answer = invite(
        records,
        by=by,
        role=role,
        code_hash=code_hash(code),
        expires_at=turn.now.wall + INVITE_FOR,
        now=turn.now.wall,
    )
    if isinstance(answer, Refused):
        return texts.refusal(answer.refusal)
    link = f"https://t.me/{turn.front.bot_username}?start={code}"
    return texts.invited(role=role, link=link, code=code, days=INVITE_FOR.days)


def _cancel(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    if not rest:
        open_question = by.person is not None and records.dialogues.drop(turn.chat.id, by.person)
        return texts.left() if open_question else texts.nothing_to_leave()
    found = find_call(records, turn, by, rest)
    if isinstance(found, Refusal):
        return texts.refusal(found)
    answer = cancel(records, by=by, call_id=found.id, now=turn.now, env=turn.front.env)
    return texts.refusal(answer.refusal) if isinstance(answer, Refused) else texts.withdrawn(found)


def _call(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    found = find_call(records, turn, by, rest)
    if isinstance(found, Refusal):
        return texts.refusal(found)
    return lists.call_details(
        view(records, found),
        tool=turn.front.env.registry.find(found.tool),
        now=turn.now.wall,
        registry=turn.front.env.registry,
        private=turn.private,
    )


def _audit(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    if not rest:
        if not by.holds(Role.ADMIN):
            return texts.refusal(texts.which_call())
        seq, digest = records.audit.head(turn.front.home)
        return texts.audit_head(seq=seq, digest=digest)
    found = find_call(records, turn, by, rest)
    if isinstance(found, Refusal):
        return texts.refusal(found)
    names = {str(member.person_id): member.name for member in records.people.members(turn.front.home)}
    return lists.audit(found, records.audit.of_call(found.id), names=names)


def find_call(records: Records, turn: Turn, by: Principal, text: str) -> ToolCall | Refusal:
    """The call that somebody names by its short id, if they may know of it."""
    call = (
        records.calls.by_short_id(turn.front.home, read_short_id(text.split(maxsplit=1)[0])) if text else None
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
    await histories.pending(turn)


COMMANDS: Final[Mapping[str, Act]] = {
    "start": start,
    "help": _for_members(_help),
    "tools": _for_members(_tools),
    "whoami": _for_members(_whoami),
    "settings": _for_members(_settings),
    "members": _for_members(_members),
    "invite": _for_members(_invite),
    "cancel": _for_members(_cancel),
    "call": _for_members(_call),
    "audit": _for_members(_audit),
    "history": history,
    "pending": pending,
}
