"""Telegram's limits are kept in any window, by a clock that only moves when somebody waits."""

from __future__ import annotations

import asyncio

import pytest

from bot.telegram.pace import GROUP, OVERALL, PRIVATE, Pace, Window

MIA, PAUL, TEAM = 1001, 1002, -1001


class Clock:
    """Monotonic time that `asyncio.sleep` moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.slept += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(asyncio, "sleep", made.sleep)
    return made


async def send(pace: Pace, clock: Clock, chat: int, times: int) -> list[float]:
    sent = []
    for _ in range(times):
        await pace.wait(chat)
        sent.append(clock.now)
    return sent


def keeps(sent: list[float], window: Window) -> bool:
    """Whether no window of this length held more than it may."""
    return all(
        later - earlier >= window.seconds - 1e-6
        for earlier, later in zip(sent, sent[window.most :], strict=False)
    )


@pytest.mark.parametrize(("chat", "window"), [(MIA, PRIVATE), (TEAM, GROUP)])
async def test_a_chat_gets_its_window_at_once_and_then_waits(clock: Clock, chat: int, window: Window) -> None:
    pace = Pace(monotonic=clock)
    sent = await send(pace, clock, chat, window.most)
    assert clock.slept == 0
    sent += await send(pace, clock, chat, 3 * window.most)
    assert keeps(sent, window)
    assert sent[window.most] == sent[0] + window.seconds, "not later than it must be"


async def test_all_chats_together_keep_the_overall_window(clock: Clock) -> None:
    pace = Pace(monotonic=clock)
    sent = [at for chat in range(1, 101) for at in await send(pace, clock, chat, 1)]
    assert keeps(sent, OVERALL)
    assert len({at for at in sent if at == sent[0]}) == 1
    assert sent.count(sent[0]) == OVERALL.most


async def test_a_chat_that_waits_does_not_count_against_others(clock: Clock) -> None:
    pace = Pace(monotonic=clock)
    await send(pace, clock, TEAM, GROUP.most)
    before = clock.now
    await send(pace, clock, PAUL, 1)
    assert clock.now == before
    clock.now += GROUP.seconds
    await send(pace, clock, TEAM, 1)
    assert clock.slept == 0


async def test_two_that_wait_for_the_same_chat_both_keep_the_window(clock: Clock) -> None:
    pace = Pace(monotonic=clock)
    sent = await send(pace, clock, MIA, PRIVATE.most)

    async def one() -> None:
        await pace.wait(MIA)
        sent.append(clock.now)

    await asyncio.gather(*(one() for _ in range(2 * PRIVATE.most)))
    assert keeps(sorted(sent), PRIVATE)


async def test_chats_that_went_quiet_are_forgotten(clock: Clock) -> None:
    pace = Pace(monotonic=clock)
    await send(pace, clock, MIA, 1)
    clock.now += PRIVATE.seconds
    pace._room_in(MIA)
    assert not pace._chats


async def test_switched_off_it_lets_everything_through(clock: Clock) -> None:
    pace = Pace(off=True, monotonic=clock)
    await send(pace, clock, MIA, 1000)
    assert clock.slept == 0


async def test_progress_leaves_room_for_what_is_to_be_told(clock: Clock) -> None:
    pace = Pace(monotonic=clock)
    for chat, window in ((MIA, PRIVATE), (TEAM, GROUP)):
        begun = clock.now
        while pace.delay(chat, leave=3) == 0:
            await pace.wait(chat)
        assert clock.now == begun
        assert len(pace._chats[chat]) == window.most - 3
        assert pace.delay(chat, leave=3) == window.seconds
        assert pace.delay(chat, leave=0) == 0
        clock.now += window.seconds
        assert pace.delay(chat, leave=3) == 0
    assert Pace(off=True).delay(MIA, leave=3) == 0
