from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from core.audit import check_chain
from core.errors import ConfigError, StorageUnavailable
from core.ports import Records
from storage.database import Database, backend_of
from storage.sqlite import Sqlite, SqliteLink, connect
from storage.writer import GROUP, Writer
from tests.integration.lifecycle_faults import Fault, FaultyBackend
from tests.kit.clock import NOON
from tests.kit.databases import Place
from tests.kit.world import ACME, World, ids, open_world

DIES = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""A writer thread that dies raises, so that it is seen; these tests want it to die."""


def note(kind: str = "noted", *, tenant: str = ACME) -> Callable[[Records], None]:
    def work(records: Records) -> None:
        records.audit.append(kind, tenant_id=cast(Any, tenant), actor="test", content={}, now=NOON)

    return work


def fail(error: Exception, kind: str = "never") -> Callable[[Records], None]:
    def work(records: Records) -> None:
        note(kind)(records)
        raise error

    return work


def statement(sql: str) -> Callable[[Records], object]:
    return lambda records: cast(Any, records).session._cursor.execute(sql)


class Gate:
    """Holds the writer inside a unit, so that what is queued meanwhile makes one batch."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.inside, self.open = threading.Event(), threading.Event()

    def _hold(self, _records: Records) -> None:
        self.inside.set()
        self.open.wait(10)

    async def __aenter__(self) -> None:
        self.held = asyncio.create_task(self.world.db.writer.run("gate", self._hold))
        await asyncio.to_thread(self.inside.wait, 10)

    async def __aexit__(self, *_error: object) -> None:
        self.open.set()
        await self.held


async def batch(world: World, *units: Callable[[Records], Any]) -> list[Any]:
    """The answers of units that were committed together, or not."""
    async with Gate(world):
        tasks = [
            asyncio.create_task(world.db.writer.run(f"unit{number}", work))
            for number, work in enumerate(units)
        ]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_units_given_together_are_committed_together(tmp_path: Path) -> None:
    places: list[str] = []
    async with open_world(tmp_path, boundary=places.append) as world:
        places.clear()
        await batch(world, *(note(f"k{number}") for number in range(3)))
        mine = [place for place in places if place.startswith("unit")]
        assert mine == [f"unit{n}.before_commit" for n in range(3)] + [
            f"unit{n}.after_commit" for n in range(3)
        ]
        assert [event.kind for event in world.chain()] == ["k0", "k1", "k2"]


async def test_a_batch_is_at_most_a_group(tmp_path: Path) -> None:
    places: list[str] = []
    async with open_world(tmp_path, boundary=places.append) as world:
        places.clear()
        await batch(world, *(note() for _ in range(GROUP + 10)))
        before = [number for number, place in enumerate(places) if place.endswith(".before_commit")]
        first_after = places.index("unit0.after_commit")
        assert len([number for number in before if number < first_after]) - 1 == GROUP  # but the gate
        assert len(world.chain()) == GROUP + 10


async def test_a_result_is_given_once_it_is_committed(world: World) -> None:
    assert await world.db.writer.run("answer", lambda _records: 42) == 42
    await world.unit(note())
    assert [event.kind for event in world.chain()] == ["noted"]  # seen by another connection


async def test_a_failing_unit_is_undone_alone_and_the_chain_is_unharmed(world: World) -> None:
    boom = ValueError("boom")
    answers = await batch(world, note("a"), fail(boom), note("b"), fail(boom), note("c"))
    assert answers == [None, boom, None, boom, None]
    chain = world.chain()
    assert [event.kind for event in chain] == ["a", "b", "c"]
    assert list(check_chain(chain)) == []
    assert world.head() == (3, chain[-1].hash)


async def test_the_first_event_of_a_team_in_a_unit_that_fails(world: World) -> None:
    await batch(world, fail(ValueError()), note("a"), fail(ValueError()), note("b"))
    assert [event.seq for event in world.chain()] == [1, 2]
    assert list(check_chain(world.chain())) == []
    assert world.head()[0] == 2


async def test_a_database_error_in_a_unit_is_that_units_alone(world: World) -> None:
    answers = await batch(world, note("a"), statement("INSERT INTO nothing VALUES (1)"), note("b"))
    assert answers[0] is answers[2] is None
    assert isinstance(answers[1], world.place.errors)
    assert [event.kind for event in world.chain()] == ["a", "b"]


async def test_a_constraint_in_a_unit_is_that_units_alone(world: World) -> None:
    twice = statement("INSERT INTO audit_heads VALUES ('x', 0, '', 0), ('x', 0, '', 0)")
    answers = await batch(world, twice, note())
    assert isinstance(answers[0], world.place.errors)
    assert answers[1] is None


async def test_a_unit_that_loses_the_transaction_fails_the_whole_batch(world: World) -> None:
    def lose(records: Records) -> None:
        cast(Any, records).session._cursor.execute("ROLLBACK")
        raise ValueError("lost")

    answers = await batch(world, note("a"), lose, note("b"))
    assert [type(answer) for answer in answers] == [StorageUnavailable] * 3
    assert world.chain() == []
    await world.unit(note("later"))
    assert [event.kind for event in world.chain()] == ["later"]


class Flaky:
    """A connection on which some statements fail."""

    def __init__(self, connection: sqlite3.Connection, failing: dict[str, Exception]) -> None:
        self._connection = connection
        self._failing = failing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str) -> Any:
        if sql in self._failing:
            raise self._failing[sql]
        return self._connection.execute(sql)


async def writer_on(path: Path, failing: dict[str, Exception]) -> Writer:
    await Database(path, new_id=ids()).close()
    writer = Writer(FlakySqlite(path, failing), new_id=ids())
    writer.start()
    return writer


class FlakySqlite(Sqlite):
    """A file whose connections fail at some statements."""

    def __init__(self, path: Path, failing: dict[str, Exception]) -> None:
        super().__init__(path)
        self._failing = failing

    def connect(self, *, read_only: bool = False, alone: bool = False, patient: bool = True) -> SqliteLink:
        return SqliteLink(cast(Any, Flaky(connect(self.path, read_only=read_only), self._failing)))


async def test_a_commit_that_fails_fails_its_whole_batch(tmp_path: Path) -> None:
    failing: dict[str, Exception] = {"COMMIT": sqlite3.OperationalError("disk I/O error")}
    writer = await writer_on(tmp_path / "c.db", failing)
    answers = await asyncio.gather(
        *(writer.run("unit", note(str(number))) for number in range(5)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StorageUnavailable] * 5
    assert "disk I/O error" in str(answers[0])
    failing.clear()
    await writer.run("unit", note("later"))
    await writer.close()
    with connect(tmp_path / "c.db") as connection:
        assert connection.execute("SELECT kind, seq FROM audit_events").fetchall() == [("later", 1)]
    connection.close()


async def test_a_begin_that_fails_fails_its_batch_and_no_more(tmp_path: Path) -> None:
    failing: dict[str, Exception] = {"BEGIN IMMEDIATE": sqlite3.OperationalError("database is locked")}
    writer = await writer_on(tmp_path / "c.db", failing)
    with pytest.raises(StorageUnavailable, match="locked"):
        await writer.run("unit", note())
    failing.clear()
    await writer.run("unit", note())
    await writer.close()


@DIES
async def test_a_rollback_that_fails_leaves_nobody_waiting(tmp_path: Path) -> None:
    broken = sqlite3.OperationalError("disk I/O error")
    writer = await writer_on(tmp_path / "c.db", {"COMMIT": broken, "ROLLBACK": broken})
    # Once: the ROLLBACK in `_commit`'s except clause raises past the clause that answers the batch: the
    # thread dies and the batch's callers wait for ever (_abandon only answers what is still queued).
    try:
        with pytest.raises(StorageUnavailable):
            await asyncio.wait_for(writer.run("unit", note()), 1)
    finally:
        await writer.close()


async def test_after_close_nothing_is_taken(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        last = asyncio.create_task(world.unit(note("last")))
        await asyncio.sleep(0)
        await world.db.writer.close()
        await last  # what was given before is committed
        with pytest.raises(StorageUnavailable, match="stopping"):
            await world.unit(note())
        assert [event.kind for event in world.chain()] == ["last"]


class Crash(BaseException):
    """Stands for a bug in the writer itself."""


@DIES
async def test_a_dead_writer_fails_all_who_wait_and_all_who_come(tmp_path: Path) -> None:
    def boundary(place: str) -> None:
        if place == "unit0.before_commit":
            raise Crash(place)

    async with open_world(tmp_path, boundary=boundary) as world:
        answers = await asyncio.wait_for(batch(world, *(note() for _ in range(GROUP + 10))), 10)
        assert {type(answer) for answer in answers} == {StorageUnavailable}
        with pytest.raises(StorageUnavailable):
            await world.unit(note())
        assert world.chain() == []


async def test_a_database_that_cannot_be_opened_is_said_so_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.db cannot be opened"):
        Writer(Sqlite(tmp_path / "folder.db"), new_id=ids()).start()


async def test_a_caller_who_gives_up_does_not_undo_the_unit(world: World) -> None:
    async with Gate(world):
        impatient = asyncio.create_task(world.unit(note()))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
    await world.unit(note("after"))
    assert [event.kind for event in world.chain()] == ["noted", "after"]


# --------------------------------------------------------------------------- listeners


async def test_listeners_are_called_after_a_commit_that_touched_their_topic(world: World) -> None:
    heard: list[tuple[str, int]] = []
    seen: list[int] = []
    for topic in ("pending", "audit", "outbox"):

        def listener(key: int, topic: str = topic) -> None:
            heard.append((topic, key))
            seen.append(len(world.chain()))  # what another connection sees by then

        world.db.writer.listen(topic, listener)
    await world.propose("low_once")
    await asyncio.sleep(0)
    assert any(topic == "pending" for topic, _ in heard)
    assert ("audit", 0) in heard
    assert min(seen) == 1
    heard.clear()
    await world.propose("high_once")
    await asyncio.sleep(0)
    assert {topic for topic, _ in heard} == {"audit", "outbox"}
    heard.clear()
    await world.unit(lambda _records: None)
    await asyncio.sleep(0)
    assert heard == []


async def test_what_was_rolled_back_is_not_told(world: World) -> None:
    heard: list[int] = []
    world.db.writer.listen("audit", heard.append)
    with pytest.raises(ValueError, match="boom"):
        await world.unit(fail(ValueError("boom")))
    await asyncio.sleep(0)
    assert heard == []


@pytest.mark.parametrize(
    ("fault", "told"), [(Fault.UNHEARD, [0]), (Fault.CUT, [0]), (Fault.REFUSED, [])], ids=str
)
async def test_a_commit_that_nobody_knows_of_is_told_too(
    place: Place, tmp_path: Path, fault: Fault, told: list[int]
) -> None:
    """It may be there: whoever tries it again finds it done, and would wake nobody."""
    async with open_world(tmp_path, place=place):
        pass
    server = None if isinstance(place.address, Path) else psycopg.connect(place.address, autocommit=True)
    backend = FaultyBackend(backend_of(place.address), admin=server)
    writer = Writer(backend, new_id=ids())
    writer.start()
    heard: list[int] = []
    writer.listen("audit", heard.append)
    backend.faults.next = fault
    with pytest.raises(StorageUnavailable) as raised:
        await writer.run("note", note())
    assert (heard, raised.value.unknown) == (told, bool(told))
    await writer.close()
    if server is not None:
        server.close()


async def test_a_loop_that_is_gone_does_not_stop_the_writer(world: World) -> None:
    """A caller in another thread, whose loop ends before the answer comes."""

    def elsewhere() -> None:
        async def give_up() -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(world.unit(note("elsewhere")), 0.01)

        asyncio.run(give_up())

    async with Gate(world):
        await asyncio.to_thread(elsewhere)
    await world.unit(note("here"))
    assert [event.kind for event in world.chain()] == ["elsewhere", "here"]
