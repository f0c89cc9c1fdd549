"""What only a server can do to us: it refuses a second process, cuts connections, is away and comes back."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import select

from core.audit import check_chain
from core.errors import ConfigError, StorageUnavailable
from core.ids import PersonId
from core.model import Person
from core.ports import Records
from storage.database import Database, backend_of
from storage.postgresql import PipelinedSession, PostgresqlLink
from storage.schema import api_tokens
from storage.statements import Statement, arg
from storage.writer import Writer
from tests.kit.clock import NOON
from tests.kit.databases import Place, new_place, start_postgresql
from tests.kit.world import ACME, World, ids, open_world

CUT = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Shadows the parametrized one: PostgreSQL alone."""
    place = new_place("postgresql", tmp_path)
    yield place
    place.drop()


def note(kind: str = "noted") -> Callable[[Records], None]:
    def work(records: Records) -> None:
        records.audit.append(kind, tenant_id=ACME, actor="test", content={}, now=NOON)

    return work


def kinds(world: World) -> list[str]:
    return [event.kind for event in world.chain()]


# --------------------------------------------------------------------------- one process


async def test_a_second_process_is_refused_in_plain_words(world: World) -> None:
    with pytest.raises(ConfigError, match="in use by another Countersign process") as raised:
        await asyncio.to_thread(Database, world.place.address, new_id=ids())
    assert "Stop that one first" in str(raised.value)
    await world.unit(note())
    assert kinds(world) == ["noted"]


@pytest.mark.parametrize("who", ["somebody:hunter2@/nothing?", "/nothing?user=somebody&password=hunter2&"])
def test_an_address_where_nobody_answers_is_refused_in_plain_words(tmp_path: Path, who: str) -> None:
    address = f"postgresql://{who}host={tmp_path}"
    assert backend_of(address).shown == "postgresql:///nothing"
    with pytest.raises(ConfigError, match="cannot be opened") as raised:
        Database(address, new_id=ids())
    assert "hunter2" not in str(raised.value)


# --------------------------------------------------------------------------- connections that are cut


async def test_after_a_cut_the_next_unit_and_the_next_read_succeed_by_themselves(world: World) -> None:
    for round_ in range(3):
        call = await world.propose("low_once")
        assert len(world.sql(CUT)) >= 1
        await world.unit(note(f"n{round_}"))
        world.sql(CUT)
        assert await world.call(call) == call
        assert f"n{round_}" in kinds(world)
    assert list(check_chain(world.chain())) == []


async def test_a_unit_that_is_cut_in_the_middle_has_no_effect(world: World) -> None:
    def cut(records: Records) -> None:
        note("before")(records)
        world.sql(CUT)
        records.calls.get(cast(Any, "nowhere"))
        note("after")(records)

    with pytest.raises(StorageUnavailable, match="Nothing was changed"):
        await world.unit(cut)
    assert kinds(world) == []
    await world.unit(note("later"))
    assert kinds(world) == ["later"]


async def test_a_unit_that_is_cut_and_hides_it_has_no_effect(world: World) -> None:
    def cut(records: Records) -> None:
        note("before")(records)
        world.sql(CUT)
        with suppress(psycopg.Error):
            records.calls.get(cast(Any, "nowhere"))

    with pytest.raises(StorageUnavailable, match="Nothing was changed"):
        await world.unit(cut)
    assert kinds(world) == []


async def test_a_read_that_is_cut_says_so(world: World) -> None:
    def cut(records: Records) -> None:
        world.sql(CUT)
        records.calls.get(cast(Any, "nowhere"))

    with pytest.raises(StorageUnavailable, match="cannot be read"):
        await world.read(cut)
    assert await world.read(lambda records: records.calls.get(cast(Any, "nowhere"))) is None


async def test_a_commit_that_is_cut_is_said_to_be_unknown(tmp_path: Path, place: Place) -> None:
    def boundary(where: str) -> None:
        if where == "last.before_commit":
            place.rows(CUT)

    async with open_world(tmp_path, place=place, boundary=boundary) as world:
        with pytest.raises(StorageUnavailable, match="Whether this was done is not known"):
            await world.db.writer.run("last", note("last"))
        assert kinds(world) == []  # here it was not, but only who looks can know
        await world.db.writer.run("next", note("next"))
        assert kinds(world) == ["next"]


# --------------------------------------------------------------------------- a server that is away


@pytest.fixture
def folder() -> Path:
    """Not below pytest's own, which only its owner may enter: the server may run as somebody else."""
    return Path(tempfile.mkdtemp(prefix="countersign-pg-"))


async def test_a_server_that_is_away_is_said_so_and_is_used_again_when_it_is_back(
    tmp_path: Path, folder: Path
) -> None:
    server = start_postgresql(folder)
    place = Place("postgresql", server.get_uri(database="postgres"))
    async with open_world(tmp_path, place=place) as world:
        await world.unit(note("before"))
        server.stop()
        with pytest.raises(StorageUnavailable, match="Nothing was changed"):
            await world.unit(note("meanwhile"))
        with pytest.raises(StorageUnavailable, match="cannot be read"):
            await world.read(lambda records: records.audit.head(ACME))
        server.ensure_postgres_running()
        await world.unit(note("after"))
        assert (await world.read(lambda records: records.audit.head(ACME)))[0] == 2
        assert kinds(world) == ["before", "after"]


async def test_a_server_that_is_killed_keeps_what_it_answered(tmp_path: Path, folder: Path) -> None:
    server = start_postgresql(folder)
    place = Place("postgresql", server.get_uri(database="postgres"))
    async with open_world(tmp_path, place=place) as world:
        await world.unit(note("before"))
        process = server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
        with pytest.raises(StorageUnavailable):
            await world.unit(note("meanwhile"))
        server.ensure_postgres_running()
        await world.unit(note("after"))
        assert kinds(world) == ["before", "after"]


# --------------------------------------------------------------------------- text


async def test_text_with_a_nul_is_kept_without(world: World) -> None:
    """PostgreSQL's text holds none. Arguments are JSON, which escapes it: what runs is what was signed."""
    call = await world.propose("high_once", arguments={"text": "a\0b", "amount": 1})
    now = await world.call(call)
    assert now.title == call.title.replace("\0", "\ufffd") != call.title
    assert now.arguments == {"text": "a\0b", "amount": 1}
    await world.vote(call, comment="yes\0")
    assert world.sql("SELECT comment FROM approvals") == [("yes\ufffd",)]
    assert (await world.execute(call)).success
    person = Person(id=PersonId("nul"), name="N\0", timezone=None, currency=None, end_replies=True)
    await world.unit(lambda records: records.people.add_person(person, now=NOON))
    found = await world.read(lambda records: records.people.person(PersonId("nul")))
    assert found is not None
    assert found.name == "N\ufffd"
    assert await world.read(lambda records: records.calls.by_short_id(ACME, "A\0")) is None
    assert list(check_chain(world.chain())) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_text_that_is_none_is_refused_alike(tmp_path: Path, place: Place, kind: str) -> None:
    """A lone surrogate is no text in any encoding: its unit fails alone, whatever the database."""
    where = place if kind == "postgresql" else new_place("sqlite", tmp_path)
    async with open_world(tmp_path, place=where) as world:
        person = Person(id=PersonId("x"), name="\ud800", timezone=None, currency=None, end_replies=True)
        answers = await asyncio.gather(
            world.unit(note("a")),
            world.unit(lambda records: records.people.add_person(person, now=NOON)),
            world.unit(note("b")),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [type(None), UnicodeEncodeError, type(None)]
        assert kinds(world) == ["a", "b"]


# --------------------------------------------------------------------------- writers of several processes


def _write(address: str, count: int) -> None:
    async def work() -> None:
        writer = Writer(backend_of(address), new_id=ids())
        writer.start()
        for start in range(0, count, 5):
            await asyncio.gather(*(writer.run("note", note()) for _ in range(min(5, count - start))))
        await writer.close()

    asyncio.run(work())


async def test_writers_of_several_processes_take_turns(world: World) -> None:
    """Not `alone`: the writers that a second worker process will have."""
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_write, args=(world.place.address, 30)) for _ in range(2)]
    for other in others:
        other.start()
    mine = 0
    while any(other.is_alive() for other in others) or mine < 30:
        await world.unit(note())
        mine += 1
    assert [other.exitcode for other in others] == [0, 0]
    chain = world.chain()
    assert [event.seq for event in chain] == list(range(1, mine + 61))
    assert list(check_chain(chain)) == []
    assert world.head() == (chain[-1].seq, chain[-1].hash)


# --------------------------------------------------------------------------- round trips


@pytest_asyncio.fixture
async def trips(world: World) -> Callable[[], int]:
    """How often the writer waited for the server since this was last asked."""
    seen = 0

    def since() -> int:
        nonlocal seen
        link = world.db.writer._link
        session = cast(PipelinedSession, cast(Any, link).session)
        before, seen = seen, session.round_trips
        return seen - before

    since()
    return since


PINNED = {"nothing": 2, "propose": 18, "decide": 13, "start": 11, "finish": 9}
"""Waits of one unit alone: one for each row that is read to decide by, one for each conditional update, one
for what is queued at the end, one for the COMMIT. BEGIN and the lock travel with the first of them."""


async def test_a_unit_waits_for_the_server_no_more_often_than_it_must(
    world: World, trips: Callable[[], int]
) -> None:
    found = {}
    await world.unit(lambda _records: None)
    found["nothing"] = trips()
    call = await world.propose("high_once")
    found["propose"] = trips()
    await world.unit(
        lambda records: records.cards.delivered(call.id, PersonId("cat"), call.consent_digest, now=NOON)
    )
    trips()
    await world.vote(call, delivered=False)
    found["decide"] = trips()
    started = await world.started(call)
    found["start"] = trips()
    result = await world.run(started)
    trips()
    await world.finish(started, result)
    found["finish"] = trips()
    print("round trips:", ", ".join(f"{name} {count}" for name, count in found.items()))
    assert found == PINNED


# --------------------------------------------------------------------------- prepared statements


async def test_a_statement_that_was_skipped_with_a_failed_unit_is_usable_again(world: World) -> None:
    """The sixth use of a statement prepares it. Where the server skips that, since something before it in the
    pipeline failed, the statement must not be taken for prepared from then on."""
    link = cast("PostgresqlLink", backend_of(world.place.address).connect())
    try:
        session = cast("PipelinedSession", link.begin())

        def fail(*, then: Callable[[], None]) -> None:
            session.save()
            with suppress(psycopg.Error):  # told here or later, as the pipeline has it
                session._connection.execute("SELECT 1 / 0")
                then()
            session.undo()
            session.release()

        for _ in range(2):  # psycopg looks at a rollback's answer only where it runs it for the first time
            fail(then=lambda: None)
        read = Statement(select(api_tokens.c.name).where(api_tokens.c.id == arg("id_")))
        for _ in range(5):
            assert session.one(read, id_="nope") is None
        fail(then=lambda: session.do(read, id_="nope"))
        for _ in range(3):
            assert session.one(read, id_="nope") is None
    finally:
        link.close()
