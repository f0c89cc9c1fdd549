"""The rules of alarms as a table: each one just raised and just not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from core.alarms import RULES, Facts, Finding, Happened, Kind, findings, is_crash, judged
from core.ids import CallId, TenantId
from core.lifecycle import Status
from core.model import Backlog, Breaker, BreakerState, Doing, Worker
from tests.kit.clock import NOON

ACME, UMBRELLA = TenantId("acme"), TenantId("umbrella")
NONE = Facts(now=NOON, real=NOON)


def ago(**more: float) -> datetime:
    return NOON - timedelta(**more)


LATELY = ago(minutes=1)


def doing(number: int = 1, /, *, at: datetime = LATELY, **changes: Any) -> tuple[Doing, ...]:
    fields: dict[str, Any] = {
        "call_id": CallId("c"),
        "short_id": "A7F3Q2",
        "tenant_id": ACME,
        "tool": "note",
        "at": at,
        "status": Status.FAILED,
        "error_class": "tool_error",
    }
    return (Doing(**(fields | changes)),) * number


def breaker(state: BreakerState, **changes: Any) -> Breaker:
    fields: dict[str, Any] = {
        "adapter": "mail",
        "state": state,
        "failures": 5,
        "opened_at": ago(minutes=2),
        "retry_at": None,
        "probe": None,
        "probe_until": None,
        "safe_since": None,
        "changed_at": NOON,
        "version": 1,
    }
    return Breaker(**(fields | changes))


def worker(silent_s: float, **changes: Any) -> Worker:
    return Worker(name="w1", started_at=ago(hours=1), beat_at=ago(seconds=silent_s), running=0, **changes)


def waits(count: int, since_s: float = 1) -> Backlog:
    return Backlog(count=count, since=ago(seconds=since_s))


def times(count: int) -> Happened:
    return Happened(count=count, since=ago(minutes=3))


TABLE = [
    (Kind.FAILURES, {"wrong": doing(5)}, {"wrong": doing(4)}, "5 calls in 5 minutes: note (5)."),
    (Kind.FAILURES, {"wrong": doing(5)}, {"wrong": doing(5, at=ago(minutes=5))}, "5 calls"),
    (Kind.TIMED_OUT, {"wrong": doing(status=Status.TIMED_OUT)}, {"wrong": doing()}, "1 call stopped: note."),
    (Kind.CRASHED, {"wrong": doing(error_class="KeyError")}, {"wrong": doing()}, "1 call failed by a fault"),
    (
        Kind.LONG_RUN,
        {"running": doing(at=ago(seconds=300))},
        {"running": doing(at=ago(seconds=299))},
        "#A7F3Q2 (note) has run for 5 min.",
    ),
    (Kind.THROTTLED, {"throttles": times(10)}, {"throttles": times(9)}, "10 times in 5 minutes."),
    (Kind.HANDLER_ERRORS, {"handler_errors": times(1)}, {"handler_errors": times(0)}, "1 in 5 minutes."),
    (Kind.NOT_ACCEPTED, {"not_accepted": times(3)}, {"not_accepted": times(2)}, "3 results"),
    (
        Kind.BREAKER_OPEN,
        {"breakers": [breaker(BreakerState.OPEN, safe_since=NOON)]},
        {"breakers": [breaker(BreakerState.CLOSED)]},
        "mail is not called for now. Calls queue until it is back.",
    ),
    (Kind.BREAKER_OPEN, {"breakers": [breaker(BreakerState.HALF_OPEN, opened_at=None)]}, {}, "for now."),
    (
        Kind.HEARTBEAT_LOST,
        {"workers": [worker(30)]},
        {"workers": [worker(29), worker(999, stopped_at=NOON)]},
        "w1 was last heard of 30 s ago.",
    ),
    (Kind.AUDIT_BREAK, {"audit": ["acme, 7: it was altered.", "x"]}, {"audit": []}, "altered. And 1 more."),
    (Kind.OUTBOX_STUCK, {"outbox": waits(3, 300)}, {"outbox": waits(3, 299)}, "3 waiting, the oldest for 5"),
    (Kind.SET_ASIDE, {"set_aside": waits(1)}, {"set_aside": Backlog()}, "1 set aside within a day."),
    (
        Kind.DEAD_LETTERS,
        {"dead_letters": {ACME: waits(2)}},
        {"dead_letters": {ACME: Backlog()}},
        "2 given up.",
    ),
    (Kind.DISK_FULL, {"disk": 95.0}, {"disk": 94.9}, "95 % of it is in use."),
]


@pytest.mark.parametrize(("kind", "raised", "quiet", "told"), TABLE)
def test_each_alarm_holds_from_its_threshold_on(
    kind: Kind, raised: dict[str, Any], quiet: dict[str, Any], told: str
) -> None:
    (found,) = [each for each in findings(replace(NONE, **raised)) if each.kind is kind]
    assert told in found.detail
    assert found.since <= NOON
    assert found.count >= 1
    assert kind not in {each.kind for each in findings(replace(NONE, **quiet))}


def test_every_alarm_is_in_the_table_and_has_a_rule() -> None:
    assert {row[0] for row in TABLE} == set(Kind) == set(RULES)
    assert not findings(NONE)


def test_a_teams_failures_are_its_own() -> None:
    """Two teams with three failures each: neither has five."""
    assert not findings(replace(NONE, wrong=doing(3) + doing(3, tenant_id=UMBRELLA)))
    found = findings(replace(NONE, wrong=doing(5) + doing(6, tenant_id=UMBRELLA, tool="other")))
    told = [(each.tenant_id, each.count) for each in found if each.kind is Kind.FAILURES]
    assert told == [(ACME, 5), (UMBRELLA, 6)]
    assert "other" not in found[0].detail


def test_many_of_one_kind_are_one_alarm() -> None:
    """A hundred long runs or kinds of tools are no hundred messages, and no long one."""
    many = tuple(doing(at=ago(seconds=301 + at), tool=f"tool_{at}")[0] for at in range(100))
    (found,) = findings(replace(NONE, running=many))
    assert found.detail == "#A7F3Q2 (tool_99) has run for 6 min. And 99 more."
    (failed,) = findings(replace(NONE, wrong=tuple(replace(each, at=ago(minutes=1)) for each in many)))
    assert failed.detail.endswith("and 97 more.")


def test_since_when_is_told_by_the_clock_on_the_wall() -> None:
    """Where that was moved on, the alarm has not lasted for longer."""
    later = replace(NONE, now=NOON + timedelta(hours=9), breakers=[breaker(BreakerState.OPEN)])
    (found,) = findings(later)
    assert later.now - found.since == timedelta(minutes=2)


def test_what_nobody_can_tell_is_not_judged() -> None:
    assert judged(NONE) == set(Kind) - {Kind.AUDIT_BREAK, Kind.DISK_FULL}
    assert judged(replace(NONE, audit=[], disk=1.0)) == set(Kind)


@pytest.mark.parametrize(
    ("error_class", "crash"),
    [(None, False), ("tool_error", False), ("KeyError", True), ("exit", True), ("bad_result", True)],
)
def test_a_crash_is_what_no_tool_meant(error_class: str | None, *, crash: bool) -> None:
    assert is_crash(error_class) is crash


def test_each_finding_has_a_key_of_its_own() -> None:
    one = Finding(kind=Kind.BREAKER_OPEN, detail="", since=NOON, count=1, subject="mail")
    assert one.key == (None, "breaker_open", "mail")
