"""What the file of schedules says, brought into the records: at the start, and whenever it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from datetime import timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from bot.logs import get_logger
from bot.policy_file import signature
from bot.schedule_file import Entry, load_schedules
from core.digest import Json
from core.engine import Env, Refused
from core.engine.members import at_machine
from core.engine.readable import set_aside
from core.engine.schedules import Wanted, add, alter, end
from core.errors import (
    ConfigError,
    CorruptRecord,
    CountersignError,
    Refusal,
)
from core.ids import TenantId
from core.model import SYSTEM, Channel, Conversation, Membership, Principal, Schedule
from core.ports import Clock, Now, Records, UnitOfWork
from core.schedule_rules import next_time

log = get_logger(__name__)

TRY_AGAIN: Final = timedelta(minutes=1)
"""So often an entry is tried again that names somebody, or a chat, that is not known yet."""


class Unplaced(CountersignError):
    """An entry names somebody, or a chat, that is not known yet."""


class Taken(Struct, frozen=True, kw_only=True):
    """What became of a file, by the names of its entries. `idle` are not in force, and say why; of those the
    ones `waiting` are tried again. `problem`: the file cannot be used at all, and nothing was changed."""

    entries: int = 0
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    idle: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    problem: str = ""

    def news(self, before: Taken) -> bool:
        """Whether there is anything to tell that was not told before."""
        return bool(self.added or self.changed or self.ended or self.problem or self.idle != before.idle)

    def content(self) -> dict[str, Json]:
        """What the audit keeps of it."""
        if self.problem:
            return {"problem": self.problem}
        return {
            "added": list(self.added),
            "changed": list(self.changed),
            "ended": list(self.ended),
            "idle": dict(self.idle),
        }


Tell = Callable[[Records, Taken, Now], None]


class SchedulesInForce:
    """Keeps the schedules of the bot's own team as the file says. Without a file there are none of it."""

    def __init__(
        self,
        path: Path | None,
        *,
        uow: UnitOfWork,
        env: Env,
        clock: Clock,
        home: TenantId,
        tell: Tell,
    ) -> None:
        """Reads the file; raises ConfigError where it cannot be used."""
        self._path = path
        self._uow = uow
        self._env = env
        self._clock = clock
        self._home = home
        self._tell = tell
        self._seen = signature(path)
        self._entries = load_schedules(path, env.registry)
        self._last = Taken()
        self._again = clock.real()

    async def start(self) -> Taken:
        """Brings the records in line with the file, once."""
        return await self._bring_in(told=False)

    async def look(self) -> Taken | None:
        """Takes over a file that changed; None where it did not. An entry that names somebody who was not
        known is tried again every minute."""
        seen = signature(self._path)
        if seen == self._seen:
            if not self._last.waiting or self._clock.real() < self._again:
                return None
            return await self._bring_in(told=True, only=self._last.waiting)
        try:
            entries = await asyncio.to_thread(load_schedules, self._path, self._env.registry)
        except ConfigError as error:
            taken = Taken(problem=error.message)
            await self._uow.run("schedules.file", lambda records: self._note(records, taken, told=True))
            self._seen = seen
            return taken
        before, self._entries = self._entries, entries
        try:
            taken = await self._bring_in(told=True)
        except BaseException:
            self._entries = before
            raise
        self._seen = seen
        return taken

    async def _bring_in(self, *, told: bool, only: Set[str] | None = None) -> Taken:
        """Makes the records say what the entries say, or what some of them do."""
        taken = await self._uow.run(
            "schedules.file", lambda records: self._take(records, told=told, only=only)
        )
        for name, why in taken.idle.items():
            if self._last.idle.get(name) != why:
                log.warning("a schedule of the file is not in force", schedule=name, why=why)
        self._last, self._again = taken, self._clock.real() + TRY_AGAIN
        return taken

    def _now(self) -> Now:
        return Now(wall=self._clock.now(), real=self._clock.real())

    def _note(self, records: Records, taken: Taken, *, told: bool) -> None:
        now = self._now()
        records.audit.append(
            "schedules.refused" if taken.problem else "schedules.reloaded",
            tenant_id=self._home,
            actor=SYSTEM.actor,
            content=taken.content(),
            now=now.wall,
        )
        if told:
            self._tell(records, taken, now)

    def _take(self, records: Records, *, told: bool, only: Set[str] | None) -> Taken:
        """One transaction: new entries, changed ones, those that are gone."""
        taken, now = Taken(entries=len(self._entries)), self._now()
        live = {each.source: each for each in _from_source(records, now=now)}
        for entry in self._entries:
            before = live.pop(entry.name, None)
            if only is None or entry.name in only:
                self._try(records, entry, before, taken, now=now)
        for name, schedule in live.items():
            end(records, schedule, why="not in the file", by=at_machine(self._home), now=now)
            taken.ended.append(name)
        if taken.news(self._last):
            self._note(records, taken, told=told)
        return taken

    def _try(
        self, records: Records, entry: Entry, before: Schedule | None, taken: Taken, *, now: Now
    ) -> None:
        try:
            self._enter(records, entry, before, taken, now=now)
        except Unplaced as unplaced:
            taken.idle[entry.name] = unplaced.message
            taken.waiting.add(entry.name)
        except Refusal as refusal:
            taken.idle[entry.name] = refusal.message

    def _enter(
        self, records: Records, entry: Entry, before: Schedule | None, taken: Taken, *, now: Now
    ) -> None:
        """Makes one entry's schedule, or changes it. Raises the Refusal why that cannot be done."""
        member = _member(records, self._home, entry)
        wanted = self._wanted(records, entry, member)
        if next_time(wanted.rule, timezone=wanted.timezone, after=now.wall) is None:
            if before is not None:
                end(records, before, why="its time has passed", by=at_machine(self._home), now=now)
                taken.ended.append(entry.name)
            return
        by = Principal(
            person=member.person_id,
            tenant=self._home,
            roles=frozenset({member.role}),
            channel=Channel.CLI,
        )
        if before is None:
            answer = add(records, wanted, by=by, now=now, env=self._env)
            if isinstance(answer, Refused):
                raise answer.refusal
            taken.added.append(entry.name)
        elif _differs(before, wanted, member):
            alter(records, before, wanted, by=by, now=now, env=self._env)
            taken.changed.append(entry.name)

    def _wanted(self, records: Records, entry: Entry, member: Membership) -> Wanted:
        tenant = records.people.tenant(self._home)
        return Wanted(
            tool=entry.tool,
            arguments=entry.arguments,
            conversation=_place(records, self._home, entry, member),
            rule=entry.rule,
            timezone=entry.timezone or (tenant.timezone if tenant is not None else "UTC"),
            missed=entry.missed,
            source=entry.name,
        )


def _from_source(records: Records, *, now: Now) -> Sequence[Schedule]:
    """The file's schedules that have not ended. One that cannot be read is set aside."""
    while True:
        try:
            return records.schedules.from_source()
        except CorruptRecord as corrupt:
            set_aside(records, corrupt, now=now.wall)


def _member(records: Records, home: TenantId, entry: Entry) -> Membership:
    """The member whose calls they are. Raises Unplaced where that is nobody, or more than one."""
    members = records.people.members(home)
    exact = [each for each in members if entry.member in _ids(records, each)]
    found = exact or [each for each in members if each.name.casefold() == entry.member.casefold()]
    if len(found) == 1:
        return found[0]
    many = f"{len(found)} members are" if found else "no member is"
    raise Unplaced(f"{many} called {entry.member!r}; `countersign members list` shows their ids")


def _ids(records: Records, member: Membership) -> set[str]:
    identities = records.people.identities(member.person_id)
    return {str(member.person_id), *(each.subject for each in identities)}


def _place(records: Records, home: TenantId, entry: Entry, member: Membership) -> Conversation:
    """Where the calls show. Raises Unplaced where the bot does not know that chat yet."""
    chats = [entry.chat] if entry.chat is not None else _private_chats(records, member)
    for chat in chats:
        found = records.people.conversation_at(home, Channel.TELEGRAM, str(chat), None)
        if found is not None:
            return found
    told = f"chat {entry.chat}" if entry.chat is not None else f"a private chat with {member.name}"
    raise Unplaced(f"I do not know {told} yet; say something to me there")


def _private_chats(records: Records, member: Membership) -> list[int]:
    identities = records.people.identities(member.person_id)
    return [each.private_chat for each in identities if each.private_chat is not None]


def _differs(before: Schedule, wanted: Wanted, member: Membership) -> bool:
    return (
        before.tool,
        before.arguments,
        before.rule,
        before.timezone,
        before.missed,
        before.requester_id,
        before.conversation_id,
    ) != (
        wanted.tool,
        wanted.arguments,
        wanted.rule,
        wanted.timezone,
        wanted.missed,
        member.person_id,
        wanted.conversation.id,
    )
