"""Votes, edits, time, grants, roles, policies and tools that change, in any order: nothing runs without a
full quorum of people who have the right when it starts, on what it is then, or a grant that is valid."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sys import exc_info
from typing import Any, Final, TypeVar, cast

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace

from core.engine import (
    Decided,
    Env,
    Proposal,
    Refused,
    Started,
    cancel,
    decide,
    expire,
    finish,
    propose,
    start,
)
from core.engine.edit import edit
from core.engine.expire import extend
from core.engine.grants import Granted, Revoked, Span, grant, revoke
from core.engine.remind import remind
from core.ids import CallId, GrantId, PersonId
from core.model import SYSTEM, Conversation, Role, Vote
from core.policy import Policy, load_policy
from core.ports import Records
from core.registry import ToolRegistry
from core.runner import ToolRunner
from core.tool import ToolContext, ToolResult
from storage.database import Database
from tests.e2e.rounds import FULL
from tests.integration.approvals_oracle import POLICIES, REQUESTERS, Asked, Let, Oracle, Signed, What
from tests.integration.lifecycle_stage import Life, Stage, new_stage
from tests.kit.context import context_of
from tests.kit.people import ACME, conversation_of, principal
from tests.kit.tools import Note, price, tool

T = TypeVar("T")

ALL_EXAMPLES: Final = 600
EXAMPLES: Final = 30
STEPS: Final = 50

WHICH = st.integers(0, 49)
TEXTS = st.sampled_from(["tea", "rum"])
AMOUNTS = st.sampled_from([10, 100, 101, 500, 1000, 2000])
PEOPLE = st.sampled_from(["cat", "cid", "dan", "gus", "ann", "bob"])
SPANS: st.SearchStrategy[Span] = st.sampled_from(["hour", "today", "chat"])
POLICY = st.sampled_from(["default", "default", *POLICIES])
DISTURBANCES = st.one_of(
    st.tuples(st.just("role"), PEOPLE, st.sampled_from([*Role, Role.APPROVER, None])),
    st.tuples(st.just("policy"), POLICY),
    st.tuples(st.just("tool"), st.sampled_from(["1", "1", "2"])),
    st.tuples(st.just("row"), WHICH, AMOUNTS),
)
BETWEEN = (
    st.none() | DISTURBANCES | st.sampled_from([("them", Role.MEMBER), ("them", None), ("grants", None)])
)
"""What changes between a signature and the start: nothing, anything, the role of who signed, all grants."""
SIGNERS = st.permutations(["cat", "cid", "dan", "gus"])


class Machine(RuleBasedStateMachine):
    """One example. What people do goes into the oracle; what runs is held against it."""

    def __init__(self, stage: Stage, tally: Counter[str]) -> None:
        super().__init__()
        self.stage = stage
        self.tally = tally
        self.life: Life = stage.begin()
        self.oracle = Oracle()
        self.policy_name = "default"
        self.policy = Policy()
        self.version = "1"
        self.ran: Counter[str] = Counter()
        self._use_tools()

    def _use_tools(self) -> None:
        ledger = self.life.ledger

        async def write(arguments: Note, context: ToolContext) -> ToolResult:
            ledger.write(f"{arguments.text}/{arguments.amount}", context.call_id, context.attempt)
            return ToolResult(text="paid")

        pay = tool("pay", version=self.version, run=write, assess=price, scope=("text",))
        registry = ToolRegistry([pay])
        self.env: Env = replace(self.life.env, registry=registry, policy=lambda: self.policy)
        self.life.runner = ToolRunner(registry, monotonic=lambda: 0.0, grace_s=0.05)

    # ------------------------------------------------------------------ what people do

    @initialize(policy=POLICY)
    def begin(self, policy: str) -> None:
        self.change_policy(policy)
        for amount in (100, 500, 2000):
            self.ask("ann", "tea", amount, group=False)

    @rule(by=st.sampled_from(REQUESTERS), text=TEXTS, amount=AMOUNTS, group=st.booleans())
    def ask_for(self, by: str, text: str, amount: int, group: bool) -> None:
        self.ask(by, text, amount, group=group)

    def ask(self, by: str, text: str, amount: int, *, group: bool) -> CallId | None:
        place: Conversation = conversation_of("group" if group else by)
        wanted = Proposal(tool="pay", arguments={"text": text, "amount": amount}, conversation=place)
        answer = self.unit(lambda r: propose(r, wanted, by=principal(by), now=self.now, env=self.env))
        if isinstance(answer, Refused):  # they were put out
            role = "SELECT 1 FROM memberships WHERE tenant_id = ? AND person_id = ?"
            assert not self.life.rows(role, ACME, by)
            return None
        self.oracle.calls[answer.call.id] = Asked(by, place.id, self.now.wall)
        self.tally["spent"] += answer.call.verdict.grant is not None
        return answer.call.id

    @rule(which=WHICH, by=PEOPLE, yes=st.sampled_from([True, True, True, False]))
    def vote(self, which: int, by: str, yes: bool) -> None:
        self.vote_on(self.pick(which, "proposed"), by, yes=yes)

    def vote_on(self, call_id: CallId, by: str, *, yes: bool) -> None:
        vote = Vote.APPROVED if yes else Vote.DENIED
        revision, what = self.shown(call_id)
        answer = self.on(decide, call_id, by, revision=revision, vote=vote)
        if isinstance(answer, Decided) and not answer.repeated:
            self.signed(call_id, by, revision, what, yes=yes)

    def signed(self, call_id: CallId, by: str, revision: int, what: What, *, yes: bool) -> None:
        self.oracle.calls[call_id].signed.append(Signed(by, revision, what, yes))

    @rule(which=WHICH, by=PEOPLE, text=TEXTS, amount=AMOUNTS)
    def edit(self, which: int, by: str, text: str, amount: int) -> None:
        call_id = self.pick(which, "proposed")
        changes: dict[str, Any] = {"text": text, "amount": amount}
        self.on(edit, call_id, by, revision=self.shown(call_id)[0], changes=changes)

    @rule(which=WHICH, by=PEOPLE)
    def extend(self, which: int, by: str) -> None:
        call_id = self.pick(which, "proposed")
        self.on(extend, call_id, by, revision=self.shown(call_id)[0])

    @rule(which=WHICH, by=PEOPLE, span=SPANS)
    def let(self, which: int, by: str, span: Span) -> None:
        call_id = self.pick(which, "proposed")
        revision, what = self.shown(call_id)
        answer = self.on(grant, call_id, by, revision=revision, span=span)
        if not isinstance(answer, Granted) or answer.repeated:
            return
        asked = self.oracle.calls[call_id]
        self.signed(call_id, by, revision, what, yes=True)
        here = asked.conversation if span == "chat" else None
        until = answer.grant.expires_at
        most = {"hour": 3600, "today": 24 * 3600, "chat": 7 * 24 * 3600}[span]
        assert 0 < (until - self.now.wall).total_seconds() <= most
        self.oracle.lets[answer.grant.id] = Let(by, asked.requester, what, self.now.wall, until, here)
        self.tally["grants made"] += 1

    @rule(which=WHICH, by=PEOPLE)
    def revoke(self, which: int, by: str) -> None:
        if not self.oracle.lets:
            return
        grant_id = GrantId(sorted(self.oracle.lets)[which % len(self.oracle.lets)])
        who = principal(by)
        answer = self.unit(lambda r: revoke(r, by=who, grant_id=grant_id, now=self.now))
        if isinstance(answer, Revoked):
            self.oracle.lets[grant_id].revoked = True
            self.tally["revoked"] += not answer.repeated

    @rule(which=WHICH, by=PEOPLE)
    def withdraw(self, which: int, by: str) -> None:
        who, call_id = principal(by), self.pick(which, "pending")
        self.unit(lambda r: cancel(r, by=who, call_id=call_id, now=self.now, env=self.env))

    # ------------------------------------------------------------------ what changes meanwhile

    @rule(disturb=DISTURBANCES)
    def disturb(self, disturb: tuple[Any, ...]) -> None:
        """One rule for all, so that they do not drown what they disturb."""
        getattr(self, f"change_{disturb[0]}")(*disturb[1:])

    def change_role(self, who: str, role: Role | None) -> None:
        self.unit(lambda r: r.people.set_role(ACME, PersonId(who), role, now=self.now.wall))

    def change_policy(self, policy: str) -> None:
        self.policy_name = policy
        self.policy = load_policy(POLICIES[policy], tools=["pay"])

    def change_tool(self, version: str) -> None:
        self.version = version
        self._use_tools()

    def change_row(self, which: int, amount: int) -> None:
        """Somebody who has the database makes a call another request."""
        call_id = self.pick(which, "proposed", "pending")
        arguments = json.dumps({"text": "rum", "amount": amount})
        self.life.rows("UPDATE tool_calls SET arguments = ? WHERE id = ?", arguments, call_id)

    @rule(seconds=st.sampled_from([0, 1, 60, 1800, 3600, 6 * 3600, 25 * 3600]), swept=st.booleans())
    def advance(self, seconds: int, swept: bool) -> None:
        self.life.clock.advance(seconds)
        if not swept:
            return
        self.unit(lambda r: expire(r, now=self.now, env=self.env))
        self.unit(lambda r: remind(r, now=self.now, env=self.env))

    # ------------------------------------------------------------------ what workers do

    @rule(which=WHICH, signers=SIGNERS, between=BETWEEN)
    def sign_and_work(self, which: int, signers: list[str], between: tuple[Any, ...] | None) -> None:
        """Two sign what waits, something may change, and it is taken up."""
        call_id = self.pick(which, "proposed")
        for signer in signers[:2]:
            self.vote_on(call_id, signer, yes=True)
        self.meanwhile(between, signers[0])
        self.work_on(call_id)

    @rule(which=WHICH, by=PEOPLE, span=SPANS, amount=AMOUNTS, between=BETWEEN)
    def let_and_ask(
        self, which: int, by: str, span: Span, amount: int, between: tuple[Any, ...] | None
    ) -> None:
        """Somebody lets through what is like a call that waits, and its requester asks for that."""
        call_id = self.pick(which, "proposed")
        self.let(which, by, span)
        asked = self.oracle.calls[call_id]
        text = self.shown(call_id)[1].text
        fresh = self.ask(asked.requester, text, amount, group=asked.conversation.endswith("group"))
        if between is not None and fresh is not None:
            self.meanwhile(between, by)
            self.work_on(fresh)

    def meanwhile(self, between: tuple[Any, ...] | None, signer: str) -> None:
        if between is not None and between[0] == "grants":
            for which in range(len(self.oracle.lets)):
                self.revoke(which, "dan")
        elif between is not None:
            self.disturb(("role", signer, between[1]) if between[0] == "them" else between)

    @rule(which=WHICH)
    def work(self, which: int) -> None:
        self.work_on(self.pick(which, "pending"))

    def work_on(self, call_id: CallId) -> None:
        """Starts a call, and runs it at once; whether it may is the oracle's to say."""
        was = self.status(call_id)
        answer = self.unit(
            lambda r: start(r, by=SYSTEM, call_id=call_id, worker="w", now=self.now, env=self.env)
        )
        if not isinstance(answer, Started):
            self.tally["sent back"] += was == "pending" and self.status(call_id) == "proposed"
            return
        revision, what = self.shown(call_id)
        roles = dict(
            cast(
                list[tuple[str, str]],
                self.life.rows("SELECT person_id, role FROM memberships WHERE tenant_id = ?", ACME),
            )
        )
        self.oracle.check_start(call_id, what, revision=revision, policy=self.policy_name, roles=roles)
        result = self.stage.do(
            self.life.runner.run(answer, context_of(answer, self.life.clock, cast(Database, self.life)))
        )
        self.unit(lambda r: finish(r, call_id=call_id, attempt=1, result=result, now=self.now, env=self.env))
        assert self.life.ledger.lines[-1] == f"{what.text}/{what.amount} {call_id} 1"

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def nothing_else_ran(self) -> None:
        assert self.life.ledger.effects == self.oracle.started

    @invariant()
    def what_grants_let_through_is_counted(self) -> None:
        used = self.life.rows("SELECT id, used FROM grants WHERE used > 0")
        spent = self.life.rows("SELECT content FROM audit_events WHERE kind = 'grant.spent'")
        assert dict(used) == Counter(json.loads(content)["grant"] for (content,) in spent)

    def teardown(self) -> None:
        try:
            if exc_info()[0] is None:
                self.nothing_else_ran()
                self.tally["examples"] += 1
                self.tally.update(self.oracle.why)
        finally:
            self.stage.end(self.life)

    # ------------------------------------------------------------------ helpers

    @property
    def now(self) -> Any:
        return self.life.clock.moment

    def unit(self, work: Callable[[Records], T]) -> T:
        self.tally["steps"] += 1
        return self.stage.do(self.life.writer.run("step", work))

    def on(self, verb: Callable[..., T], call_id: CallId, by: str, **more: Any) -> T:
        """This verb of this person on this call, of which they were sent what it is now."""
        who = principal(by)

        def work(records: Records) -> T:
            call = records.calls.get(call_id)
            if call is not None:
                records.cards.delivered(call_id, PersonId(by), call.consent_digest, now=self.now.wall)
            return verb(records, by=who, call_id=call_id, now=self.now, env=self.env, **more)

        return self.unit(work)

    def pick(self, which: int, *statuses: str) -> CallId:
        """One of the calls that stand so, mostly; else any."""
        calls = self.life.rows("SELECT id, status FROM tool_calls ORDER BY id")
        fitting = [row for row in calls if row[1] in statuses]
        among = fitting if fitting and which % 5 != 4 else calls
        return CallId(among[which // 5 % len(among)][0])

    def status(self, call_id: CallId) -> str:
        return str(self.life.rows("SELECT status FROM tool_calls WHERE id = ?", call_id)[0][0])

    def shown(self, call_id: CallId) -> tuple[int, What]:
        """The revision, and what would run, as the row says."""
        query = "SELECT revision, arguments, tool_version FROM tool_calls WHERE id = ?"
        revision, arguments, version = self.life.rows(query, call_id)[0]
        given = json.loads(arguments)
        return revision, What(given["text"], given["amount"], version)


_REACHED: Final = ("allowed", "signed by 1", "sent back", "signed by 2", "ran by a grant", "revoked")
"""What all examples together come to, whatever the seed. A twentieth sees most of it, not surely each."""


@pytest.mark.timeout(3600 if FULL else 300)
def test_t41_nothing_runs_without_a_quorum_or_a_grant_of_today(tmp_path: Path) -> None:
    examples = ALL_EXAMPLES if FULL else EXAMPLES
    number = secrets.randbits(32)
    tally: Counter[str] = Counter()
    print(f"seed {number}")
    with closing(new_stage("sqlite", tmp_path)) as stage:

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
    told = ", ".join(f"{count} {name}" for name, count in sorted(tally.items()) if name != "examples")
    print(
        f"T41 approvals: {tally['examples']}/{ALL_EXAMPLES} examples of {STEPS} steps, {told}, seed {number}"
    )
    assert tally["examples"] >= examples
    missed = [reached for reached in _REACHED if not tally[reached]]
    assert len(missed) <= (0 if FULL else len(_REACHED) // 2), f"no example came to {missed}"
