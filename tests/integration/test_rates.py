"""Rate limits in the engine: counted with the start, exact at the edges, and never more than that many."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.engine import Proposed, Refused, Started
from core.engine.held import viewed
from core.errors import Code
from core.ids import PersonId
from core.lifecycle import Status
from core.limits import AHEAD, RateLimits, Window, count, is_limit, limited_by, windows_of
from tests.kit.clock import NOON
from tests.kit.tools import tool
from tests.kit.world import ACME, World, code_of, principal, refusal_of

MINUTE = timedelta(minutes=1)


def limit(world: World, **limits: str) -> None:
    """From now on these limits hold."""
    world.env = replace(world.env, rates=RateLimits(**limits))


async def test_what_is_over_the_limit_waits_and_is_started_at_the_very_edge(world: World) -> None:
    limit(world, per_user="2/minute")
    first, second, third, fourth = [await world.propose("low_once") for _ in range(4)]
    await world.execute(first)
    world.clock.move_wall(20)
    await world.execute(second)
    refused = refusal_of(await world.start(third, principal("ann"))).refusal
    assert (refused.code, refused.http_status, refused.retry_after_s) == (Code.RATE_LIMITED, 429, 40)
    assert "limit of 2/minute for this person" in refused.message
    assert "40 s" in refused.message
    view = await world.read(lambda r: viewed(r, third, now=world.clock.now(), env=world.env))
    assert (view.call.status, view.held_until) == (Status.PENDING, world.clock.now() + timedelta(seconds=40))
    assert "2/minute" in view.held
    world.clock.move_wall(39.999)
    assert code_of(await world.start(third)) == "rate_limited"
    world.clock.move_wall(0.001)
    await world.execute(third)
    assert refusal_of(await world.start(fourth)).refusal.retry_after_s == 20
    assert sum(world.ledger.effects.values()) == 3


async def test_each_limit_counts_for_its_own(world: World) -> None:
    limit(world, per_user="2/hour", per_tenant="3/hour", per_tool="1/hour")
    await world.execute(await world.propose("low_once"))
    assert (
        code_of(await world.start(await world.propose("low_once", by="bob"))) == "rate_limited"
    )  # the tool's
    await world.execute(await world.propose("undoable"))
    hers = refusal_of(await world.start(await world.propose("fails"))).refusal
    assert hers.details["limit_of"] == "this person"
    await world.execute(await world.propose("low_again", by="bob"))
    team = refusal_of(await world.start(await world.propose("fails", by="bob"))).refusal
    assert team.details == {"limit": "3/hour", "limit_of": "this team"}
    await world.execute(await world.propose("low_once", by="zoe"))  # nothing crosses teams


async def test_a_tool_has_a_limit_of_its_own_and_an_undo_counts(world: World) -> None:
    known = world.registry.get("undoable")
    world.registry._tools["undoable"] = replace(known, limit="2/day")
    call = await world.done("undoable")
    undo = await world.undo(call)
    assert isinstance(undo, Proposed)
    await world.execute(undo.call)
    assert code_of(await world.start(await world.propose("undoable"))) == "rate_limited"


async def test_a_start_that_is_rolled_back_counts_nothing_and_a_retry_neither(world: World) -> None:
    limit(world, per_tenant="1/hour")
    call = await world.propose("low_again")
    with world.place.forbidding("INSERT", "attempts"), pytest.raises(world.place.errors):
        await world.start(call)
    started = await world.started(call)
    assert world.sql("SELECT count(*) FROM rate_hits") == [(1,)]
    world.clock.advance(60)
    assert len(await world.recover()) == 1  # another attempt at the same call
    assert world.sql("SELECT count(*) FROM rate_hits") == [(1,)]
    assert started.call.attempts == 1


async def test_a_hundred_starts_at_once_are_never_more_than_the_limit(world: World) -> None:
    limit(world, per_tenant="7/minute")
    calls = [await world.propose("low_once") for _ in range(30)]
    answers = await asyncio.gather(*(world.start(call, worker=f"w{n}") for n, call in enumerate(calls)))
    assert sum(isinstance(answer, Started) for answer in answers) == 7
    assert {code_of(answer) for answer in answers if isinstance(answer, Refused)} == {"rate_limited"}


async def test_t40_a_clock_that_was_a_year_ahead_leaves_no_limit_behind(world: World) -> None:
    """What it counted there stands for nothing; what a clock a little ahead counted still does."""
    limit(world, per_user="1/minute")
    world.clock.move_wall(days=366)
    await world.execute(await world.propose("low_once"))
    world.clock.move_wall(days=-366)
    await world.execute(await world.propose("low_once"))
    assert world.sql("SELECT count(*) FROM rate_hits") == [(1,)]
    world.clock.move_wall(-50)
    refused = refusal_of(await world.start(await world.propose("low_once"))).refusal
    assert (refused.code, refused.retry_after_s) == (Code.RATE_LIMITED, 110)


async def test_without_limits_nothing_is_written(world: World) -> None:
    await world.done()
    assert world.sql("SELECT count(*) FROM rate_hits") == [(0,)]


def test_without_limits_the_library_is_not_imported() -> None:
    look = "import sys, core.engine; sys.exit('limits' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


async def test_starts_that_left_their_window_are_forgotten_with_the_next(world: World) -> None:
    windows = windows_of(
        RateLimits(per_tenant="2/minute"),
        tenant_id=ACME,
        person_id=PersonId("ann"),
        tool="x",
        own="",
    )

    async def hit() -> None:
        await world.unit(lambda records: count(records.rates, windows, now=world.clock.now()))

    await hit()
    world.clock.move_wall(60)
    await hit()
    assert world.sql("SELECT count(*) FROM rate_hits") == [(1,)]


class Kept:
    """Hits in a list, for what is about the rule alone."""

    def __init__(self) -> None:
        self.at: list[datetime] = []

    def hit(self, bucket: str, *, now: datetime, since: datetime) -> None:
        self.at = [*(each for each in self.at if since < each <= now + AHEAD), now]

    def window(
        self, bucket: str, *, now: datetime, since: datetime, most: int
    ) -> tuple[int, datetime | None]:
        found = sorted(each for each in self.at if since < each <= now + AHEAD)[-most:]
        return len(found), found[0] if found else None


@given(st.integers(1, 5), st.lists(st.integers(0, 30_000), max_size=60))
def test_never_more_than_that_many_in_any_window_and_the_wait_is_exact(most: int, gaps: list[int]) -> None:
    hits, now, passed = Kept(), NOON, []
    windows = (Window(whose="it", bucket="b", limit=f"{most}/minute"),)
    for gap in gaps:
        now += timedelta(milliseconds=gap)
        full = limited_by(hits, windows, now=now)
        if full is None:
            count(hits, windows, now=now)
            passed.append(now)
            continue
        then = now + timedelta(milliseconds=math.ceil(full.retry_after_s * 1000 - 0.01))
        assert limited_by(hits, windows, now=then) is None
        assert limited_by(hits, windows, now=then - timedelta(milliseconds=2)) is not None
    for at in passed:
        assert sum(at - MINUTE < other <= at for other in passed) <= most


def test_a_lowered_limit_waits_until_enough_are_out_of_the_window() -> None:
    hits = Kept()
    hits.at = [NOON + timedelta(seconds=second) for second in range(5)]
    windows = (Window(whose="it", bucket="b", limit="2/minute"),)
    full = limited_by(hits, windows, now=NOON + timedelta(seconds=10))
    assert full is not None
    assert full.retry_after_s == pytest.approx(53)
    count(hits, windows, now=NOON + timedelta(seconds=10))  # what was not let through is not counted
    assert len(hits.at) == 5


def test_of_several_full_windows_the_longest_is_told() -> None:
    hits = Kept()
    hits.at = [NOON]
    windows = [Window(whose=unit, bucket="b", limit=f"1/{unit}") for unit in ("second", "hour", "minute")]
    full = limited_by(hits, windows, now=NOON)
    assert full is not None
    assert full.window.whose == "hour"


@pytest.mark.parametrize(
    ("text", "fits"),
    [("60/minute", True), ("1/second", True), ("1000/day", True), ("5/hour", True)]
    + [(text, False) for text in ("", "0/minute", "60", "60/week", "-1/day", "60 per minute", "1e3/day")],
)
def test_what_is_a_limit(text: str, fits: bool) -> None:
    assert is_limit(text) is fits
    assert tool(limit=text).limit == text
