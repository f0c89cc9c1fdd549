"""T15: killed again while it recovers, and once more: three deaths deep, in every order of their kinds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.crash.cases import saying
from tests.crash.stage import PEOPLE, Stage, open_stage
from tests.crash.tools import GATE
from tests.crash.victim import KILLED
from tests.e2e.rounds import FULL, SECOND_OF_TWO
from tests.kit.databases import Kind

DEEP: Final = 3
WHERE: Final[Mapping[str, tuple[str, ...]]] = {
    "recovering": ("recover.before_commit", "recover.after_commit"),
    "running": (
        *("tool.before", "tool.after", "finish.before_commit", "finish.after_commit"),
        *("start.before_commit", "start.after_commit"),
    ),
    "hearing": (
        *("inbox.store.after_commit", "inbox.stored", "said.before_commit", "said.after_commit"),
        *("tap.approve.before_commit", "tap.approve.after_commit"),
    ),
    "telling": (
        *("relay.before_send", "relay.after_send", "relay.sent.before_commit", "relay.sent.after_commit"),
        *("mirror.before_commit", "mirror.after_commit"),
    ),
}
"""Where a life that begins with work in hand and work at the door may end, by kind."""
_TENTH: Final = 10


def deaths() -> list[tuple[str, ...]]:
    """Every order of three kinds of death, or a tenth of them; each kind's places take turns."""
    turns = {kind: itertools.cycle(places) for kind, places in WHERE.items()}
    orders = list(itertools.product(WHERE, repeat=DEEP))
    # Nine apart, so that the last kind changes each time as well, and every place has its turn.
    chosen = orders if FULL else orders[:: _TENTH - 1]
    return [tuple(next(turns[kind]) for kind in order) for order in chosen]


@pytest.mark.parametrize("kind", ["sqlite", SECOND_OF_TWO])
@pytest.mark.timeout(3600 if FULL else 300)
async def test_t15_killed_again_while_it_recovers_three_deep(kind: Kind, tmp_path: Path) -> None:
    rounds = deaths()
    assert {place for places in rounds for place in places} == {p for ps in WHERE.values() for p in ps}
    async with open_stage(tmp_path / "data", kind) as stage:
        await stage.introduce(*PEOPLE)
        for places in rounds:
            try:
                await _die_again_and_again(stage, places)
            except (AssertionError, TimeoutError) as problem:
                raise AssertionError(f"killed at {', '.join(places)}: {problem}") from problem
        calls = stage.seen.number("SELECT count(*) FROM tool_calls")
        unfinished = "tool IN ('tick', 'linger') AND status <> 'completed'"
        assert not stage.seen.number(f"SELECT count(*) FROM tool_calls WHERE {unfinished}")
        interrupted = stage.seen.number("SELECT count(*) FROM tool_calls WHERE status = 'interrupted'")
    full = len(WHERE) ** DEEP
    lives = f"{stage.lives} lives, {calls} calls, {interrupted} interrupted"
    print(f"T15 {kind}: {len(rounds)}/{full} orders of deaths, {lives}")
    assert len(rounds) * _TENTH >= full
    assert interrupted >= len(rounds)


async def _die_again_and_again(stage: Stage, places: tuple[str, ...]) -> None:
    """A life dies with calls in hand; then each one at its place, with new work at the door every time."""
    (stage.data / GATE).unlink(missing_ok=True)
    cards = [await stage.ask(stage.fresh()) for _ in places]
    await _die_with_calls_in_hand(stage)
    for place, card in zip(places, cards, strict=True):
        await stage.say("member", f"/tick {stage.fresh()}", calls=1)
        stage.tap("approver", card, "Approve")
        await stage.dies_at_start(place)
    assert (stage.data / KILLED).read_text().split()[-DEEP:] == list(places)
    (stage.data / GATE).touch()
    await stage.up()


async def _die_with_calls_in_hand(stage: Stage) -> None:
    """One call that may run again and waits, one that may not, and one whose effect nobody noted."""
    for tool in ("linger", "hang"):
        await stage.say("member", f"/{tool} {stage.fresh()}", calls=1)
        await stage.life_sees(f"SELECT count(*) FROM tool_calls WHERE tool = '{tool}' AND status = 'running'")
    await stage.dies_at("tool.after", saying(stage, "member", f"/tick {stage.fresh()}", calls=1))
