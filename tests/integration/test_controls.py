"""Controls that `make sabotage` takes out and that no other test would miss."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from telegram import Bot, Chat, User

from bot.clock import SystemClock
from bot.policy_file import load_policy_file
from bot.telegram.api import Api
from bot.telegram.turn import AlreadyHandled, Front, Turn
from core.errors import ConfigError
from core.ids import PersonId
from core.lifecycle import Status
from core.model import Membership, Role
from core.ports import Records
from core.queries import HistoryFilter
from storage.pages import SqlPages
from tests.kit.world import ACME, UMBRELLA, World, open_world, principal

BOT, UPDATE = 1, 7


async def test_a_list_holds_the_calls_of_its_own_team_only(world: World) -> None:
    pages = SqlPages(lambda: world.db.pages)
    ours = await world.propose("high_once")
    theirs = await world.propose("high_once", as_principal=principal("gus", UMBRELLA), where="gus")
    for tenant, call in ((ACME, ours), (UMBRELLA, theirs)):
        for statuses in (frozenset[Status](), frozenset({Status.PROPOSED}), frozenset(Status)):
            page = await pages.history(HistoryFilter(tenant_id=tenant, statuses=statuses))
            assert [row.id for row in page.rows] == [call.id]
        admin = Membership(tenant_id=tenant, person_id=PersonId("dan"), role=Role.ADMIN, name="Dan")
        assert [row.id for row in await pages.waiting_for(admin)] == [call.id]


class _Nobody:
    """Implements `bot.telegram.turn.Wake`: nothing is to be sent."""

    async def settled(self, chat: int) -> None: ...

    def wake(self, chat: int) -> None: ...

    def refresh(self, chat: int, message_id: int) -> None: ...

    def step_buttons(self, chat: int, message_id: int, *, opened: bool) -> None: ...


async def _no_menu(_chat: int, _role: Role | None) -> None: ...


def turn_in(world: World) -> Turn:
    """A turn of somebody who writes in a private chat."""
    front = Front(
        uow=world.db.writer,
        reader=world.db.reader,
        env=world.env,
        clock=SystemClock(),
        relay=_Nobody(),
        api=Api(Bot("1:token")),
        pages=SqlPages(lambda: world.db.pages),
        registered=_no_menu,
        home=ACME,
        bot_id=BOT,
        bot_username="bot",
    )
    user, chat = User(id=100, first_name="Ann", is_bot=False), Chat(id=100, type=Chat.PRIVATE)
    return Turn(front=front, update_id=UPDATE, user=user, chat=chat, thread=None, now=world.clock.moment)


async def test_an_update_is_done_in_the_commit_of_its_effect(tmp_path: Path) -> None:
    """Whenever the process dies, both are there or neither: every commit is looked at from outside."""
    seen: list[tuple[int, int]] = []
    look: list[Callable[[], tuple[int, int]]] = []

    def boundary(place: str) -> None:
        if look and place.endswith(".after_commit"):
            seen.append(look[0]())

    async with open_world(tmp_path, boundary=boundary) as world:
        await world.unit(lambda r: r.inbox.store(BOT, [(UPDATE, "{}")], now=world.clock.now()))
        look.append(
            lambda: (
                world.sql("SELECT count(*) FROM audit_events WHERE kind = 'noted'")[0][0],
                world.sql("SELECT count(*) FROM inbox WHERE done_at IS NOT NULL")[0][0],
            )
        )
        turn = turn_in(world)

        def note(records: Records) -> None:
            records.audit.append("noted", tenant_id=ACME, actor="ann", content={}, now=turn.now.wall)

        await turn.effect("note", note)
        with pytest.raises(AlreadyHandled):
            await turn.effect("note", note)
    assert seen[0] == (1, 1)
    assert set(seen) == {(1, 1)}


async def test_a_caller_waits_for_the_commit(tmp_path: Path) -> None:
    loop, committing, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def boundary(place: str) -> None:
        if place == "answer.before_commit":
            loop.call_soon_threadsafe(committing.set)
            go_on.wait()

    async with open_world(tmp_path, boundary=boundary) as world:
        answer = asyncio.ensure_future(world.db.writer.run("answer", lambda _records: 42))
        try:
            await committing.wait()
            # An answer given too early would have come before the event that was waited for.
            await asyncio.wait({answer}, timeout=0)
            assert not answer.done(), "it was answered before it was committed"
        finally:
            go_on.set()
        assert await answer == 42


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"[[rule]",
        b"[[rule]]\ndecision = 'allow all'\n",
        b"[[rule]]\ndecision = 'allow'\ntool = 'nothing_of_that_name'\n",
        b"[[rules]]\ndecision = 'allow'\n",
        b"[[rule]]\ntool = '*'\n",
        b"\xff\xfe[[rule]]",
    ],
    ids=["missing", "broken", "no decision of ours", "no such tool", "no such table", "undecided", "no text"],
)
async def test_a_policy_that_cannot_be_read_is_no_policy(
    tmp_path: Path, sqlite_world: World, content: bytes | None
) -> None:
    """Going on with the defaults, or with the rules that can be read, could allow what a rule forbids."""
    file = tmp_path / "policy.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"policy\.toml"):
        load_policy_file(file, sqlite_world.registry)
