"""One round of taps at one bot, and what many rounds come to."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.bot.bots import Bot
from benchmarks.bot.stage import PATIENCE_S, Tap

PAUSE_S = 0.01
"""Between one tap and the next where one person taps: whatever the bot still has to do, it can do."""


@dataclass(slots=True)
class Series:
    """What the rounds of one bot gave: medians of a round, in milliseconds, or rates, a second."""

    shown: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    """Milliseconds of processor time that the bot spent on a tap, to its end: other work on the machine does
    not show in it."""

    served: list[float] = field(default_factory=list)
    """The same of the sandbox, which shares the machine with the bot."""

    @property
    def server(self) -> float:
        """The median over the rounds of the sandbox's processor time a tap, in milliseconds."""
        return statistics.median(self.served)

    @property
    def processor(self) -> float:
        """The median over the rounds of the bot's processor time a tap, in milliseconds."""
        return statistics.median(self.busy)

    @property
    def first(self) -> float:
        """The median over the rounds, to where the card shows the decision."""
        return statistics.median(self.shown)

    @property
    def last(self) -> float:
        """The median over the rounds, to where it shows the end."""
        return statistics.median(self.ended)


async def one_by_one(bot: Bot, series: Series, *, taps: int) -> None:
    """One person taps card after card, each after the one before is through: milliseconds a tap."""
    await bot.deal(chats=1, each=taps)
    person, done, used = bot.stage.people[0], list[Tap](), _used(bot)
    for card in bot.stage.cards(bot.id, person):
        tap = bot.stage.tap(person, card, mark=bot.mark)
        await bot.stage.finish(tap)
        done.append(tap)
        await asyncio.sleep(PAUSE_S)
    _check(done, taps)
    _note_processors(bot, series, used, taps=taps)
    series.shown.append(statistics.median(1000 * (tap.shown_at - tap.begun) for tap in done))
    series.ended.append(statistics.median(1000 * (tap.ended_at - tap.begun) for tap in done))


async def at_once(bot: Bot, series: Series, *, chats: int, each: int) -> None:
    """Everybody taps at once, each their next card as soon as the last one shows its decision: taps a
    second, until the last card shows its decision, and until the last one shows its end."""
    await bot.deal(chats=chats, each=each)
    done, used = list[Tap](), _used(bot)

    async def tap_all(chat: int) -> None:
        person = bot.stage.people[chat]
        for card in bot.stage.cards(bot.id, person):
            tap = bot.stage.tap(person, card, mark=bot.mark)
            done.append(tap)
            await tap.shown.wait()

    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(tap_all(chat) for chat in range(chats)))
    except TimeoutError:
        raise SystemExit(f"void: {bot.kind} did not get through {chats * each} taps") from None
    for tap in done:
        await bot.stage.finish(tap)
    _check(done, chats * each)
    _note_processors(bot, series, used, taps=len(done))
    begun = min(tap.begun for tap in done)
    series.shown.append(len(done) / (max(tap.shown_at for tap in done) - begun))
    series.ended.append(len(done) / (max(tap.ended_at for tap in done) - begun))


def _check(done: Sequence[Tap], wanted: int) -> None:
    if len(done) != wanted:
        raise SystemExit(f"void: {len(done)} taps in place of {wanted}")


def _used(bot: Bot) -> tuple[float, float]:
    """Seconds of processor time so far: the bot's, the sandbox's."""
    return bot.processor_s, time.process_time()


def _note_processors(bot: Bot, series: Series, before: tuple[float, float], *, taps: int) -> None:
    busy, served = (1000 * (now - then) / taps for now, then in zip(_used(bot), before, strict=True))
    series.busy.append(busy)
    series.served.append(served)
