"""The kill switch: pausing and resuming new executions. All of it audited, and told to the admins concerned.

An admin of a team may pause it, or one of its tools or adapters; an admin of the bot's own team, and whoever
sits at the machine, may do so for every team. A call that is held stays pending, its cards say why, and it is
taken in its order once nothing holds it any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from core import guards
from core.adapters import carriers
from core.digest import Json
from core.engine.answers import Refused, refused
from core.engine.cancel import ask_to_stop
from core.engine.env import Env
from core.engine.facts import caller
from core.engine.members import is_at_machine
from core.engine.readable import readable
from core.engine.routing import private_chat
from core.errors import Code, InvalidInput, Refusal
from core.ids import CallId, PersonId, SwitchId, TenantId
from core.lifecycle import Status
from core.model import SYSTEM, Carried, Principal, Role, Switch, Target
from core.ports import Now, Records
from core.switches import as_seen, covers, what

REASON_MOST: Final = 200
LONGEST: Final = timedelta(days=366)
UNTIL_ALLOWED: Final = "it lies ahead, by a year at most"
MACHINE: Final = "the machine"
TOLD: Final = "switch"
"""The kind of an outbox message that tells an admin of a switch; the door words it."""
_MOST_CARDS: Final = 500
_PAGE: Final = 1000
_NAMED: Final = 20


class Paused(Struct, frozen=True, kw_only=True):
    """What is stopped from now on. `repeated`: it was already, just so. `stopping`: the calls that were
    running and were asked to stop; `waiting`: how many are held."""

    switch: Switch
    stopping: tuple[CallId, ...] = ()
    waiting: int = 0
    repeated: bool = False


class Resumed(Struct, frozen=True, kw_only=True):
    """What is not stopped any more, and how many calls it held."""

    switch: Switch
    waiting: int = 0


def pause(
    records: Records,
    *,
    by: Principal,
    target: Target,
    name: str,
    everywhere: bool,
    reason: str,
    until: datetime | None,
    cancel_running: bool,
    now: Now,
    env: Env,
) -> Paused | Refused:
    """Nothing that this covers starts after it is committed. What stops the same already is replaced.

    Refusals: the entry guards, `not_admin`, `account_forbidden`, `invalid_input`.
    """
    try:
        tenant_id = _entitled(records, by, everywhere=everywhere, env=env)
        switch = Switch(
            id=SwitchId(env.new_id()),
            tenant_id=tenant_id,
            target=target,
            name=_name(target, name, env=env),
            reason=_reason(reason),
            by_id=by.person,
            by_name=_called(records, by),
            created_at=now.wall,
            until=_end(until, now=now.wall),
        )
    except Refusal as refusal:
        return refused(records, refusal, verb="pause", by=by, now=now.wall)
    end_over(records, now=now, env=env)
    before = _live(records, tenant_id, target, switch.name, now=now.wall)
    if before is not None and _says_the_same(before, switch):
        stopping = _stop(records, before, by=by, now=now, env=env) if cancel_running else ()
        return Paused(
            switch=before, stopping=stopping, waiting=len(_held(records, before, env=env)), repeated=True
        )
    if before is not None:
        records.switches.end(before.id, by=by.actor, now=now.wall)
    records.switches.add(switch)
    stopping = _stop(records, switch, by=by, now=now, env=env) if cancel_running else ()
    content: dict[str, Json] = {
        "reason": switch.reason,
        "until": None if switch.until is None else switch.until.isoformat(),
        "instead_of": None if before is None else before.id,
        "stopping": list(stopping),
    }
    waiting = _tell(records, switch, "paused", by=by, content=content, now=now.wall, env=env)
    return Paused(switch=switch, stopping=stopping, waiting=waiting)


def resume(
    records: Records,
    *,
    by: Principal,
    target: Target,
    name: str,
    everywhere: bool,
    now: Now,
    env: Env,
) -> Resumed | Refused:
    """Ends the pause of just this; what it held and nothing else holds may start.

    Refusals: the entry guards, `not_admin`, `account_forbidden`, `not_found` where just this is not paused.
    """
    try:
        tenant_id = _entitled(records, by, everywhere=everywhere, env=env)
        found = _live(records, tenant_id, target, name, now=now.wall)
        if found is None or not records.switches.end(found.id, by=by.actor, now=now.wall):
            told = "everything" if target is Target.EVERYTHING else f"the {target.value} {name[:80]}"
            raise Refusal(Code.NOT_FOUND, f"There is no pause of just {told} here. Nothing was changed.")
    except Refusal as refusal:
        return refused(records, refusal, verb="resume", by=by, now=now.wall)
    return Resumed(
        switch=found,
        waiting=_tell(records, found, "resumed", by=by, content={}, now=now.wall, env=env),
    )


def is_everywhere(
    records: Records, tenant_id: TenantId, target: Target, name: str, *, everywhere: bool, now: datetime
) -> bool:
    """Whether a resumption is of every team: as said, or the other way where only that is paused."""
    here, everyone = (_live(records, team, target, name, now=now) for team in (tenant_id, None))
    if everywhere:
        return everyone is not None or here is None
    return everyone is not None and here is None


def resume_one(
    records: Records, *, by: Principal, switch_id: SwitchId, now: Now, env: Env
) -> Resumed | Refused:
    """Ends this pause, as `resume` does. Another team's is not found, nor one that is over, whatever pauses
    the same today."""
    found = _live_one(records, switch_id, now=now.wall)
    try:
        tenant_id = _entitled(records, by, everywhere=False, env=env)
        if found is None or found.tenant_id not in {None, tenant_id}:
            raise Refusal(Code.NOT_FOUND, "There is no such pause here any more. Nothing was changed.")
    except Refusal as refusal:
        return refused(records, refusal, verb="resume", by=by, now=now.wall)
    everywhere = found.tenant_id is None
    return resume(
        records, by=by, target=found.target, name=found.name, everywhere=everywhere, now=now, env=env
    )


def stop_running(
    records: Records, *, by: Principal, switch_id: SwitchId, now: Now, env: Env
) -> Paused | Refused:
    """Asks what runs under a pause to stop as well. Refusals as `resume`'s."""
    found = _live_one(records, switch_id, now=now.wall)
    try:
        tenant_id = _entitled(records, by, everywhere=found is not None and found.tenant_id is None, env=env)
        if found is None or found.tenant_id != tenant_id:
            raise Refusal(Code.NOT_FOUND, "There is no such pause here any more. Nothing was changed.")
    except Refusal as refusal:
        return refused(records, refusal, verb="pause", by=by, now=now.wall)
    stopping = _stop(records, found, by=by, now=now, env=env)
    if stopping:
        _audit(records, found, "stopping", by=by, content={"stopping": list(stopping)}, now=now.wall, env=env)
    return Paused(switch=found, stopping=stopping, waiting=len(_held(records, found, env=env)))


def end_over(records: Records, *, now: Now, env: Env) -> Sequence[Resumed]:
    """Ends the pauses whose time is over."""
    over = list(records.switches.over(now=now.wall))
    ended = [each for each in over if records.switches.end(each.id, by=SYSTEM.actor, now=now.wall)]
    return [
        Resumed(
            switch=each,
            waiting=_tell(records, each, "ended", by=SYSTEM, content={}, now=now.wall, env=env),
        )
        for each in ended
    ]


def listed(records: Records, *, by: Principal, now: datetime, env: Env) -> Sequence[Switch]:
    """What is paused for the caller's team, as that may see it, oldest first; nothing for strangers."""
    facts = caller(records, by=by)
    tenant = facts.tenant
    if tenant is None or not (facts.role is not None or is_at_machine(by)):
        return ()
    live = records.switches.live(now=now)
    return [
        as_seen(each, tenant_id=tenant.id, home=env.home)
        for each in live
        if each.tenant_id in {None, tenant.id}
    ]


def running_under(records: Records, switch: Switch, *, env: Env) -> Sequence[CallId]:
    """All running calls that a pause covers: by what carries them, by any that may while they wait."""
    running = records.pulse.carried(tenant=switch.tenant_id)
    return [each.call_id for each in running if _is_carried_under(switch, each, env=env)]


def adapters_of(env: Env) -> Sequence[str]:
    """The adapters that carry any tool, by name."""
    return sorted({name for tool in env.registry for name in carriers(tool)})


def _entitled(records: Records, by: Principal, *, everywhere: bool, env: Env) -> TenantId | None:
    """The team that the caller may pause, None for every team. Raises the Refusal where there is none."""
    facts = caller(records, by=by)
    guards.check(facts, guards.ENTRY[1:4] if is_at_machine(by) else guards.ENTRY)
    tenant = facts.tenant
    if tenant is None or not (is_at_machine(by) or facts.role is Role.ADMIN):
        raise Refusal(Code.NOT_ADMIN, "Only an admin may pause or resume. Nothing was changed.")
    if by.account_ids is not None:
        told = "This token covers some accounts only, and a pause concerns all of the team."
        raise Refusal(Code.ACCOUNT_FORBIDDEN, told)
    if not everywhere:
        return tenant.id
    if not is_at_machine(by) and env.home not in {None, tenant.id}:
        told = "Only an admin of the bot's own team may pause or resume every team. Nothing was changed."
        raise Refusal(Code.NOT_ADMIN, told)
    return None


def _name(target: Target, name: str, *, env: Env) -> str:
    if target is Target.EVERYTHING:
        return ""
    tools = sorted(tool.name for tool in env.registry)
    known = tools if target is Target.TOOL else adapters_of(env)
    if name not in known:
        listed_ = ", ".join(known[:_NAMED]) + (" …" if len(known) > _NAMED else "")
        raise InvalidInput(field=target.value, given=name, allowed=f"use one of {listed_}")
    return name


def _reason(reason: str) -> str:
    told = " ".join(reason.split())
    if not 0 < len(told) <= REASON_MOST or "\x00" in told:
        raise InvalidInput(field="reason", given=told, allowed=f"say why, in 1 to {REASON_MOST} characters")
    return told


def _end(until: datetime | None, *, now: datetime) -> datetime | None:
    if until is not None and not now < until <= now + LONGEST:
        raise InvalidInput(field="until", given=until.isoformat(timespec="minutes"), allowed=UNTIL_ALLOWED)
    return until


def _called(records: Records, by: Principal) -> str:
    person = None if by.person is None else records.people.person(by.person)
    return MACHINE if person is None else person.name


def _live(
    records: Records, tenant_id: TenantId | None, target: Target, name: str, *, now: datetime
) -> Switch | None:
    wanted = (tenant_id, target, "" if target is Target.EVERYTHING else name)
    live = records.switches.live(now=now)
    return next((each for each in live if (each.tenant_id, each.target, each.name) == wanted), None)


def _live_one(records: Records, switch_id: SwitchId, *, now: datetime) -> Switch | None:
    return next((each for each in records.switches.live(now=now) if each.id == switch_id), None)


def _says_the_same(before: Switch, after: Switch) -> bool:
    return (before.reason, before.until, before.by_id) == (after.reason, after.until, after.by_id)


def _stop(records: Records, switch: Switch, *, by: Principal, now: Now, env: Env) -> tuple[CallId, ...]:
    """Asks the running calls that it covers to stop, as somebody does who taps Cancel on each."""
    running = (readable(records, each, now=now.wall) for each in running_under(records, switch, env=env))
    asked = [ask_to_stop(records, call, by=by, now=now) for call in running if call is not None]
    return tuple(each.call.id for each in asked if not each.repeated)


def _held(records: Records, switch: Switch, *, env: Env) -> Sequence[CallId]:
    """All that wait and are covered, oldest first, however many others wait."""
    found: list[CallId] = []
    after: CallId | None = None
    while True:
        page = records.calls.pending(after=after, limit=_PAGE)
        found += (each for each, tenant_id, tool in page if _is_covered(switch, tenant_id, tool, env=env))
        if len(page) < _PAGE:
            return found
        after = page[-1][0]


def _is_carried_under(switch: Switch, running: Carried, *, env: Env) -> bool:
    tool = env.registry.find(running.tool)
    may = ("",) if tool is None else carriers(tool)
    by = may if running.adapter is None else (running.adapter,)
    return any(
        covers(switch, tenant_id=running.tenant_id, tool=running.tool, adapter=adapter) for adapter in by
    )


def _is_covered(switch: Switch, tenant_id: TenantId, tool_name: str, *, env: Env) -> bool:
    tool = env.registry.find(tool_name)
    adapter = "" if tool is None else tool.adapter
    return covers(switch, tenant_id=tenant_id, tool=tool_name, adapter=adapter)


def _tell(
    records: Records,
    switch: Switch,
    kind: str,
    *,
    by: Principal,
    content: Mapping[str, Json],
    now: datetime,
    env: Env,
) -> int:
    """Audits it, tells the other admins, and brings the cards of what it holds up to date; how many."""
    _audit(records, switch, kind, by=by, content=content, now=now, env=env)
    for tenant_id in _concerned(records, switch):
        _tell_admins(records, switch, kind, tenant_id, but=by.person, now=now)
    held = _held(records, switch, env=env)
    for call_id in held[:_MOST_CARDS]:
        call = readable(records, call_id, now=now)
        if call is not None and call.status is Status.PENDING:
            records.outbox.card(call, held=True)
    return len(held)


def _audit(
    records: Records,
    switch: Switch,
    kind: str,
    *,
    by: Principal,
    content: Mapping[str, Json],
    now: datetime,
    env: Env,
) -> None:
    records.audit.append(
        f"switch.{kind}",
        tenant_id=switch.tenant_id or by.tenant or env.home,
        actor=by.actor,
        content={
            "switch": switch.id,
            "what": what(switch),
            "everywhere": switch.tenant_id is None,
            "channel": by.channel.value,
            **content,
        },
        now=now,
    )


def _concerned(records: Records, switch: Switch) -> Sequence[TenantId]:
    if switch.tenant_id is not None:
        return [switch.tenant_id]
    return [tenant.id for tenant in records.people.tenants() if tenant.active]


def _tell_admins(
    records: Records, switch: Switch, kind: str, tenant_id: TenantId, *, but: PersonId | None, now: datetime
) -> None:
    for member in records.people.members(tenant_id):
        chat = None
        if member.role is Role.ADMIN and member.person_id != but:
            chat = private_chat(records, member.person_id)
        if chat is not None:
            records.outbox.message(
                tenant_id=tenant_id,
                account_id=None,
                chat=chat,
                kind=TOLD,
                payload={"switch": switch.id, "what": kind},
                now=now,
            )
