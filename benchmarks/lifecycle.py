"""P3 in a first form: lifecycles (propose, start, finish; each durable before the next) alone and 64 at once.

Run: `make bench`. Prints one JSON object; rows are counted afterwards, and a wrong count voids the run.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from bot.bootstrap import new_id
from bot.clock import SystemClock
from core.engine import Env, Limits, Proposal, Proposed, Started, finish, propose, start
from core.ids import AccountId, ConversationId, PersonId, TenantId
from core.lifecycle import Status
from core.model import SYSTEM, Channel, Conversation, Person, Principal, Role, Tenant
from core.policy import DEFAULT_POLICY
from core.ports import Records
from core.tool import RunResult
from storage.database import Database
from tools.catalog import build_catalog
from tools.create_expense import ExpenseLimits
from tools.system_health_check import HealthReport

ROUNDS = 5
ALONE = 60
AT_ONCE = 64
TENANT, PERSON = TenantId("bench"), PersonId("someone")
PLACE = Conversation(
    id=ConversationId("place"),
    tenant_id=TENANT,
    account_id=AccountId("account"),
    channel=Channel.API,
    chat="bench",
    thread=None,
    private=True,
    owner_id=PERSON,
)
BY = Principal(person=PERSON, tenant=TENANT, roles=frozenset({Role.MEMBER}), channel=Channel.API)
DONE = RunResult(
    status=Status.COMPLETED,
    text="done",
    data=None,
    references={},
    error=None,
    error_class=None,
    duration_ms=1,
)


async def _no_health() -> HealthReport:
    return HealthReport(items=())


class Bench:
    """The real engine over a real file."""

    def __init__(self, folder: Path) -> None:
        self.db = Database(folder / "bench.sqlite3", new_id=new_id)
        self.clock = SystemClock()
        registry = build_catalog(limits=ExpenseLimits(), health=_no_health)
        self.env = Env(registry=registry, policy=lambda: DEFAULT_POLICY, new_id=new_id, limits=Limits())

    async def prepare(self) -> None:
        """One tenant, one member, one conversation."""

        def work(records: Records) -> None:
            now = self.clock.now()
            records.people.add_tenant(
                Tenant(id=TENANT, name="Bench", active=True, currency="EUR", timezone="UTC"), now=now
            )
            records.people.add_person(
                Person(id=PERSON, name="Someone", timezone=None, currency=None, end_replies=False), now=now
            )
            records.people.set_role(TENANT, PERSON, Role.MEMBER, now=now)
            records.people.add_conversation(PLACE, account_name="bench", now=now)

        await self.db.writer.run("prepare", work)

    async def lifecycle(self, number: int) -> None:
        """One call from proposal to outcome, in three durable steps."""
        run, env = self.db.writer.run, self.env
        proposal = Proposal(
            tool="create_task", arguments={"title": f"task {number}"}, conversation=PLACE, key=new_id()
        )
        proposed = await run("propose", lambda r: propose(r, proposal, by=BY, now=self.clock.both(), env=env))
        assert isinstance(proposed, Proposed)
        call_id = proposed.call.id
        started = await run(
            "start",
            lambda r: start(r, by=SYSTEM, call_id=call_id, worker="w", now=self.clock.both(), env=env),
        )
        assert isinstance(started, Started), started
        await run(
            "finish",
            lambda r: finish(r, call_id=call_id, attempt=1, result=DONE, now=self.clock.both(), env=env),
        )


async def measure(folder: Path) -> dict[str, object]:
    """Interleaved rounds; the medians and their ratio."""
    bench = Bench(folder)
    await bench.prepare()
    alone: list[float] = []
    together: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for number in range(ALONE):
            await bench.lifecycle(number)
        alone.append(ALONE / (time.perf_counter() - begun))
        begun = time.perf_counter()
        for _ in range(4):
            await asyncio.gather(*(bench.lifecycle(number) for number in range(AT_ONCE)))
        together.append(4 * AT_ONCE / (time.perf_counter() - begun))
    events = await bench.db.reader.read(lambda r: r.audit.head(TENANT)[0])
    await bench.db.close()
    if events != ROUNDS * (ALONE + 4 * AT_ONCE) * 3:
        raise SystemExit(f"void: {events} audit events")
    one, many = statistics.median(alone), statistics.median(together)
    return {"P3": {"value": round(many / one, 2), "goal": 4, "unit": "ratio", "met": many / one >= 4,
                   "detail": {"alone_per_s": round(one), "at_64_per_s": round(many)}}}  # fmt: skip


def main() -> None:
    """Measures in a folder on the disk that the repository is on, not in memory."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        print(json.dumps(asyncio.run(measure(Path(folder))), indent=2))


if __name__ == "__main__":
    main()
