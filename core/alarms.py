"""When something is wrong: pure rules from what was seen to the alarms that hold now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from core.ids import TenantId
from core.lifecycle import Status
from core.model import NOTHING, Backlog, Breaker, BreakerState, Doing, Worker

WINDOW: Final = timedelta(minutes=5)
"""How long what happened once counts for an alarm."""
ASIDE_FOR: Final = timedelta(days=1)
"""How long a record that was set aside is alarmed of, unless somebody has seen it."""
_CRASHES: Final = frozenset({"exit", "bad_result", "internal"})
_NAMED: Final = 3


class Kind(StrEnum):
    """What can be wrong."""

    FAILURES = "failures"
    LONG_RUN = "long_run"
    THROTTLED = "throttled"
    HANDLER_ERRORS = "handler_errors"
    BREAKER_OPEN = "breaker_open"
    NOT_ACCEPTED = "not_accepted"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    HEARTBEAT_LOST = "heartbeat_lost"
    AUDIT_BREAK = "audit_break"
    OUTBOX_STUCK = "outbox_stuck"
    SET_ASIDE = "set_aside"
    DEAD_LETTERS = "dead_letters"
    DISK_FULL = "disk_full"


class Rule(Struct, frozen=True, kw_only=True):
    """One alarm: it holds from `at_least` on. `todo` says what to do about it."""

    title: str
    at_least: float
    todo: str


RULES: Final[Mapping[Kind, Rule]] = {
    Kind.FAILURES: Rule(
        title="Calls fail",
        at_least=5,
        todo="/history failed 1d shows what they say. If it is one tool, /pause it until it works again.",
    ),
    Kind.LONG_RUN: Rule(
        title="A call takes very long",
        at_least=300,
        todo="/call with its id shows what it does. Its card has a Cancel button while it runs.",
    ),
    Kind.THROTTLED: Rule(
        title="Telegram holds us back",
        at_least=10,
        todo="Messages come late, none is lost. If it goes on, let fewer calls run in one group.",
    ),
    Kind.HANDLER_ERRORS: Rule(
        title="The bot made a mistake",
        at_least=1,
        todo="The log has the traceback: look for level error. Whoever wrote was told, and can try again.",
    ),
    Kind.BREAKER_OPEN: Rule(
        title="An adapter is down",
        at_least=1,
        todo="Calls that need it wait and are tried again by themselves. See to what it talks to.",
    ),
    Kind.NOT_ACCEPTED: Rule(
        title="Results are not accepted",
        at_least=3,
        todo="Calls run, and what comes of them fails its checks. /history failed 1d shows which.",
    ),
    Kind.TIMED_OUT: Rule(
        title="A call took too long",
        at_least=1,
        todo="It was stopped, and its card says what it did until then. See to what the tool talks to.",
    ),
    Kind.CRASHED: Rule(
        title="An adapter crashed",
        at_least=1,
        todo="This is a fault in the tool itself. The log has the traceback; /pause the tool meanwhile.",
    ),
    Kind.HEARTBEAT_LOST: Rule(
        title="A worker is silent",
        at_least=30,
        todo="Nothing runs there. Restart the bot; what was running is then run again, or asked about.",
    ),
    Kind.AUDIT_BREAK: Rule(
        title="The audit does not hold",
        at_least=1,
        todo="History was changed, by somebody or by the disk. `countersign audit verify` tells where.",
    ),
    Kind.OUTBOX_STUCK: Rule(
        title="Messages do not go out",
        at_least=300,
        todo="Can this machine reach Telegram? `countersign doctor` tells. Everything is sent once it can.",
    ),
    Kind.SET_ASIDE: Rule(
        title="A record cannot be read",
        at_least=1,
        todo="It was set aside, and the rest goes on. The log names it; a backup may have it whole.",
    ),
    Kind.DEAD_LETTERS: Rule(
        title="A webhook does not take signals",
        at_least=1,
        todo="See to the system behind it, then have them sent again: /webhooks has a button for that.",
    ),
    Kind.DISK_FULL: Rule(
        title="The disk is nearly full",
        at_least=95,
        todo="Make room soon: once it is full nothing can be decided or run. `countersign prune` helps.",
    ),
}


class Happened(Struct, frozen=True, kw_only=True):
    """How often something happened within WINDOW, and when first."""

    count: int = 0
    since: datetime | None = None


NEVER: Final = Happened()


class Facts(Struct, frozen=True, kw_only=True):
    """What was seen. `audit`: what is wrong with the audit, None where that is not known; `disk` is the share
    in use, in percent, None where nobody can tell. Workers and breakers live by `real`."""

    now: datetime
    real: datetime
    wrong: Sequence[Doing] = ()
    running: Sequence[Doing] = ()
    throttles: Happened = NEVER
    handler_errors: Happened = NEVER
    not_accepted: Happened = NEVER
    breakers: Sequence[Breaker] = ()
    workers: Sequence[Worker] = ()
    audit: Sequence[str] | None = None
    outbox: Backlog = NOTHING
    set_aside: Backlog = NOTHING
    dead_letters: Mapping[TenantId, Backlog] | None = None
    disk: float | None = None

    def on_the_wall(self, real: datetime) -> datetime:
        """What the clock on the wall would have shown then; the sandbox's can be moved on."""
        return self.now - (self.real - real)


class Finding(Struct, frozen=True, kw_only=True):
    """An alarm that holds now, and how much of it there is. `tenant_id` None: it concerns the whole bot."""

    kind: Kind
    detail: str
    since: datetime
    count: int
    tenant_id: TenantId | None = None
    subject: str = ""

    @property
    def key(self) -> tuple[TenantId | None, str, str]:
        """There is one live alarm of each."""
        return (self.tenant_id, self.kind.value, self.subject)


def findings(facts: Facts) -> list[Finding]:
    """All alarms that hold now."""
    return [
        *_of_calls(facts),
        *_long_runs(facts),
        *_counted(Kind.THROTTLED, facts.throttles, "{} times in 5 minutes.", facts),
        *_counted(Kind.HANDLER_ERRORS, facts.handler_errors, "{} in 5 minutes.", facts),
        *_counted(Kind.NOT_ACCEPTED, facts.not_accepted, "{} results in 5 minutes.", facts),
        *_breakers(facts),
        *_workers(facts),
        *_audit(facts),
        *_outbox(facts),
        *_set_aside(facts),
        *_dead_letters(facts),
        *_disk(facts),
    ]


def judged(facts: Facts) -> frozenset[Kind]:
    """What the facts tell of at all: an alarm of any other kind stays as it is."""
    unknown = {Kind.AUDIT_BREAK} if facts.audit is None else set()
    return frozenset(Kind) - unknown - ({Kind.DISK_FULL} if facts.disk is None else set())


def _of_calls(facts: Facts) -> Iterator[Finding]:
    """Failures, time-outs and crashes, each team's own."""
    lately = [doing for doing in facts.wrong if doing.at > facts.now - WINDOW]
    for tenant in sorted({doing.tenant_id for doing in lately}):
        of_it = [doing for doing in lately if doing.tenant_id == tenant]
        late = [doing for doing in of_it if doing.status is Status.TIMED_OUT]
        crashed = [doing for doing in of_it if is_crash(doing.error_class)]
        yield from _calls(Kind.FAILURES, tenant, of_it, "in 5 minutes")
        yield from _calls(Kind.TIMED_OUT, tenant, late, "stopped")
        yield from _calls(Kind.CRASHED, tenant, crashed, "failed by a fault of the tool")


def is_crash(error_class: str | None) -> bool:
    """Whether this is how an exception ends that no tool meant to raise, rather than an error it tells of."""
    if error_class is None:
        return False
    return error_class in _CRASHES or error_class[:1].isupper()


def _calls(kind: Kind, tenant: TenantId, found: Sequence[Doing], how: str) -> Iterator[Finding]:
    if len(found) < RULES[kind].at_least:
        return
    number = len(found)
    yield Finding(
        kind=kind,
        tenant_id=tenant,
        detail=f"{number} {'call' if number == 1 else 'calls'} {how}: {_tools(found)}.",
        since=found[0].at,
        count=number,
    )


def _long_runs(facts: Facts) -> Iterator[Finding]:
    """One alarm a team, however many there are: it names the longest."""
    limit = timedelta(seconds=RULES[Kind.LONG_RUN].at_least)
    long = [doing for doing in facts.running if not doing.waits and facts.now - doing.at >= limit]
    for tenant in sorted({doing.tenant_id for doing in long}):
        of_it = [doing for doing in long if doing.tenant_id == tenant]
        first = min(of_it, key=lambda doing: doing.at)
        told = f"#{first.short_id} ({first.tool}) has run for {_minutes(facts.now - first.at)}."
        yield Finding(
            kind=Kind.LONG_RUN,
            tenant_id=tenant,
            detail=f"{told}{_more(len(of_it) - 1)}",
            since=first.at,
            count=len(of_it),
        )


def _counted(kind: Kind, happened: Happened, told: str, facts: Facts) -> Iterator[Finding]:
    if happened.count >= RULES[kind].at_least:
        since = happened.since or facts.now
        yield Finding(kind=kind, detail=told.format(happened.count), since=since, count=happened.count)


def _breakers(facts: Facts) -> Iterator[Finding]:
    for breaker in facts.breakers:
        if breaker.state is not BreakerState.CLOSED:
            more = " Calls queue until it is back." if breaker.safe_since else ""
            yield Finding(
                kind=Kind.BREAKER_OPEN,
                subject=breaker.adapter,
                detail=f"{breaker.adapter} is not called for now.{more}",
                since=facts.on_the_wall(breaker.opened_at or breaker.changed_at),
                count=1,
            )


def _workers(facts: Facts) -> Iterator[Finding]:
    limit = timedelta(seconds=RULES[Kind.HEARTBEAT_LOST].at_least)
    for worker in facts.workers:
        if worker.stopped_at is None and facts.real - worker.beat_at >= limit:
            yield Finding(
                kind=Kind.HEARTBEAT_LOST,
                subject=worker.name,
                detail=f"{worker.name} was last heard of {_minutes(facts.real - worker.beat_at)} ago.",
                since=facts.on_the_wall(worker.beat_at),
                count=1,
            )


def _audit(facts: Facts) -> Iterator[Finding]:
    if facts.audit:
        yield Finding(
            kind=Kind.AUDIT_BREAK,
            detail=f"{facts.audit[0]}{_more(len(facts.audit) - 1)}",
            since=facts.now,
            count=len(facts.audit),
        )


def _outbox(facts: Facts) -> Iterator[Finding]:
    since = facts.outbox.since
    if since is not None and (facts.now - since).total_seconds() >= RULES[Kind.OUTBOX_STUCK].at_least:
        waits = f"{facts.outbox.count} waiting, the oldest for {_minutes(facts.now - since)}."
        yield Finding(kind=Kind.OUTBOX_STUCK, detail=waits, since=since, count=facts.outbox.count)


def _set_aside(facts: Facts) -> Iterator[Finding]:
    found = facts.set_aside
    if found.since is not None and found.count >= RULES[Kind.SET_ASIDE].at_least:
        told = f"{found.count} set aside within a day."
        yield Finding(kind=Kind.SET_ASIDE, detail=told, since=found.since, count=found.count)


def _dead_letters(facts: Facts) -> Iterator[Finding]:
    for tenant, found in sorted((facts.dead_letters or {}).items()):
        if found.since is not None and found.count >= RULES[Kind.DEAD_LETTERS].at_least:
            yield Finding(
                kind=Kind.DEAD_LETTERS,
                tenant_id=tenant,
                detail=f"{found.count} given up.",
                since=found.since,
                count=found.count,
            )


def _disk(facts: Facts) -> Iterator[Finding]:
    if facts.disk is not None and facts.disk >= RULES[Kind.DISK_FULL].at_least:
        told = f"{facts.disk:.0f} % of it is in use."
        yield Finding(kind=Kind.DISK_FULL, detail=told, since=facts.now, count=round(facts.disk))


def _tools(found: Iterable[Doing]) -> str:
    """The tools, the most frequent first, with how often."""
    counted = Counter(doing.tool for doing in found).most_common()
    named = [tool if number == 1 else f"{tool} ({number})" for tool, number in counted[:_NAMED]]
    rest = f" and {len(counted) - _NAMED} more" if len(counted) > _NAMED else ""
    return ", ".join(named) + rest


def _more(number: int) -> str:
    return f" And {number} more." if number else ""


def _minutes(lasts: timedelta) -> str:
    seconds = round(lasts.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
