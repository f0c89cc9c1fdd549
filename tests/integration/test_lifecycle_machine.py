"""T41, without faults of storage: whatever people, workers and time do, the promises of QUALITY 1 hold.

A hypothesis state machine over the real engine, runner, writer and a real SQLite file. What really happened
is read from the ledger, which the tools write outside the engine.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from core.approvals import consent_digest_of
from core.audit import check_chain
from core.engine import Marked, Proposed, Started, mark
from core.ids import CallId
from core.lifecycle import ENDS, Status
from core.model import PolicyDecision, Risk, Role, ToolCall, Vote
from core.policy import DEFAULT_POLICY
from core.tool import RunResult
from storage.records.audit import event_from_row
from storage.sqlite import connect
from tests.kit.world import ACME, World, open_world, principal

T = TypeVar("T")

FULL = os.environ.get("COUNTERSIGN_TORTURE") == "1"
EXAMPLES, STEPS = (2000, 50) if FULL else (25, 30)

WRITING = ("low_once", "low_again", "medium_once", "high_once", "high_again")
TOOLS = st.sampled_from([*WRITING, "unclear", "fails"])
ASKERS = st.sampled_from(["ann", "bob", "cat"])
VOTERS = st.sampled_from(["ann", "bob", "cat", "cid", "dan"])
SECONDS = st.sampled_from([1, 14, 16, 3600, 23 * 3600, 25 * 3600])


class Lifecycle(RuleBasedStateMachine):
    calls = Bundle("calls")
    held = Bundle("held")  # what workers hold
    lost = Bundle("lost")  # what workers that were taken for dead still hold, with their results

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine"))
        self.loop = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.world: World = self.do(self.stack.enter_async_context(open_world(self.folder)))
        self.reading = connect(self.world.path, read_only=True)
        self.ran: Counter[tuple[str, int]] = Counter()  # every time that a tool was really run
        self.ended: dict[str, str] = {}
        self.workers = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self.reading.execute(sql, values).fetchall()

    def teardown(self) -> None:
        self.reading.close()
        self.do(self.stack.aclose())
        self.loop.close()
        shutil.rmtree(self.folder)

    # ------------------------------------------------------------------ what people do

    @rule(target=calls, tool=TOOLS, by=ASKERS, message=st.none() | st.integers(1, 3))
    def propose(self, tool: str, by: str, message: int | None) -> Any:
        answer = self.do(self.world.try_propose(tool, by=by, message=message))
        return answer.call.id if isinstance(answer, Proposed) else multiple()

    @rule(call_id=calls, by=VOTERS, vote=st.sampled_from([Vote.APPROVED, Vote.APPROVED, Vote.DENIED]))
    def vote(self, call_id: CallId, by: str, vote: Vote) -> None:
        self.do(self.world.vote(self.now(call_id), by, vote))

    @rule(call_id=calls, by=VOTERS)
    def cancel(self, call_id: CallId, by: str) -> None:
        self.do(self.world.cancel(self.now(call_id), by))

    @rule(target=calls, call_id=calls, by=VOTERS, done=st.booleans(), again=st.booleans())
    def settle(self, call_id: CallId, by: str, done: bool, again: bool) -> Any:
        world = self.world
        answer = self.do(
            world.unit(
                lambda records: mark(
                    records,
                    by=principal(by),
                    call_id=call_id,
                    done=done,
                    run_again=again and not done,
                    now=world.clock.moment,
                    env=world.env,
                )
            )
        )
        fresh = answer.again if isinstance(answer, Marked) else None
        return fresh.call.id if isinstance(fresh, Proposed) else multiple()

    @rule(who=st.sampled_from(["ann", "cat", "cid"]), role=st.none() | st.sampled_from(Role))
    def change_role(self, who: str, role: Role | None) -> None:
        self.do(self.world.role(who, role))

    # ------------------------------------------------------------------ what workers do

    @rule(target=held, call_id=calls)
    def start(self, call_id: CallId) -> Any:
        self.workers += 1
        before = self.now(call_id)
        answer = self.do(self.world.start(call_id, worker=f"w{self.workers}"))
        if not isinstance(answer, Started):
            return multiple()
        assert before.status is Status.PENDING
        self.assert_authorised(answer.call)
        return answer

    @rule(started=consumes(held))
    def finish(self, started: Started) -> None:
        self.record(started, self.run(started))

    @rule(target=lost, started=consumes(held), before_the_effect=st.booleans())
    def crash(self, started: Started, before_the_effect: bool) -> Any:
        """The Started is dropped, before or after the tool did its work; the worker may only have slept."""
        return multiple() if before_the_effect else (started, self.run(started))

    @rule(late=consumes(lost))
    def wake_up(self, late: tuple[Started, RunResult]) -> None:
        self.record(*late)

    @rule(target=held, sole=st.booleans())
    def recover(self, sole: bool) -> Any:
        self.workers += 1
        taken = self.do(self.world.recover(worker=f"w{self.workers}", sole=sole))
        for started in taken:
            assert started.call.tool.endswith("_again")
            assert started.attempt.number > 1
        return multiple(*taken)

    # ------------------------------------------------------------------ time

    @rule(seconds=SECONDS)
    def advance(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def expire(self) -> None:
        self.do(self.world.expire())

    # ------------------------------------------------------------------ helpers

    def now(self, call_id: CallId) -> ToolCall:
        return self.do(self.world.call(call_id))

    def run(self, started: Started) -> RunResult:
        self.ran[(started.call.id, started.attempt.number)] += 1
        return self.do(self.world.run(started))

    def record(self, started: Started, result: RunResult) -> None:
        live = self.rows(
            "SELECT count(*) FROM attempts WHERE call_id = ? AND number = ? AND ended_at IS NULL",
            started.call.id,
            started.attempt.number,
        )[0][0]
        outcome = self.do(self.world.finish(started, result))
        if not live:
            assert outcome is None  # the fence

    def assert_authorised(self, call: ToolCall) -> None:
        """Worked out anew from rows: an allow by today's policy, or a signature that counts today."""
        roles = {
            row[0]: Role(row[1])
            for row in self.rows("SELECT person_id, role FROM memberships WHERE tenant_id = 'acme'")
        }
        assert call.requester_id in roles
        assert call.consent_digest == consent_digest_of(call)
        if DEFAULT_POLICY.defaults[call.risk].decision is PolicyDecision.ALLOW:
            return
        signers = [
            row[0]
            for row in self.rows(
                "SELECT person_id FROM approvals"
                " WHERE call_id = ? AND vote = 'approved' AND revision = ? AND consent_digest = ?",
                call.id,
                call.revision,
                call.consent_digest,
            )
        ]
        own = call.risk is Risk.MEDIUM
        assert any(
            own if signer == call.requester_id else signer in roles and roles[signer].includes(Role.APPROVER)
            for signer in signers
        )

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def what_ended_has_one_outcome_and_stays_as_it_is(self) -> None:
        for call_id, status, outcomes, outcome in self.rows(
            "SELECT id, tool_calls.status, count(call_id), outcomes.status FROM tool_calls"
            " LEFT JOIN outcomes ON call_id = id GROUP BY id"
        ):
            assert outcomes == int(Status(status) in ENDS)
            assert outcome in (None, status)
            assert self.ended.get(call_id, status) == status
            if outcomes:
                self.ended[call_id] = status

    @invariant()
    def attempts_fit_the_status(self) -> None:
        for status, attempts, live in self.rows(
            "SELECT status, count(number), count(number) FILTER (WHERE ended_at IS NULL) FROM tool_calls"
            " LEFT JOIN attempts ON call_id = id GROUP BY id"
        ):
            assert live == int(status == "running")
            if status in {"proposed", "pending", "denied", "expired", "cancelled"}:
                assert attempts == 0
            else:
                assert attempts >= 1

    @invariant()
    def the_ledger_is_what_was_dispatched(self) -> None:
        calls = {row[0]: row[1:] for row in self.rows("SELECT id, tool, status FROM tool_calls")}
        written = Counter((line.split()[1], int(line.split()[2])) for line in self.world.ledger.lines)
        assert written == Counter(
            {key: count for key, count in self.ran.items() if calls[key[0]][0] != "fails"}
        )
        attempts = set(self.rows("SELECT call_id, number FROM attempts"))
        assert set(written) <= attempts
        effects = Counter(call_id for call_id, _ in written.elements())
        for call_id, (tool, status) in calls.items():
            if not tool.endswith("_again"):
                assert effects[call_id] <= 1
            if status not in {"running", "completed", "failed", "interrupted"}:
                assert effects[call_id] == 0

    @invariant()
    def what_completed_took_effect_unless_a_person_says_so(self) -> None:
        effects = self.world.ledger.effects
        for (call_id,) in self.rows(
            "SELECT call_id FROM outcomes WHERE status = 'completed' AND marked_by IS NULL"
        ):
            assert effects[call_id] >= 1

    @invariant()
    def the_audit_holds_and_says_where_each_call_stands(self) -> None:
        rows = self.rows("SELECT * FROM audit_events WHERE tenant_id = ? ORDER BY seq", ACME)
        chain = [event_from_row(row) for row in rows]
        assert list(check_chain(chain)) == []
        heads = self.rows("SELECT seq, hash FROM audit_heads WHERE tenant_id = ?", ACME)
        assert heads == ([(chain[-1].seq, chain[-1].hash)] if chain else [])
        last = {
            event.call_id: event.kind
            for event in chain
            if event.kind not in {"refused", "call.late_result", "call.attempt"}
        }
        for call_id, status in self.rows("SELECT id, status FROM tool_calls"):
            assert last[call_id] == f"call.{status}"

    @invariant()
    def votes_are_one_a_person_and_revision(self) -> None:
        assert (
            self.rows(
                "SELECT count(*) FROM approvals GROUP BY call_id, revision, person_id HAVING count(*) > 1"
            )
            == []
        )


Lifecycle.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


TestLifecycle = Lifecycle.TestCase
