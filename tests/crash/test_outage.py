"""T23: PostgreSQL is killed again and again under load; the product lives on, and every promise holds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import select
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from core.errors import StorageUnavailable
from core.ids import TenantId
from core.queries import HistoryFilter
from storage.pages import SqlPages
from storage.postgresql import Postgresql
from tests.crash.stage import PEOPLE, Stage, data_of, has, open_stage
from tests.crash.tools import pause
from tests.e2e.rounds import FULL
from tests.kit.databases import Place, start_postgresql

KILLS: Final = 20 if FULL else 2
BETWEEN_S: Final = (5.0, 20.0) if FULL else (1.0, 2.0)
DOWN_S: Final = (0.0, 5.0)
MOST_UNHEARD: Final = 8
_CALLS = "SELECT count(*) FROM tool_calls"


class Server:
    """A PostgreSQL server of its own, which syncs to disk."""

    def __init__(self) -> None:
        # Not in a test's own folder: PostgreSQL runs as another user, who may not go there.
        self._folder = Path(tempfile.mkdtemp(prefix="countersign-pg-"))
        self._server: Any = start_postgresql(self._folder)

    @property
    def address(self) -> str:
        """Where it is, always the same."""
        return str(self._server.get_uri(database="postgres"))

    def kill(self) -> None:
        """SIGKILL to all of it, as if the machine had lost its power."""
        first = int(self._server.get_pid())
        os.kill(first, signal.SIGSTOP)  # from now on it begets no more
        for pid in (*_children(first), first):
            _kill(pid)
        # Whoever inherits the dead may leave them lying about, which would look as if it still ran.
        noted = self._folder / "data" / "postmaster.pid"
        sockets = Path(noted.read_text().splitlines()[4])
        for path in (noted, *sockets.glob(".s.PGSQL.*.lock")):
            path.unlink()

    def start(self) -> None:
        """Starts it again; it recovers from its log."""
        self._server.start()

    def close(self) -> None:
        """Ends it and takes everything away."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    Postgresql(server.address).migrate()
    yield server
    server.close()


def _kill(pid: int) -> None:
    """Returns once it is dead."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [])
        os.close(descriptor)


def _children(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            pid, state_and_parent = path.read_text().split(" (", 1)
            if int(state_and_parent.rpartition(")")[2].split()[1]) == parent:
                yield int(pid)


@pytest.mark.timeout(1800 if FULL else 200)
async def test_t23_postgresql_is_killed_under_load(server: Server, tmp_path: Path) -> None:
    place = Place("postgresql", server.address)
    async with open_stage(tmp_path / "data", "postgresql", place=place) as stage:
        await stage.introduce(*PEOPLE)
        await stage.down()
        await stage.begins(served=True)
        load = asyncio.ensure_future(_load(stage))
        try:
            down_s = await _kill_again_and_again(stage, server)
            assert not load.done(), load
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
        await stage.settled()
        calls = stage.seen.number(_CALLS)
        interrupted = stage.seen.number(f"{_CALLS} WHERE status = 'interrupted'")
        failed = stage.seen.rows("SELECT tool, note FROM tool_calls WHERE status = 'failed'")
        assert not failed, failed
        troubled = stage.seen.rows("SELECT update_id, error FROM inbox WHERE error IS NOT NULL")
        assert not troubled, troubled
    down = f"down for {min(down_s):.1f} to {max(down_s):.1f} s"
    print(f"T23 postgresql: {KILLS}/20 kills, {down}, {calls} calls, {interrupted} interrupted")


async def _kill_again_and_again(stage: Stage, server: Server) -> list[float]:
    """For how long it was down, each time. No kill before some work was done since the last one."""
    chance = random.Random(23)
    down_s: list[float] = []
    for number in range(KILLS):
        # The shortest and the longest are always among them.
        down_s.append(DOWN_S[number] if number < len(DOWN_S) else chance.uniform(*DOWN_S))
        before = stage.seen.number(_CALLS)
        await pause(chance.uniform(*BETWEEN_S))
        await stage.life_sees(_CALLS, least=before + MOST_UNHEARD)
        server.kill()
        await pause(down_s[-1])
        await asyncio.to_thread(server.start)
    return down_s


async def _load(stage: Stage) -> None:
    """People ask, sign and look things up, whatever the state of the database; they do not flood it."""
    signed: set[int] = set()
    unheard: set[str] = set()
    asks = itertools.cycle(("/tick", "create task: buy", "/stamp", "/tick", "/slow"))
    for number in itertools.count():
        shown = await stage.phones.messages("member")
        said = " ".join(message["text"] for message in shown if message["from"]["is_bot"])
        unheard = {word for word in unheard if word not in said}
        if len(unheard) < MOST_UNHEARD:
            unheard.add(word := stage.fresh())
            await stage.say("member", f"{next(asks)} {word}", calls=1)
            if number % 5 == 0:
                await stage.say("admin", "/history")
                await stage.say("approver", "/pending")
        for card in await stage.phones.messages("approver"):
            if has(card, "Approve") and card["message_id"] not in signed:
                signed.add(card["message_id"])
                stage.tap("approver", card, data=data_of(card, "Approve"))
        await pause(0.05)


async def test_t17_told_to_stop_while_there_is_no_database(server: Server, tmp_path: Path) -> None:
    """It ends all the same, and the next start takes up what was asked meanwhile."""
    async with open_stage(
        tmp_path / "data", "postgresql", place=Place("postgresql", server.address)
    ) as stage:
        await stage.introduce(*PEOPLE)
        await stage.down()
        life = await stage.begins(served=True)
        await stage.say("member", f"/slow {stage.fresh()}", calls=1)
        await stage.life_sees(f"{_CALLS} WHERE status = 'running'")
        server.kill()
        await stage.say("member", f"/tick {stage.fresh()}", calls=1)
        life.send(signal.SIGTERM)
        await life.death(exitcode=0)
        stage.life = None
        await asyncio.to_thread(server.start)
        await stage.up()
        ends = stage.seen.rows("SELECT tool, status FROM tool_calls ORDER BY 1")
        # Its effect was there, and there was nowhere to note it.
        assert ends == [("slow", "interrupted"), ("tick", "completed")]
    print("T17 postgresql: 1/1 rounds, stopped without a database, 0 of 2 calls lost")


async def test_t23_lists_say_that_there_is_no_database(server: Server) -> None:
    """As everything else does, so that whoever asked is answered later."""
    engine = Postgresql(server.address).engine()
    pages, everything = SqlPages(lambda: engine), HistoryFilter(tenant_id=TenantId("home"))
    assert not (await pages.history(everything)).rows
    server.kill()
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        await pages.history(everything)
    await asyncio.to_thread(server.start)
    assert not (await pages.history(everything)).rows
    await engine.dispose()
