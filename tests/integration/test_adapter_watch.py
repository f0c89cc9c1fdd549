"""Looking after adapters: health checks, and whom safe mode is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from bot.telegram.adapters import QUIET, Notices
from bot.workers.adapters import AdapterWatch
from core.adapters import Adapter, Adapters
from core.engine.env import BreakerNews
from core.model import Breaker, BreakerState
from core.resilience import breaker as rules
from tests.integration.remote import MAIL, Remote
from tests.kit.clock import NOON, FakeClock
from tests.kit.world import ACME, World


class Clock(FakeClock):
    """With what the product's clock has besides."""

    def both(self):  # type: ignore[no-untyped-def]
        return self.moment


class Checked:
    """A remote with a health check."""

    def __init__(self, world: World) -> None:
        self.remote = Remote(world)
        self.works = True
        self.asked = 0
        world.env = replace(world.env, adapters=Adapters([Adapter(name=MAIL, check=self._check)]))
        world.clock = Clock()
        self.watch = AdapterWatch(
            uow=world.db.writer,
            reader=world.db.reader,
            env=world.env,
            clock=world.clock,  # type: ignore[arg-type]
        )

    async def _check(self) -> None:
        self.asked += 1
        if not self.works:
            raise ConnectionError("no route")


async def test_one_that_works_is_asked_now_and_then_and_nothing_is_written(sqlite_world: World) -> None:
    checked = Checked(sqlite_world)
    await checked.watch.look()
    await checked.watch.look()
    assert checked.asked == 1
    assert await checked.remote.breaker() is None
    checked.watch._asked.clear()  # a minute later
    with sqlite_world.place.held():
        await checked.watch.look()  # known to be clean: no transaction at all
    assert checked.asked == 2


async def test_one_that_is_cut_off_is_asked_at_every_look_and_closes_once_it_is_time(
    sqlite_world: World,
) -> None:
    checked = Checked(sqlite_world)
    await checked.remote.cut_off()
    checked.works = False
    for _ in range(2):
        await checked.watch.look()
    assert checked.asked == 2
    sqlite_world.clock.advance(30)
    await checked.watch.look()
    found = await checked.remote.breaker()
    assert found is not None
    assert found.retry_at == sqlite_world.clock.real() + timedelta(seconds=60), "it was a probe, and failed"
    checked.works = True
    await checked.watch.look()
    assert checked.remote.states == ["open"]
    sqlite_world.clock.advance(60)
    await checked.watch.look()
    assert checked.remote.states == ["open", "closed"]


async def test_one_that_is_cut_off_past_the_limit_is_in_safe_mode(sqlite_world: World) -> None:
    checked = Checked(sqlite_world)
    await checked.remote.cut_off()
    checked.works = False
    sqlite_world.clock.advance(minutes=5)
    await checked.watch.look()
    found = await checked.remote.breaker()
    assert found is not None
    assert found.safe_since == sqlite_world.clock.real()


# --------------------------------------------------------------------------- who is told


CLOSED = rules.new("mail", now=NOON)
OPEN = replace(CLOSED, state=BreakerState.OPEN, failures=5, opened_at=NOON, retry_at=NOON, changed_at=NOON)
SAFE = replace(OPEN, safe_since=NOON)


def later(breaker: Breaker, after: timedelta) -> Breaker:
    return replace(breaker, changed_at=NOON + after)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([(CLOSED, OPEN)], []),  # that is an alarm
        ([(OPEN, SAFE)], ["Safe mode"]),
        ([(OPEN, SAFE), (SAFE, SAFE), (SAFE, CLOSED)], ["Safe mode", "answers again"]),
        ([(SAFE, CLOSED)], ["answers again"]),  # told of by the process before
        ([(OPEN, CLOSED)], []),
        ([(OPEN, SAFE), (SAFE, CLOSED), (OPEN, SAFE), (SAFE, CLOSED)], ["Safe mode", "answers again"]),
        (
            [(OPEN, SAFE), (SAFE, CLOSED), (OPEN, later(SAFE, QUIET))],
            ["Safe mode", "answers again", "Safe mode"],
        ),
    ],
)
async def test_admins_are_told_of_safe_mode_and_its_end_and_not_too_often(
    sqlite_world: World, changes: list[tuple[Breaker, Breaker]], told: list[str]
) -> None:
    notices = Notices(ACME)
    for before, after in changes:
        news = BreakerNews(before=before, after=after)
        await sqlite_world.unit(lambda records: notices.tell(records, news, NOON))  # noqa: B023
    rows = sqlite_world.sql("SELECT chat, payload FROM outbox ORDER BY id")
    assert len(rows) == len(told)
    for (_, payload), words in zip(rows, told, strict=True):
        assert words in payload
    assert len({chat for chat, _ in rows}) <= 1, "acme has one admin who opened the bot"
