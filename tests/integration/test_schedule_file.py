"""The file of schedules: brought in at the start and whenever it changes; a broken one changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.cli.records import registry_of as registry_of_settings
from bot.config import load
from bot.schedule_file import load_schedules, read_schedules
from bot.schedules_in_force import SchedulesInForce, Taken
from bot.telegram.render.schedule_file import taken as shown
from core.engine.schedules import pause
from core.errors import ConfigError
from core.model import Role, Schedule
from core.ports import Now, Records
from tests.kit.people import conversation_of
from tests.kit.tools import Ledger, registry_of
from tests.kit.world import ACME, World, principal

TEA = """[[schedule]]
name = "tea"
cron = "0 14 * * *"
tool = "low_once"
args = { text = "tea" }
as = "Ann"
"""
ONCE = TEA.replace("tea", "once").replace('cron = "0 14 * * *"', "at = 2026-12-24T18:00:00")
ONCE = ONCE.replace('"Ann"', '"bob"\nchat = -500')


class Watched:
    """A file, what brings it in, and what admins were told."""

    def __init__(self, world: World, path: Path, text: str) -> None:
        self.world, self.path, self.told = world, path, list[Taken]()
        path.write_text(text)
        self.file = SchedulesInForce(
            path,
            uow=world.db.writer,
            env=world.env,
            clock=world.clock,
            home=ACME,
            tell=self._tell,
        )

    def _tell(self, records: Records, taken: Taken, now: Now) -> None:
        self.told.append(taken)

    async def save(self, text: str) -> Taken | None:
        self.path.write_text(text)
        return await self.file.look()

    async def live(self) -> dict[str, Schedule]:
        found = await self.world.read(lambda records: records.schedules.from_source())
        return {each.source: each for each in found}

    def events(self) -> list[tuple[str, Any]]:
        return [
            (e.kind, json.loads(e.content)) for e in self.world.chain() if e.kind.startswith("schedules.")
        ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "schedules.toml"


async def test_what_it_says_is_in_force_and_follows_it(world: World, path: Path) -> None:
    watched = Watched(world, path, TEA)
    await watched.file.start()
    await watched.file.start()
    tea = (await watched.live())["tea"]
    assert (tea.requester_id, tea.conversation_id, tea.timezone) == ("ann", "acme-ann", "UTC")
    assert await watched.file.look() is None
    now = world.clock.moment
    await world.unit(lambda r: pause(r, by=principal("ann"), schedule_id=tea.id, now=now))
    await watched.save(TEA.replace("0 14", "0 15") + ONCE)
    live = await watched.live()
    assert (live["tea"].id, live["tea"].rule) == (tea.id, "cron 0 15 * * *")
    assert live["tea"].paused_at is not None
    assert (live["once"].requester_id, live["once"].conversation_id) == ("bob", "acme-group")
    await watched.save(ONCE)
    assert list(await watched.live()) == ["once"]
    assert [(t.added, t.changed, t.ended) for t in watched.told] == [
        (["once"], ["tea"], []),
        ([], [], ["tea"]),
    ]
    assert [kind for kind, _ in watched.events()] == ["schedules.reloaded"] * 3
    assert "once" in shown(watched.told[0]).html


async def test_a_broken_file_changes_nothing_and_is_told_with_its_place(world: World, path: Path) -> None:
    watched = Watched(world, path, TEA)
    await watched.file.start()
    before = await watched.live()
    await watched.save(TEA.replace("low_once", "low_twice"))
    assert await watched.live() == before
    (told,) = watched.told
    assert "line 4, column 1: no tool is named 'low_twice'" in told.problem
    assert "Nothing was changed" in shown(told).html
    assert watched.events()[-1][0] == "schedules.refused"
    with pytest.raises(ConfigError, match="line 4"):
        load_schedules(path, world.registry)
    await watched.save(TEA)
    assert await watched.live() == before


async def test_one_that_names_nobody_waits_until_they_have_come(world: World, path: Path) -> None:
    watched = Watched(world, path, TEA.replace("Ann", "eve") + ONCE.replace("-500", "-501"))
    taken = await watched.file.start()
    assert "no member is called 'eve'" in taken.idle["tea"]
    assert "chat -501" in taken.idle["once"]
    assert not await watched.live()
    await world.role("eve", Role.MEMBER)
    assert await watched.file.look() is None
    world.clock.advance(61)
    await watched.file.look()
    eve = conversation_of("eve", ACME)
    await world.unit(lambda r: r.people.add_conversation(eve, account_name="Eve", now=world.clock.now()))
    world.clock.advance(61)
    await watched.file.look()
    assert list(await watched.live()) == ["tea"]
    assert ["private chat" in str(told.idle) for told in watched.told] == [True, False]
    assert watched.told[1].added == ["tea"]


async def test_what_policy_denies_is_not_in_force_and_refused_once(world: World, path: Path) -> None:
    world.rules('[[rule]]\nname = "closed"\ndecision = "deny"\n')
    watched = Watched(world, path, TEA)
    await watched.file.start()
    world.clock.advance(120)
    await watched.file.look()
    assert not await watched.live()
    assert [event.kind for event in world.chain()].count("refused") == 1


async def test_a_time_that_has_passed_is_over(world: World, path: Path) -> None:
    watched = Watched(world, path, ONCE)
    await watched.file.start()
    await watched.save(ONCE.replace("2026-12-24", "2026-11-19"))
    assert not await watched.live()
    await watched.file.start()
    assert not await watched.live()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TEA.replace("cron", "crom"), "line 3, column 1: 'crom' is not known"),
        (TEA.replace("0 14", "0 25"), "line 3, column 1: hour: '25' does not fit"),
        (TEA.replace('cron = "0 14 * * *"\n', ""), "line 1, column 1: give one of cron"),
        (TEA + 'at = "2026-12-24T18:00"\n', "line 7, column 1: give one of cron"),
        (TEA.replace("tea = ", ""), None),
        (TEA.replace('text = "tea"', "amount = 1"), "line 5, column 1: text"),
        (TEA.replace('args = { text = "tea" }', "args = 1"), "line 5, column 1: args"),
        (TEA.replace('"Ann"', '""'), "line 6, column 1: as is missing"),
        (TEA + 'chat = "here"\n', "line 7, column 1: chat"),
        (TEA + 'missed = "twice"\n', "line 7, column 1: missed"),
        (TEA + 'timezone = "Mars"\n', "line 7, column 1: timezone"),
        (TEA + "timezone = 1\n", "line 7, column 1: timezone"),
        (TEA.replace('"0 14 * * *"', "5"), "line 3, column 1: cron = 5"),
        (TEA.replace('"tea"\n', f'"{"x" * 81}"\n', 1), "line 2, column 1: name has 81"),
        (TEA + TEA, "line 8, column 1: a schedule named 'tea' stands above"),
        ("rule = 1\n", "line 1, column 1: 'rule' is not known here"),
        ("schedule = 1\n", "line 1, column 1: schedules are written as"),
        ("[[schedule]\n", "line 1"),
        ("x = " + "9" * 5000, "line 1, column 1"),
    ],
)
def test_a_mistake_is_named_with_its_place(registry: Any, text: str, problem: str | None) -> None:
    if problem is None:
        assert read_schedules(text, registry)[0].name == "tea"
        return
    with pytest.raises(ConfigError) as raised:
        read_schedules(text, registry)
    assert problem in raised.value.message


@pytest.fixture
def registry(tmp_path: Path) -> Any:
    return registry_of(Ledger(tmp_path / "ledger"))


def test_the_worked_example_is_in_order() -> None:
    registry = registry_of_settings(load(None, environ={}))
    entries = load_schedules(Path(__file__).parents[2] / "docs" / "schedules" / "team.toml", registry)
    assert [entry.name for entry in entries] == ["open tasks every morning", "rent", "renew the domain"]


def test_a_file_that_cannot_be_read_is_named(path: Path, registry: Any) -> None:
    with pytest.raises(ConfigError, match=r"schedules\.file"):
        load_schedules(path, registry)
    assert load_schedules(None, registry) == ()
