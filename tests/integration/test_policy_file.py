"""The policy file is taken over without a restart, under audit; a broken one changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bot.policy_file import PolicyFile, Reloaded
from core.errors import ConfigError
from core.model import PolicyDecision
from core.policy import DEFAULT_POLICY
from core.ports import Records
from tests.kit.faults import FullAt
from tests.kit.world import ACME, World


def rules(*names: str, decision: str = "deny") -> str:
    return "\n".join(
        f'[[rule]]\nname = "{name}"\nchat = "-{len(name)}{n}"\ndecision = "{decision}"\n'
        for n, name in enumerate(names)
    )


class Watched:
    """A file, what watches it, and what admins were told."""

    def __init__(self, world: World, path: Path | None) -> None:
        self.told: list[Reloaded] = []
        self.file = PolicyFile(
            path, world.registry, uow=world.db.writer, clock=world.clock, home=ACME, tell=self._tell
        )

    def _tell(self, records: Records, found: Reloaded) -> None:
        self.told.append(found)

    @property
    def names(self) -> list[str]:
        return [rule.name for rule in self.file.today().rules]


def events(world: World) -> list[tuple[str, dict[str, Any]]]:
    return [
        (event.kind, json.loads(event.content)) for event in world.chain() if event.kind.startswith("policy.")
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(rules("one", "two", "three"))
    return file


async def test_a_good_file_is_in_force_audited_and_told_with_what_is_new(world: World, path: Path) -> None:
    watched = Watched(world, path)
    assert await watched.file.look() is None
    before = watched.file.today()
    path.write_text(rules("four", "three", "two") + rules("one", decision="allow"))
    found = await watched.file.look()
    assert found is not None
    assert watched.names == ["four", "three", "two", "one"]
    assert watched.told == [found]
    after = watched.file.today()
    told = {"added": ["four"], "removed": [], "changed": ["three", "two", "one"], "moved": True}
    assert events(world) == [("policy.reloaded", {"before": before.version, "after": after.version, **told})]
    path.write_text(rules("four"))
    found = await watched.file.look()
    assert found is not None
    assert (found.added, found.removed, found.changed, found.moved) == (
        [],
        ["three", "two", "one"],
        [],
        False,
    )
    assert await watched.file.look() is None
    assert len(events(world)) == 2


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (b'[[rule]]\ndecision = "alow"\n', "line 2, column 1: decision = 'alow' is not known"),
        (
            b'[[rule]]\nwhen = "usr == 1"\ndecision = "allow"',
            "line 2, column 9: when: there is no variable 'usr'",
        ),
        (b"\xff", "cannot be read"),
        (None, "cannot be read"),
    ],
)
async def test_a_broken_file_keeps_the_old_policy_and_says_why_once(
    world: World, path: Path, broken: bytes | None, problem: str
) -> None:
    watched = Watched(world, path)
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken)
    found = await watched.file.look()
    assert found is not None
    assert found.after is None
    assert problem in found.problem
    assert str(path) in found.problem
    assert watched.names == ["one", "two", "three"]
    ((kind, content),) = events(world)
    assert kind == "policy.refused"
    assert content == {"kept": watched.file.today().version, "problem": found.problem}
    assert (found.added, found.removed, found.changed) == ([], [], [])
    assert await watched.file.look() is None
    assert watched.told == [found]


async def test_a_file_that_is_mended_to_what_it_was_is_told_and_one_only_touched_is_not(
    world: World, path: Path
) -> None:
    watched, good = Watched(world, path), path.read_text()
    path.write_text("[[")
    await watched.file.look()
    path.write_text(good)
    await watched.file.look()
    assert [found.after is None for found in watched.told] == [True, False]
    os.utime(path, ns=(1, 1))
    assert await watched.file.look() is None
    assert len(watched.told) == 2


async def test_a_policy_that_cannot_be_audited_is_not_in_force_yet(
    sqlite_world: World, tmp_path: Path
) -> None:
    world, path = sqlite_world, tmp_path / "policy.toml"
    path.write_text(rules("one"))
    watched = Watched(world, path)
    path.write_text(rules("two", "three"))
    with world.place.forbidding("INSERT", "audit_events"):
        with pytest.raises(world.place.errors):
            await watched.file.look()
        assert watched.names == ["one"]
    assert not events(world)
    await watched.file.look()
    assert watched.names == ["two", "three"]
    assert [kind for kind, _ in events(world)] == ["policy.reloaded"]


async def test_it_is_looked_at_again_and_again_also_after_the_disk_was_full(
    sqlite_world: World, tmp_path: Path
) -> None:
    world, path, taken = sqlite_world, tmp_path / "policy.toml", asyncio.Event()
    path.write_text(rules("one"))
    file = PolicyFile(
        path,
        world.registry,
        uow=world.db.writer,
        clock=world.clock,
        home=ACME,
        tell=lambda records, found: None,
        every_s=0.0,
    )
    faults = FullAt(world.db.writer, world.path, wanted=lambda unit: unit == "policy")
    world.db.writer.listen("audit", lambda _: taken.set())
    running = asyncio.create_task(file.watch())
    path.write_text(rules("two"))
    async with asyncio.timeout(30):
        await taken.wait()
    faults.end()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert faults.failed == ["policy"]
    assert [kind for kind, _ in events(world)] == ["policy.reloaded"]


async def test_without_a_file_there_is_nothing_to_look_at(world: World) -> None:
    watched = Watched(world, None)
    assert watched.file.today() is DEFAULT_POLICY
    assert await watched.file.look() is None


async def test_a_broken_file_at_the_start_ends_it(world: World, path: Path) -> None:
    path.write_text("[[")
    with pytest.raises(ConfigError, match="line 1"):
        Watched(world, path)


async def test_what_was_approved_is_judged_by_the_new_policy_before_it_starts(
    world: World, path: Path
) -> None:
    watched = Watched(world, path)
    world.env = world.env.__class__(
        registry=world.registry, policy=watched.file.today, new_id=world.new_id, limits=world.env.limits
    )
    call = await world.approved("high_once")
    path.write_text('[[rule]]\nname = "stop"\ndecision = "deny"\n')
    await watched.file.look()
    await world.start(call)
    assert (await world.call(call)).status.value == "denied"
    assert world.ledger.effects == {}
    assert (await world.call(call)).verdict.decision is PolicyDecision.REQUIRES_APPROVAL
