"""T41: whatever people, workers, time and a failing database do, the promises of QUALITY 1 hold.

A hypothesis state machine over the real engine, runner and writer, on a real database of each kind, with
faults: commits that fail, or that nobody hears of; lost connections; workers that die, or finish after their
lease; processes that start anew; rows that cannot be read, or were written over.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from sys import exc_info
from typing import Any, Final, TypeVar, cast

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.approvals import consent_digest_of
from core.engine import (
    Marked,
    Proposal,
    Started,
    ask_again,
    cancel,
    decide,
    expire,
    finish,
    mark,
    propose,
    recover,
    start,
    undo,
)
from core.engine.readable import set_aside
from core.engine.retrying import begin
from core.errors import CorruptRecord, StorageUnavailable
from core.ids import CallId, PersonId
from core.lifecycle import ENDS
from core.model import SYSTEM, Outcome, Role, Vote
from core.ports import Records
from core.tool import RunResult
from storage.database import Database
from tests.e2e.rounds import FULL
from tests.integration.lifecycle_checks import Checks
from tests.integration.lifecycle_choices import (
    ASKERS,
    BROKEN,
    GOLD,
    ROLES,
    SECONDS,
    TOOLS,
    VOTERS,
    VOTES,
    WHICH,
    Tally,
)
from tests.integration.lifecycle_faults import Fault
from tests.integration.lifecycle_stage import Life, Stage, conversation_of, new_stage
from tests.kit.databases import KINDS, Kind
from tests.kit.world import ACME, context_of, principal

T = TypeVar("T")

ALL_EXAMPLES: Final = 2000
EXAMPLES: Final = {"sqlite": 95, "postgresql": 10}
"""In the normal run: a twentieth in the two together."""
STEPS: Final = 50


class Machine(RuleBasedStateMachine):
    held = Bundle("held")  # what workers hold
    late = Bundle("late")  # what workers that were taken for dead still hold, with their results

    def __init__(self, stage: Stage, tally: Tally) -> None:
        super().__init__()
        self.stage = stage
        self.tally = tally
        self.life: Life = stage.begin()
        self.checks = Checks(self.life)
        self.broken: dict[str, str] = {}  # calls that cannot be read, and what stood there
        self.workers = 0

    @initialize(tools=st.lists(TOOLS, min_size=1, max_size=3), done=st.booleans())
    def begin(self, tools: list[str], done: bool) -> None:
        for tool in ("undoable", *tools):
            self.ask(tool, "ann", None)
        if done:
            self.take_and_work(0)

    # ------------------------------------------------------------------ what people do

    @rule(tool=TOOLS, by=ASKERS, message=st.none() | st.integers(1, 3))
    def ask(self, tool: str, by: str, message: int | None) -> None:
        where = conversation_of(by)
        wanted = Proposal(tool=tool, arguments={"text": "tea"}, conversation=where, message=message)
        self.tried(lambda r: propose(r, wanted, by=principal(by), now=self.moment, env=self.life.env))

    @rule(which=WHICH, by=VOTERS, vote=VOTES, stale=st.sampled_from([0, 0, 0, 1]))
    def vote(self, which: int, by: str, vote: Vote, stale: int) -> None:
        call_id = self.pick(which, "proposed")

        def work(records: Records) -> None:
            call = records.calls.get(call_id)
            if call is None:
                return
            records.cards.delivered(call_id, PersonId(by), call.consent_digest, now=self.moment.wall)
            self.on(decide, call_id, by, revision=call.revision - stale, vote=vote)(records)

        self.tried(work)

    @rule(which=WHICH, by=VOTERS)
    def withdraw(self, which: int, by: str) -> None:
        self.tried(self.on(cancel, self.pick(which, "pending"), by))

    @rule(which=WHICH, by=VOTERS, done=st.booleans(), again=st.booleans())
    def settle(self, which: int, by: str, done: bool, again: bool) -> None:
        call_id = self.pick(which, "interrupted")
        self.tried(self.on(mark, call_id, by, done=done, run_again=again and not done))

    @rule(which=WHICH, by=ASKERS)
    def ask_for_it_again(self, which: int, by: str) -> None:
        call_id = self.pick(which, "failed", "denied", "expired", "completed")

        def work(records: Records) -> None:
            call = records.calls.get(call_id)
            if call is not None:
                ask_again(records, call, by=principal(by), now=self.moment, env=self.life.env)

        self.tried(work)

    @rule(which=WHICH, by=VOTERS)
    def take_back(self, which: int, by: str) -> None:
        self.tried(self.on(undo, self.pick(which, "completed", tool="undo"), by))

    @rule(who=st.sampled_from(["ann", "cat", "cid"]), role=ROLES)
    def change_role(self, who: str, role: Role | None) -> None:
        self.unit(lambda records: records.people.set_role(ACME, PersonId(who), role, now=self.moment.wall))

    # ------------------------------------------------------------------ what workers do

    @rule(target=held, which=WHICH)
    def take(self, which: int) -> Any:
        return self.started(which) or multiple()

    @rule(target=late, which=WHICH)
    def take_and_work(self, which: int) -> Any:
        started = self.started(which)
        return multiple() if started is None else self.record(started, self.run(started))

    def started(self, which: int) -> Started | None:
        call_id, worker = self.pick(which, "pending"), self.worker()
        now, env = self.moment, self.life.env
        answer = self.tried(lambda r: start(r, by=SYSTEM, call_id=call_id, worker=worker, now=now, env=env))
        return answer if isinstance(answer, Started) else None

    @rule(target=late, started=consumes(held))
    def work(self, started: Started) -> Any:
        return self.record(started, self.run(started))

    @rule(target=late, started=consumes(held), before_the_effect=st.booleans())
    def die(self, started: Started, before_the_effect: bool) -> Any:
        """The Started is dropped, before or after the tool did its work; the worker may only have slept."""
        return multiple() if before_the_effect else (started, self.run(started))

    @rule(target=late, slept=consumes(late))
    def wake_up(self, slept: tuple[Started, RunResult]) -> Any:
        return self.record(*slept)

    @rule(target=held, sole=st.booleans())
    def find_the_dead(self, sole: bool) -> Any:
        return multiple(*self.take_over(sole=sole))

    # ------------------------------------------------------------------ time

    @rule(seconds=SECONDS)
    def advance(self, seconds: int) -> None:
        self.life.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        self.unit(lambda records: expire(records, now=self.moment, env=self.life.env))

    # ------------------------------------------------------------------ what goes wrong

    @rule(fault=st.sampled_from([*Fault, "connection", "process"]))
    def fail(self, fault: Fault | str) -> None:
        """The next commit goes wrong, or the connection is lost before it, or there is a new process."""
        if isinstance(fault, Fault):
            self.life.backend.faults.next = fault
            return
        self.tally.faults[fault] += 1
        if fault == "connection":
            self.life.backend.cut_between_units()
        else:
            self.stage.do(self.life.restart())

    @rule(which=WHICH)
    def tamper(self, which: int) -> None:
        """Somebody who has the database makes a call another request."""
        call_id = self.pick(which, "pending")
        if call_id not in self.broken:
            self.tally.faults["tampered"] += 1
            self.write(call_id, GOLD)

    @rule(which=WHICH, shape=BROKEN)
    def corrupt(self, which: int, shape: str) -> None:
        call_id = self.pick(which, "proposed", "running", "completed")
        if call_id not in self.broken:
            self.tally.faults["corrupt"] += 1
            self.broken[call_id] = self.arguments_of(call_id)
            self.write(call_id, shape)

    @precondition(lambda self: self.broken)
    @rule()
    def heal(self) -> None:
        """Somebody restores the rows, and takes them out of quarantine."""
        for call_id, arguments in self.broken.items():
            self.write(call_id, arguments)
            self.life.rows("DELETE FROM quarantine WHERE row_id = ?", call_id)
        self.broken.clear()

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def the_promises_hold(self) -> None:
        self.tally.steps += 1
        if self.life.dirty:
            self.life.dirty = False
            self.checks.look()

    def teardown(self) -> None:
        """At the end nothing is stuck: with time, and a person for what nobody saw the end of, all ends."""
        try:
            if exc_info()[0] is None:
                self.settle_everything()
                self.count()
        finally:
            self.stage.end(self.life)

    def settle_everything(self) -> None:
        self.life.backend.faults.next = None
        self.sweep()  # also with rows that cannot be read
        self.take_over(sole=True)
        self.heal()
        for _ in range(2):  # what ends may leave an undo, or another attempt, behind
            self.advance(25 * 3600)
            for started in self.take_over(sole=False):
                self.record(started, self.run(started))
            self.sweep()
        for call_id, status in self.statuses():
            if status not in ENDS:
                assert status == "interrupted", f"{call_id} is stuck at {status}"
                assert isinstance(self.unit(self.on(mark, CallId(call_id), "dan", done=False)), Marked)
        assert {status for _, status in self.statuses()} <= ENDS
        self.checks.look()
        self.checks.look_at_whole_chains()

    def count(self) -> None:
        self.tally.examples += 1
        self.tally.events += self.checks.events
        self.tally.effects += self.life.ledger.effects.total()
        self.tally.faults.update({fault.value: n for fault, n in self.life.backend.faults.seen.items()})

    # ------------------------------------------------------------------ helpers

    @property
    def moment(self) -> Any:
        return self.life.clock.moment

    def worker(self) -> str:
        self.workers += 1
        return f"w{self.workers}"

    def unit(self, work: Callable[[Records], T]) -> T | None:
        """What the work gives; None where the database would not have it, or nobody knows."""
        self.life.dirty = True
        try:
            return self.stage.do(self.life.writer.run("step", work))
        except StorageUnavailable:
            return None

    def on(self, verb: Callable[..., T], call_id: CallId, by: str, **more: Any) -> Callable[[Records], T]:
        """This verb of this person on this call, as a unit of work."""
        who, moment, env = principal(by), self.moment, self.life.env
        return lambda records: verb(records, by=who, call_id=call_id, now=moment, env=env, **more)

    def tried(self, work: Callable[[Records], T]) -> T | None:
        """Like `unit`; a call that cannot be read is set aside by whoever meets it, as workers do."""
        try:
            return self.unit(work)
        except CorruptRecord as corrupt:
            met = corrupt
        assert met.row_id in self.broken
        self.unit(lambda records: set_aside(records, met, now=self.moment.wall))
        return None

    def pick(self, which: int, *statuses: str, tool: str = "") -> CallId:
        """One of the calls that stand so, mostly; else any."""
        calls = self.life.rows("SELECT id, status, tool FROM tool_calls ORDER BY id")
        fitting = [row for row in calls if row[1] in statuses and row[2].startswith(tool)]
        among = fitting if fitting and which % 5 != 4 else calls
        return CallId(among[which // 5 % len(among)][0] if among else "none")

    def run(self, started: Started) -> RunResult:
        self.life.dirty = True
        self.checks.ran[(started.call.id, started.attempt.number)] += 1
        context = context_of(started, self.life.clock, cast(Database, self.life))
        return self.stage.do(self.life.runner.run(started, context))

    def take_over(self, *, sole: bool) -> Sequence[Started]:
        """What a worker gets of those taken for dead: calls that may be repeated, as they were signed."""
        worker, env = self.worker(), self.life.env
        taken = self.unit(
            lambda records: recover(records, worker=worker, sole=sole, now=self.moment, env=env)
        )
        for started in taken or ():
            assert started.call.tool.endswith("_again")
            assert started.attempt.number > 1
            assert started.call.consent_digest == consent_digest_of(started.call), "it is not what was signed"
        return [begun for started in taken or () if (begun := self.begun(started)) is not None]

    def begun(self, started: Started) -> Started | None:
        """What was let through, and where that does not hold today is begun by nobody."""
        if started.wait_s is None:
            return started
        key, env = (started.call.id, started.attempt.number), self.life.env
        after = self.tried(
            lambda records: begin(records, call_id=key[0], attempt=key[1], now=self.moment, env=env)
        )
        return after if isinstance(after, Started) and after.wait_s is None else None

    def record(self, started: Started, result: RunResult) -> Any:
        """Writes a result, which the fence must refuse where the attempt is not live. What the database would
        not take is tried again later."""
        key = (started.call.id, started.attempt.number)
        live = self.life.rows(
            "SELECT 1 FROM attempts WHERE call_id = ? AND number = ? AND ended_at IS NULL", *key
        )

        def work(records: Records) -> tuple[Outcome | None]:
            now, env = self.moment, self.life.env
            return (finish(records, call_id=key[0], attempt=key[1], result=result, now=now, env=env),)

        answer = self.tried(work)
        if answer is None:
            return started, result
        assert live or answer == (None,), "a result came through after its attempt had ended"
        return multiple()

    def arguments_of(self, call_id: str) -> str:
        return str(self.life.rows("SELECT arguments FROM tool_calls WHERE id = ?", call_id)[0][0])

    def write(self, call_id: str, arguments: str) -> None:
        self.life.rows("UPDATE tool_calls SET arguments = ? WHERE id = ?", arguments, call_id)

    def statuses(self) -> list[tuple[Any, ...]]:
        return self.life.rows("SELECT id, status FROM tool_calls")


@pytest.mark.timeout(7200 if FULL else 300)
@pytest.mark.parametrize("kind", KINDS)
def test_t41_the_promises_hold_whatever_happens(kind: Kind, tmp_path: Path) -> None:
    examples = ALL_EXAMPLES if FULL else EXAMPLES[kind]
    number = secrets.randbits(32)
    tally = Tally()
    print(f"seed {number}")
    with closing(new_stage(kind, tmp_path)) as stage:

        @seed(number)
        class Here(Machine):
            def __init__(self) -> None:
                super().__init__(stage, tally)

        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,
                print_blob=True,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
    assert tally.examples >= examples
    assert tally.effects
    assert any(tally.faults[fault] for fault in Fault)
    faults = ", ".join(f"{count} {name}" for name, count in sorted(tally.faults.items()))
    print(
        f"T41 {kind}: {tally.examples}/{ALL_EXAMPLES} examples of {STEPS} steps, {tally.steps} steps,"
        f" {tally.effects} effects, {tally.events} audit events, {faults}, seed {number}"
    )
