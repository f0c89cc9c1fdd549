"""Lists over 1,500 calls: what a page holds, that pages join without gaps, that indexes serve."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace
from sqlalchemy import Connection, create_engine, event, insert, text

from core.errors import Code, InvalidInput
from core.ids import AccountId, CallId, PersonId, TenantId, short_id
from core.lifecycle import Status
from core.model import Approval, Channel, Membership, Role, ToolCall, Vote
from core.queries import HistoryFilter, HistoryRow, Page, Pages
from storage.database import backend_of
from storage.pages import SqlPages
from storage.records.calls import to_row
from storage.schema import approvals, audit_events, tool_calls
from storage.times import to_ms
from tests.kit.databases import KINDS, Kind, Place, new_place
from tests.kit.records import call

ACME, OTHER = TenantId("acme"), TenantId("other")
ANNA, BOB, EVE = PersonId("anna"), PersonId("bob"), PersonId("eve")
START = datetime(2026, 11, 1, tzinfo=UTC)
COUNT = 1_500
TABLES = ("tool_calls", "approvals", "audit_events")
STATUSES = (Status.COMPLETED, Status.COMPLETED, Status.FAILED, Status.DENIED, Status.PROPOSED)
TOOLS = ("create_task", "create_expense", "print_label")


def call_number(number: int, **changes: Any) -> ToolCall:
    at = START + timedelta(minutes=number)
    stamp = f"{to_ms(at):012x}"
    call_id = CallId(f"{stamp[:8]}-{stamp[8:]}-7000-8000-{number:012x}")
    made = call(
        id=call_id,
        short_id=short_id(call_id, length=10),
        requester_id=(ANNA, BOB)[number % 7 == 0],
        requester_name="Anna",
        tool=TOOLS[number % 3],
        title=f"call {number}",
        revision=2,
        args_digest="x",
        consent_digest="y",
        status=STATUSES[number % 5],
        created_at=at,
    )
    return replace(made, **changes)


def vote(of: ToolCall, person: PersonId, name: str, revision: int, minute: int) -> dict[str, Any]:
    approval = Approval(
        call_id=of.id,
        tenant_id=of.tenant_id,
        account_id=of.account_id,
        revision=revision,
        person_id=person,
        person_name=name,
        vote=Vote.APPROVED,
        consent_digest="y",
        channel=Channel.TELEGRAM,
        comment="",
        at=START + timedelta(minutes=minute),
    )
    values = asdict(approval)
    return values | {"at": to_ms(approval.at)}


CALLS = [
    *(call_number(number) for number in range(COUNT)),
    *(call_number(COUNT + number, tenant_id=OTHER) for number in range(50)),
]


def insert_into(place: Place, fill: Callable[[Connection], object]) -> None:
    backend = backend_of(place.address)
    backend.migrate()
    engine = create_engine(backend.engine().sync_engine.url.set(drivername=DRIVERS[place.kind]))
    with engine.begin() as connection:
        if place.kind == "postgresql":  # as on SQLite by default, nobody asks for the teams and people
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        fill(connection)
        if place.kind == "postgresql":
            connection.execute(text("ANALYZE"))
    engine.dispose()


DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


def fill(place: Place) -> None:
    event_row = {column.name: "" for column in audit_events.columns} | {"tenant_id": ACME, "at": 0}

    def work(connection: Connection) -> None:
        connection.execute(insert(tool_calls), [to_row(each) for each in CALLS])
        votes = [vote(CALLS[5], BOB, "Bob", 1, 1), vote(CALLS[6], EVE, "Eve", 2, 9)]
        connection.execute(insert(approvals), [*votes, vote(CALLS[6], BOB, "Bob", 2, 3)])
        events = [{"seq": seq, "call_id": CALLS[seq % 40].id} for seq in range(1, 2_001)]
        connection.execute(insert(audit_events), [event_row | one for one in events])

    insert_into(place, work)


def filled_place(kind: Kind, folder: Path) -> Iterator[Place]:
    place = new_place(kind, folder)
    fill(place)
    yield place
    place.drop()


@pytest.fixture(scope="module")
def sqlite_filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Which is only read; also for what is said about SQLite's plans alone."""
    yield from filled_place("sqlite", tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module", params=KINDS)
def filled(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_filled")
    else:
        yield from filled_place(request.param, tmp_path_factory.mktemp("pages"))


@dataclass
class Watched:
    """Pages, and the statements that they ran."""

    pages: SqlPages
    ran: list[tuple[str, Any]]


@asynccontextmanager
async def watching(place: Place) -> AsyncIterator[Watched]:
    engine = backend_of(place.address).engine()
    watched = Watched(SqlPages(lambda: engine), [])

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def _note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        watched.ran.append((statement, parameters))

    yield watched
    await engine.dispose()


@pytest_asyncio.fixture
async def pages(filled: Place) -> AsyncIterator[Pages]:
    async with watching(filled) as watched:
        yield watched.pages


def expected(narrowed: HistoryFilter) -> list[CallId]:
    return [
        each.id
        for each in reversed(CALLS)
        if each.tenant_id == narrowed.tenant_id
        and (not narrowed.statuses or each.status in narrowed.statuses)
        and narrowed.tool in (None, each.tool)
        and narrowed.requester in (None, each.requester_id)
        and (narrowed.since is None or each.created_at >= narrowed.since)
    ]


def ids(page: Page) -> list[CallId]:
    return [row.id for row in page.rows]


async def walk_older(pages: Pages, narrowed: HistoryFilter, limit: int) -> list[Page]:
    walked = [await pages.history(narrowed, limit=limit)]
    while walked[-1].older is not None:
        walked.append(await pages.history(narrowed, older_than=walked[-1].older, limit=limit))
    return walked


async def walk_newer(pages: Pages, narrowed: HistoryFilter, limit: int, last: Page) -> list[Page]:
    walked = [last]
    while walked[0].newer is not None:
        walked.insert(0, await pages.history(narrowed, newer_than=walked[0].newer, limit=limit))
    return walked


async def test_the_newest_page_comes_first(pages: Pages) -> None:
    page = await pages.history(HistoryFilter(tenant_id=ACME), limit=3)
    newest = CALLS[COUNT - 1]
    assert page.rows[0] == HistoryRow(
        id=newest.id,
        short_id=newest.short_id,
        title=newest.title,
        tool=newest.tool,
        status=newest.status,
        requester_name="Anna",
        decided_by="",
        created_at=newest.created_at,
    )
    assert ids(page) == [each.id for each in CALLS[COUNT - 3 : COUNT]][::-1]
    assert (page.newer, page.older) == (None, CALLS[COUNT - 3].id)


async def test_a_row_names_who_voted_on_the_last_revision_in_order(pages: Pages) -> None:
    page = await pages.history(HistoryFilter(tenant_id=ACME), older_than=CALLS[7].id, limit=2)
    assert [row.decided_by for row in page.rows] == ["Bob, Eve", ""]


FILTERS = st.builds(
    HistoryFilter,
    tenant_id=st.sampled_from([ACME, OTHER, TenantId("none")]),
    statuses=st.frozensets(st.sampled_from([*STATUSES, Status.EXPIRED]), max_size=4),
    tool=st.sampled_from([None, *TOOLS, "absent"]),
    requester=st.sampled_from([None, ANNA, BOB]),
    since=st.one_of(
        st.none(), st.integers(-9, COUNT + 99).map(lambda minute: START + timedelta(minutes=minute))
    ),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(narrowed=FILTERS, limit=st.integers(40, 100))
async def test_pages_join_without_gaps_in_both_directions(
    pages: Pages, narrowed: HistoryFilter, limit: int
) -> None:
    older = await walk_older(pages, narrowed, limit)
    assert [found for page in older for found in ids(page)] == expected(narrowed)
    assert all(len(page.rows) == limit for page in older[:-1])
    assert older[0].newer is None
    newer = await walk_newer(pages, narrowed, limit, older[-1])
    assert sorted(found for page in newer for found in ids(page)) == sorted(expected(narrowed))
    assert newer[0].newer is None
    assert all(page.older is not None for page in newer[:-1])


async def test_an_exact_fit_has_no_further_page(pages: Pages) -> None:
    page = await pages.history(HistoryFilter(tenant_id=OTHER), limit=50)
    assert len(page.rows) == 50
    assert (page.newer, page.older) == (None, None)


async def test_since_follows_the_wall_clock_that_a_sandbox_moved(place: Place) -> None:
    moved = timedelta(days=3)
    calls = [
        call_number(n, created_at=START + timedelta(minutes=n) + (moved if n >= 10 else timedelta()))
        for n in range(20)
    ]
    insert_into(place, lambda to: to.execute(insert(tool_calls), [to_row(each) for each in calls]))
    async with watching(place) as watched:
        page = await watched.pages.history(HistoryFilter(tenant_id=ACME, since=START + moved), limit=100)
    assert ids(page) == [each.id for each in calls[10:]][::-1]


@pytest.mark.parametrize("limit", [0, -1, 101])
async def test_a_limit_out_of_range_is_refused(pages: Pages, limit: int) -> None:
    member = Membership(tenant_id=ACME, person_id=BOB, role=Role.ADMIN, name="Bob")
    asked = [
        pages.history(HistoryFilter(tenant_id=ACME), limit=limit),
        pages.waiting_for(member, limit=limit),
        pages.audit_of_call(CALLS[0].id, limit=limit),
    ]
    for one in asked:
        with pytest.raises(InvalidInput) as caught:
            await one
        assert caught.value.code is Code.INVALID_LIMIT


async def test_one_direction_at_a_time(pages: Pages) -> None:
    one = CALLS[1].id
    with pytest.raises(InvalidInput, match="newer_than"):
        await pages.history(HistoryFilter(tenant_id=ACME), older_than=one, newer_than=one)


async def test_an_approver_is_given_what_others_ask_for_oldest_first(pages: Pages) -> None:
    member = Membership(tenant_id=ACME, person_id=BOB, role=Role.APPROVER, name="Bob")
    rows = await pages.waiting_for(member, limit=100)
    mine = [c for c in CALLS if c.tenant_id == ACME and c.status is Status.PROPOSED and c.requester_id != BOB]
    assert [row.id for row in rows] == [each.id for each in mine[:100]]


async def test_what_waits_goes_on_after_a_cursor_and_is_of_some_accounts(pages: Pages) -> None:
    member = Membership(tenant_id=ACME, person_id=BOB, role=Role.APPROVER, name="Bob")
    rows = await pages.waiting_for(member, limit=100)
    assert await pages.waiting_for(member, newer_than=rows[9].id, limit=20) == rows[10:30]
    own = frozenset({AccountId("main")})
    for accounts, found in ((own, rows), (own | {AccountId("x")}, rows), ({AccountId("x")}, []), ((), [])):
        assert await pages.waiting_for(member, accounts=frozenset(accounts), limit=100) == found


async def test_a_member_has_nothing_to_decide(pages: Pages) -> None:
    member = Membership(tenant_id=ACME, person_id=EVE, role=Role.MEMBER, name="Eve")
    assert await pages.waiting_for(member) == []


async def test_a_call_that_cannot_be_read_is_left_out_of_what_waits(place: Place) -> None:
    rows = [to_row(call_number(n, status=Status.PROPOSED, requester_id=ANNA)) for n in range(3)]
    stored = [rows[0], rows[1] | {"verdict": "{"}, rows[2]]
    insert_into(place, lambda to: to.execute(insert(tool_calls), stored))
    member = Membership(tenant_id=ACME, person_id=BOB, role=Role.APPROVER, name="Bob")
    async with watching(place) as watched:
        found = await watched.pages.waiting_for(member)
    assert [row.id for row in found] == [rows[0]["id"], rows[2]["id"]]


async def test_the_events_of_a_call_page_in_order(pages: Pages) -> None:
    first = await pages.audit_of_call(CALLS[3].id, limit=30)
    assert [event.seq for event in first.events] == [3 + 40 * n for n in range(30)]
    assert first.next_seq == first.events[-1].seq
    rest = await pages.audit_of_call(CALLS[3].id, after_seq=first.next_seq, limit=30)
    assert [event.seq for event in rest.events] == [3 + 40 * n for n in range(30, 50)]
    assert rest.next_seq is None


async def run_everything(pages: Pages) -> None:
    some = CALLS[COUNT // 2].id
    for narrowed in (
        HistoryFilter(tenant_id=ACME),
        HistoryFilter(tenant_id=ACME, since=START + timedelta(days=1)),
        HistoryFilter(tenant_id=ACME, statuses=frozenset({Status.DENIED})),
        HistoryFilter(tenant_id=ACME, statuses=frozenset({Status.DENIED, Status.FAILED})),
        HistoryFilter(tenant_id=ACME, tool="create_task"),
        HistoryFilter(tenant_id=ACME, requester=BOB),
        HistoryFilter(tenant_id=ACME, requester=BOB, tool="create_task", statuses=frozenset(Status)),
    ):
        await pages.history(narrowed)
        await pages.history(narrowed, older_than=some)
        await pages.history(narrowed, newer_than=some)
    eve = Membership(tenant_id=ACME, person_id=EVE, role=Role.ADMIN, name="Eve")
    await pages.waiting_for(eve, newer_than=some)
    await pages.waiting_for(eve, accounts=frozenset({AccountId("main"), AccountId("x")}))
    await pages.audit_of_call(CALLS[3].id, after_seq=100)


def plan(place: Place, statement: str, parameters: Any) -> Iterator[str]:
    for row in place.rows(f"EXPLAIN QUERY PLAN {statement}", *parameters):
        yield row[3]


async def test_every_statement_is_served_by_an_index(sqlite_filled: Place) -> None:
    """As SQLite tells its plans. PostgreSQL chooses by what it knows of the rows."""
    async with watching(sqlite_filled) as watched:
        await run_everything(watched.pages)
    assert len(watched.ran) > 30
    for statement, parameters in watched.ran:
        steps = list(plan(sqlite_filled, statement, parameters))
        assert "count(" not in statement.lower()
        reads = [step for step in steps if any(f" {table}" in step for table in TABLES)]
        assert reads
        assert all(step.startswith("SEARCH") and "INDEX" in step for step in reads), steps
        if " IN (" in statement or "UNION" in statement:
            continue  # sorts the rows of one page only
        assert not [step for step in steps if "TEMP B-TREE" in step], steps
        if "tool_calls.id <" in statement or "tool_calls.id >" in statement:
            # The cursor is a bound of the index, not a filter on what it gives.
            assert all("id<?" in step or "id>?" in step for step in reads), steps


async def test_the_parts_of_a_merged_walk_are_served_in_order(sqlite_filled: Place) -> None:
    some = frozenset({Status.DENIED, Status.FAILED})
    async with watching(sqlite_filled) as watched:
        await watched.pages.history(HistoryFilter(tenant_id=ACME, statuses=some), older_than=CALLS[900].id)
    steps = list(plan(sqlite_filled, *watched.ran[0]))
    parts = [step for step in steps if "tool_calls" in step]
    assert len(parts) == 2
    assert all("ix_tool_calls_tenant_status (tenant_id=? AND status=? AND id<?)" in part for part in parts)
