"""P9: a page of history and a page of audit at a million calls, against the same at a thousand, and the work
of every day: a call's whole life, what its card shows, and the clockwork's look for what is due.

The rows are the engine's own: one lifecycle is run, and its rows are copied with other ids, teams, people,
tools, statuses and times. What is timed is the calls that the bot makes.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import Final

from benchmarks.engine import Engine
from benchmarks.table import Row, at_most
from bot.telegram.histories import ROWS
from core.ids import CROCKFORD, AccountId, CallId, ConversationId, PersonId, TenantId
from core.lifecycle import ENDS, Status
from core.model import CallView, Channel, Conversation, Person, Role, Tenant, ToolCall
from core.ports import Records, view
from core.queries import HistoryFilter
from storage.pages import SqlPages
from storage.sqlite import connect
from storage.times import from_ms

FEW: Final = 1_000
MANY: Final = 1_000_000
ROUNDS: Final = 15
PAGES: Final = 5
"""So many pages of each kind a round, each from another place."""
EVERY_MS: Final = 20_000
"""A call comes so often in all teams together: a thousand are a morning, a million most of a year."""
LAST_MS: Final = 1_795_000_000_000

TEAMS: Final = ("bench",) * 4 + ("blue",) * 3 + ("green",) * 2 + ("red",)
"""The first has four in ten calls; its pages are timed."""
TEAM: Final = TenantId(TEAMS[0])
PEOPLE: Final = 12
TOOLS: Final = ("create_task",) * 4 + ("create_expense",) * 4 + ("complete_task", "print_label")
STATUSES: Final = (
    ("completed",) * 84 + ("denied",) * 5 + ("failed",) * 5 + ("expired",) * 3 + ("cancelled",) * 3
)
_WAITING: Final = 20
"""The newest calls, which nobody has decided yet."""
_PAIRS: Final = [one + two for one in CROCKFORD for two in CROCKFORD]


@dataclass(frozen=True)
class Filled:
    """A database with so many calls in it, and the team's calls in order."""

    path: Path
    ids: Sequence[CallId]


def measure(folder: Path) -> list[Row]:
    """P9: the worst ratio over all kinds of pages, and over all kinds of daily work."""
    few = fill(folder / "few.sqlite3", FEW)
    begun = time.perf_counter()
    many = fill(folder / "many.sqlite3", MANY)
    print(f"filled in {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    try:
        taken = asyncio.run(_measure(few, many))
        return [_judge("P9", PAGE_KINDS, taken), _judge("P9 daily", DAILY, taken)]
    finally:
        for each in folder.glob("*.sqlite3*"):
            each.unlink()


def _judge(name: str, kinds: Iterable[str], taken: Mapping[str, tuple[Sequence[float], ...]]) -> Row:
    medians = {kind: [statistics.median(spent) for spent in taken[kind]] for kind in kinds}
    ratios = {kind: many / few for kind, (few, many) in medians.items()}
    worst = max(ratios, key=lambda kind: ratios[kind])
    detail: dict[str, object] = {"worst": worst, "calls": f"{MANY} against {FEW}", "rounds": ROUNDS}
    for kind, (few, many) in medians.items():
        detail[kind] = f"{many:.2f} ms against {few:.2f} ms, {ratios[kind]:.2f}"
    return at_most(name, ratios[worst], 1.5, detail=detail)


# ---------------------------------------------------------------------------------------------- pages

Show = Callable[[Engine, Filled, random.Random], Awaitable[int]]
"""Does it once; 1 where it found what was to be found."""


def _history(
    *, deep: bool = False, back: bool = False, person: str | None = None, tool: str | None = None,
    statuses: frozenset[Status] = frozenset(), day: bool = False,
) -> Show:  # fmt: skip
    """A page of history: the newest one, or (`deep`) one from the middle, or (`back`) one newer than that."""
    narrowed = HistoryFilter(
        tenant_id=TEAM,
        statuses=statuses,
        tool=tool,
        requester=None if person is None else PersonId(f"{TEAM}-{person}"),
        since=from_ms(LAST_MS) - timedelta(days=1) if day else None,
    )

    async def show(engine: Engine, filled: Filled, drawn: random.Random) -> int:
        # Within the last day, where it is asked for, and with enough on both sides of it otherwise.
        ids = filled.ids[-FEW // 3 :] if day else filled.ids
        middle = ids[drawn.randrange(len(ids) * 9 // 20, len(ids) * 11 // 20)]
        older, newer = (middle if deep else None), (middle if back else None)
        page = await SqlPages(lambda: engine.db.pages).history(
            narrowed, older_than=older, newer_than=newer, limit=ROWS
        )
        return len(page.rows) // ROWS

    return show


async def _audit(engine: Engine, filled: Filled, drawn: random.Random) -> int:
    page = await SqlPages(lambda: engine.db.pages).audit_of_call(drawn.choice(filled.ids))
    return len(page.events) // 4


_ENDED_BADLY: Final = frozenset({Status.FAILED, Status.DENIED, Status.EXPIRED})
PAGE_KINDS: Final[Mapping[str, Show]] = {
    "newest": _history(),
    "middle": _history(deep=True),
    "back": _history(back=True),
    "tool": _history(tool="create_task"),
    "tool, middle": _history(tool="create_task", deep=True),
    "status": _history(statuses=frozenset({Status.FAILED})),
    "statuses, middle": _history(statuses=_ENDED_BADLY, deep=True),
    "person": _history(person="3"),
    "person, middle": _history(person="3", deep=True),
    "day": _history(day=True),
    "day, middle": _history(day=True, deep=True),
    "audit of a call": _audit,
}


async def _lifecycle(engine: Engine, _filled: Filled, _drawn: random.Random) -> int:
    await engine.lifecycle()
    return 1


async def _card(engine: Engine, filled: Filled, drawn: random.Random) -> int:
    """All that a card shows of some call: its votes, attempts, outcome, and whether it was undone."""
    call_id = drawn.choice(filled.ids)

    def look(records: Records) -> CallView | None:
        call = records.calls.get(call_id)
        return None if call is None else view(records, call)

    return await engine.db.reader.read(look) is not None


async def _clockwork(engine: Engine, _filled: Filled, _drawn: random.Random) -> int:
    """What is due, what lapsed, what waits to be started and to be sent: looked for every second."""
    now = engine.clock.now()

    def look(records: Records) -> None:
        records.calls.due(now, limit=1)
        records.reminders.due(now, limit=1)
        records.attempts.lapsed(now, alive="w", limit=1)
        records.schedules.due(now, limit=1)
        records.calls.to_start(after=None, limit=1)
        records.outbox.chats()
        for status in (Status.PROPOSED, Status.PENDING):
            records.pulse.waiting(status)

    await engine.db.reader.read(look)
    return 1


DAILY: Final[Mapping[str, Show]] = {"lifecycle": _lifecycle, "card": _card, "clockwork": _clockwork}
KINDS: Final[Mapping[str, Show]] = {**PAGE_KINDS, **DAILY}


async def _measure(few: Filled, many: Filled) -> Mapping[str, tuple[Sequence[float], Sequence[float]]]:
    """Milliseconds of each page, kind by kind, the two databases in turns."""
    engines = Engine(few.path), Engine(many.path)
    sides = [(0, few), (1, many)]
    drawn = random.Random(9)
    taken: dict[str, tuple[list[float], list[float]]] = {kind: ([], []) for kind in KINDS}
    for number in range(ROUNDS + 1):
        for kind, show in KINDS.items():
            for _ in range(PAGES):
                sides.reverse()  # neither is always the one that comes first
                for place, filled in sides:
                    spent = await _timed(kind, show, engines[place], filled, drawn)
                    if number:  # the first round only warms up
                        taken[kind][place].append(spent)
    for engine in engines:
        await engine.db.close()
    return taken


async def _timed(kind: str, show: Show, engine: Engine, filled: Filled, drawn: random.Random) -> float:
    begun = time.perf_counter()
    whole = await show(engine, filled, drawn)
    spent = (time.perf_counter() - begun) * 1000
    if whole != 1:
        raise SystemExit(f"void: a page of {kind} from {filled.path.name} is not full")
    return spent


# ---------------------------------------------------------------------------------------------- filling


def fill(path: Path, count: int) -> Filled:
    """A database of `count` calls, each with four audit events, its votes, attempts and outcome."""
    first = asyncio.run(_first(path))
    with closing(connect(path)) as connection:
        # Nothing to be safe from while it is being filled; whoever opens it next has WAL and FULL again.
        for setting in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "foreign_keys = OFF",
            "cache_size = -800000",
        ):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN")
        indexes = _without_indexes(connection)
        _fill_calls(connection, first, count - 1)
        for table, clone in _CLONES.items():
            _clone(connection, table, first, clone)
        for sql in indexes:
            connection.execute(sql)
        connection.execute(_CATCH_UP)
        connection.execute("COMMIT")
        _check(connection, count)
        ids = connection.execute("SELECT id FROM tool_calls WHERE tenant_id = ? ORDER BY id", (TEAM,))
        return Filled(path=path, ids=[CallId(row[0]) for row in ids])


async def _first(path: Path) -> CallId:
    """The schema, the teams and their people, and one call that the engine took through its life."""
    engine = Engine(path)
    await engine.prepare()
    await engine.db.writer.run("teams", lambda records: _teams(records, engine))
    call: ToolCall = await engine.lifecycle()
    await engine.db.close()
    return call.id


def _teams(records: Records, engine: Engine) -> None:
    now = engine.clock.now()
    for team in dict.fromkeys(TEAMS):
        tenant, account = TenantId(team), AccountId(f"{team}-account")
        if team != TEAM:
            records.people.add_tenant(
                Tenant(id=tenant, name=team.title(), active=True, currency="EUR", timezone="UTC"), now=now
            )
        for number in range(PEOPLE):
            person = PersonId(f"{team}-{number}")
            records.people.add_person(
                Person(id=person, name=f"Person {number}", timezone=None, currency=None, end_replies=True),
                now=now,
            )
            records.people.set_role(tenant, person, Role.MEMBER, now=now)
            place = Conversation(
                id=ConversationId(person),
                tenant_id=tenant,
                account_id=account,
                channel=Channel.TELEGRAM,
                chat=str(number),
                thread=None,
                private=True,
                owner_id=person,
            )
            records.people.add_conversation(place, account_name=team, now=now)


def _without_indexes(connection: sqlite3.Connection) -> Sequence[str]:
    """Drops every index that was made by a statement of its own; those statements, to make them again."""
    made = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
    indexes = made.fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    return [sql for _, sql in indexes]


def _fill_calls(connection: sqlite3.Connection, first: CallId, count: int) -> None:
    found = connection.execute("SELECT * FROM tool_calls WHERE id = ?", (first,))
    names = [column[0] for column in found.description]
    pattern = dict(zip(names, found.fetchone(), strict=True))
    # What all calls have in common is bound once, as text of the statement.
    given = ", ".join("?" if name in _GIVEN else _literal(pattern[name]) for name in names)
    order = [_GIVEN.index(name) for name in names if name in _GIVEN]
    rows = (itemgetter(*order)(call) for call in _calls(count))
    connection.executemany(f"INSERT INTO tool_calls VALUES ({given})", rows)


def _literal(value: object) -> str:
    if value is None or isinstance(value, int):
        return "NULL" if value is None else str(value)
    return "'" + str(value).replace("'", "''") + "'"


_GIVEN: Final = (
    "id", "short_id", "tenant_id", "account_id", "conversation_id", "requester_id", "requester_name",
    "channel", "tool", "status", "idempotency_key", "created_at", "changed_at", "source_message",
)  # fmt: skip


def _calls(count: int) -> Iterator[tuple[object, ...]]:
    """What one call has that the next has not, in the order of `_GIVEN`."""
    drawn, seen = random.Random(count), set[int]()
    numbers = dict.fromkeys(TEAMS, 0)
    for number in range(count):
        at = LAST_MS - (count - number) * EVERY_MS
        bits = drawn.getrandbits(62)
        while bits & 0x3FFFFFFF in seen:
            bits = drawn.getrandbits(62)
        seen.add(bits & 0x3FFFFFFF)
        team, person = TEAMS[bits % 10], f"{TEAMS[bits % 10]}-{bits // 10 % PEOPLE}"
        tail = f"{bits | 1 << 63:016x}"
        numbers[team] += 1
        yield (
            f"{at >> 16:08x}-{at & 0xFFFF:04x}-7{number & 0xFFF:03x}-{tail[:4]}-{tail[4:]}",
            _PAIRS[bits >> 20 & 1023] + _PAIRS[bits >> 10 & 1023] + _PAIRS[bits & 1023],
            team,
            f"{team}-account",
            person,
            person,
            f"Person {bits // 10 % PEOPLE}",
            "telegram",
            TOOLS[bits // 120 % 10],
            Status.PROPOSED.value if count - number <= _WAITING else STATUSES[bits // 1200 % 100],
            f"assistant:propose:v1:{bits:064x}",
            at,
            at + 4_000,
            numbers[team],
        )


_CATCH_UP: Final = """
    UPDATE audit_heads
    SET seq = (SELECT max(seq) FROM audit_events e WHERE e.tenant_id = audit_heads.tenant_id)
"""
"""What the engine writes afterwards comes after what was copied."""
_ENDED: Final = ", ".join(f"'{status}'" for status in sorted(ENDS))


@dataclass(frozen=True)
class _Clone:
    """How the rows that the engine wrote for its one call become those of each call `c` that is chosen:
    the columns that differ, as SQL. `first` names the table's column that holds the call."""

    columns: Mapping[str, str]
    chosen: str = "1"


_OWN: Final = {"call_id": "c.id", "tenant_id": "c.tenant_id", "account_id": "c.account_id"}
_CLONES: Final = {
    "approvals": _Clone(
        {**_OWN, "person_id": "c.tenant_id || '-1'", "at": "c.created_at + 2000"},
        "c.status IN ('completed', 'failed', 'denied')",
    ),
    "attempts": _Clone(
        {**_OWN, "started_at": "c.created_at + 3000", "ended_at": "c.changed_at"},
        "c.status IN ('completed', 'failed')",
    ),
    "outcomes": _Clone(
        {**_OWN, "status": "c.status", "started_at": "c.created_at + 3000", "completed_at": "c.changed_at"},
        f"c.status IN ({_ENDED})",
    ),
    "audit_events": _Clone(
        {
            **_OWN,
            "seq": "4 * c.source_message + t.seq",  # a call's number in its team, from 1; the pattern has 0
            "at": "c.created_at + 1000 * t.seq",
        }
    ),
}


def _clone(connection: sqlite3.Connection, table: str, first: CallId, clone: _Clone) -> None:
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    taken = ", ".join(clone.columns.get(name, f"t.{name}") for name in names)
    connection.execute(
        f"INSERT INTO {table} SELECT {taken} FROM tool_calls c CROSS JOIN {table} t "
        f"WHERE t.call_id = ?1 AND c.id != ?1 AND {clone.chosen}",
        (first,),
    )


def _check(connection: sqlite3.Connection, count: int) -> None:
    calls, events = (
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("tool_calls", "audit_events")
    )
    if (calls, events) != (count, 4 * count):
        raise SystemExit(f"void: {calls} calls with {events} audit events instead of {count} and four times")
