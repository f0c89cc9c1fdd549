"""Runs: several calls that are proposed together, decided as one or one by one, and run in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core import guards
from core.digest import canonical, sha256_hex
from core.engine.answers import Decided, Proposed, Refused, refused
from core.engine.cancel import cancel
from core.engine.decide import decide
from core.engine.env import Env
from core.engine.expire import extend
from core.engine.facts import caller, judge
from core.engine.propose import Proposal, drafted, propose
from core.errors import Code, InvalidInput, Refusal
from core.ids import RunId, TenantId, fresh_id
from core.lifecycle import Status
from core.model import CallView, OnFailure, Principal, Run, StartMode, ToolCall, Vote
from core.ports import Now, Records, view

MOST_STEPS: Final = 50


class RunProposed(Struct, frozen=True, kw_only=True):
    """The run and its calls by step, as recorded. `repeated`: it was there already."""

    record: Run
    calls: tuple[ToolCall, ...]
    repeated: bool = False


class RunDecided(Struct, frozen=True, kw_only=True):
    """The run after some of its steps were decided (or withdrawn), and what came of each by number."""

    record: Run
    calls: tuple[ToolCall, ...]
    done: Mapping[int, Decided | Proposed]
    refused: Mapping[int, Refused]


class RunView(Struct, frozen=True, kw_only=True):
    """All that is shown of a run, read in one go: the views are by step."""

    record: Run
    views: tuple[CallView, ...]

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls by step."""
        return tuple(each.call for each in self.views)


def propose_run(
    records: Records,
    proposals: Sequence[Proposal],
    *,
    title: str,
    needs: Mapping[int, Sequence[int]],
    on_failure: OnFailure,
    by: Principal,
    now: Now,
    env: Env,
) -> RunProposed | Refused:
    """Records all the steps, each judged as any call is, or none of them.

    `needs` names, by step from 1, the steps that must have completed before it; a step that it does not name
    needs the one before it. Proposed again with the same keys, gives the first run back. Refusals: those of
    `propose`, with the number of the step; `invalid_input` for an order that cannot be.
    """
    try:
        guards.check(caller(records, by=by), guards.ENTRY)
        order = checked_order(len(proposals), needs)
        known = _known(records, proposals, by=by, now=now, env=env)
    except Refusal as refusal:
        return refused(records, refusal, verb="propose_run", by=by, now=now.wall)
    if known is not None:
        return RunProposed(record=known, calls=tuple(records.runs.calls(known.id)), repeated=True)
    run = _run(records, proposals, title=title, needs=order, on_failure=on_failure, by=by, now=now, env=env)
    for number, proposal in enumerate(proposals, start=1):
        mode = StartMode.AFTER if proposal.start_mode is StartMode.AUTO else proposal.start_mode
        step = replace(proposal, run_id=run.id, step=number, start_mode=mode)
        answer = propose(records, step, by=by, now=now, env=env)
        if isinstance(answer, Refused):
            told = answer.refusal.message
            raise LookupError(f"step {number} passed and is refused: {told}")  # noqa: TRY004 - no wrong type
    return RunProposed(record=run, calls=tuple(records.runs.calls(run.id)))


def checked_order(steps: int, needs: Mapping[int, Sequence[int]]) -> dict[int, tuple[int, ...]]:
    """What each step needs, in full. Raises InvalidInput for a step that is not there or not earlier."""
    if not 1 <= steps <= MOST_STEPS:
        raise InvalidInput(field="steps", given=str(steps), allowed=f"a run has 1 to {MOST_STEPS} steps")
    if unknown := [number for number in needs if not 1 <= number <= steps]:
        raise InvalidInput(field="needs", given=f"step {unknown[0]}", allowed=f"the steps are 1 to {steps}")
    order: dict[int, tuple[int, ...]] = {}
    for number in range(1, steps + 1):
        needed = tuple(sorted(set(needs.get(number, range(max(1, number - 1), number)))))
        if wrong := [one for one in needed if not 1 <= one < number]:
            earlier = f"it names earlier steps, 1 to {number - 1}"
            allowed = earlier if number > 1 else "the first step needs none"
            raise InvalidInput(field=f"step {number}, needs", given=str(wrong[0]), allowed=allowed)
        order[number] = needed
    return order


def drafts(
    records: Records, proposals: Sequence[Proposal], *, by: Principal, now: Now, env: Env
) -> list[tuple[ToolCall, ToolCall | None]]:
    """Each step as it would be recorded, and the call that it was before, if it was proposed already.
    Writes nothing. Raises the first Refusal, with the number of its step."""
    found = []
    for number, proposal in enumerate(proposals, start=1):
        try:
            found.append(drafted(records, proposal, by=by, now=now, env=env))
        except InvalidInput as problem:
            raise InvalidInput(
                field=f"step {number}, {problem.field}",
                given=problem.given,
                allowed=problem.allowed,
                code=problem.code,
            ) from None
        except Refusal as refusal:
            raise Refusal(refusal.code, f"Step {number}: {refusal.message}", step=number) from None
    return found


def rehearse(
    records: Records, proposals: Sequence[Proposal], *, by: Principal, now: Now, env: Env
) -> list[ToolCall]:
    """The steps with today's verdict on each, as they would be recorded, grants aside. Writes nothing.
    Raises the first Refusal, with the number of its step."""
    guards.check(caller(records, by=by), guards.ENTRY)
    found = []
    calls = [call for call, _ in drafts(records, proposals, by=by, now=now, env=env)]
    for call, proposal in zip(calls, proposals, strict=True):
        verdict = judge(
            records,
            tool=env.registry.get(call.tool),
            risk=call.risk,
            call=call,
            conversation=proposal.conversation,
            now=now.wall,
            env=env,
        )
        found.append(replace(call, verdict=verdict))
    return found


def decide_run(
    records: Records,
    *,
    by: Principal,
    run_id: RunId,
    revisions: Mapping[int, int],
    approve: Collection[int],
    deny: Collection[int],
    comment: str = "",
    must_be_delivered: bool = True,
    shown: bool = False,
    now: Now,
    env: Env,
) -> RunDecided | Refused:
    """Counts one vote of one person on each step named, every one under the rules of `decide`: what was not
    shown to them, or is not theirs to sign, is refused by itself and the others count.

    `revisions` are those that the person saw, by step. Refusals of the whole: the entry guards, `not_found`,
    `invalid_input`.
    """

    def vote(number: int, call: ToolCall) -> Decided | Refused:
        return decide(
            records,
            by=by,
            call_id=call.id,
            revision=revisions[number],
            vote=Vote.APPROVED if number in approve else Vote.DENIED,
            comment=comment,
            must_be_delivered=must_be_delivered,
            shown=shown,
            now=now,
            env=env,
        )

    try:
        run, calls = _found(records, run_id, by=by, shown=shown)
        _check_named(run, revisions, approve, deny)
    except Refusal as refusal:
        return refused(records, refusal, verb="decide_run", by=by, now=now.wall)
    # Approvals first: where a denial ends later steps, that is what the answer to them says.
    return _each(records, run, calls, [*sorted(approve), *sorted(deny)], vote)


def cancel_run(
    records: Records, *, by: Principal, run_id: RunId, shown: bool = False, now: Now, env: Env
) -> RunDecided | Refused:
    """Withdraws every step that has not started. Refusals as `cancel`'s, for each step."""
    try:
        run, calls = _found(records, run_id, by=by, shown=shown)
        still = [call.step or 0 for call in calls if call.status in {Status.PROPOSED, Status.PENDING}]
        if not still:
            raise Refusal(Code.NOT_PENDING, f"No step of run #{run.short_id} waits any more.")
    except Refusal as refusal:
        return refused(records, refusal, verb="cancel_run", by=by, now=now.wall)

    def withdraw(_: int, call: ToolCall) -> Proposed | Refused:
        return cancel(records, by=by, call_id=call.id, shown=shown, now=now, env=env)

    # The last first: an earlier one's end would end the later ones in another's name.
    return _each(records, run, calls, sorted(still, reverse=True), withdraw)


def extend_run(
    records: Records, *, by: Principal, run_id: RunId, shown: bool = False, now: Now, env: Env
) -> RunDecided | Refused:
    """Gives every step that waits for a signature one hour more: one that expired would take those that need
    it with it. Refusals as `extend`'s, for each step."""
    try:
        run, calls = _found(records, run_id, by=by, shown=shown)
        still = [call.step or 0 for call in calls if call.status is Status.PROPOSED]
        if not still:
            raise Refusal(Code.ALREADY_DECIDED, f"No step of run #{run.short_id} waits for a signature.")
    except Refusal as refusal:
        return refused(records, refusal, verb="extend_run", by=by, now=now.wall)

    def longer(_: int, call: ToolCall) -> Proposed | Refused:
        return extend(records, by=by, call_id=call.id, revision=call.revision, shown=shown, now=now, env=env)

    return _each(records, run, calls, still, longer)


def run_view(records: Records, run: Run) -> RunView:
    """All that is shown of a run. Raises CorruptRecord."""
    return RunView(record=run, views=tuple(view(records, call) for call in records.runs.calls(run.id)))


def run_digest(calls: Sequence[ToolCall]) -> str:
    """What a card that shows all of these steps in full has shown: their consent digests, in order."""
    return sha256_hex(canonical([call.consent_digest for call in calls]))


def asked(calls: Sequence[ToolCall]) -> int:
    """A number that grows with every change of what is asked: a button made before then is out of date."""
    return sum(call.revision for call in calls)


def _known(
    records: Records, proposals: Sequence[Proposal], *, by: Principal, now: Now, env: Env
) -> Run | None:
    """The run that these steps are already. Raises Refusal where any step cannot be proposed."""
    before = [known for _, known in drafts(records, proposals, by=by, now=now, env=env) if known is not None]
    if not before:
        return None
    first = before[0].run_id
    same = first is not None and {call.run_id for call in before} == {first} and len(before) == len(proposals)
    run = records.runs.get(first) if first is not None and same else None
    if run is None or run.steps != len(proposals):
        raise Refusal(
            Code.IDEMPOTENCY_CONFLICT,
            "A step of this run was proposed under the same key before. Use new keys for a new run.",
        )
    return run


def _run(
    records: Records,
    proposals: Sequence[Proposal],
    *,
    title: str,
    needs: Mapping[int, tuple[int, ...]],
    on_failure: OnFailure,
    by: Principal,
    now: Now,
    env: Env,
) -> Run:
    """Records the run, before its steps."""
    place = proposals[0].conversation
    if by.person is None:
        raise LookupError("a run is proposed by a person who passed the guards")
    run_id, named = _fresh_id(records, place.tenant_id, env)
    run = Run(
        id=run_id,
        short_id=named,
        tenant_id=place.tenant_id,
        account_id=place.account_id,
        conversation_id=place.id,
        requester_id=by.person,
        title=title,
        steps=len(proposals),
        needs=needs,
        on_failure=on_failure,
        version=1,
        created_at=now.wall,
    )
    records.runs.add(run)
    records.audit.append(
        "run.proposed",
        tenant_id=run.tenant_id,
        account_id=run.account_id,
        actor=by.actor,
        content={
            "run": run.id,
            "steps": run.steps,
            "needs": {str(step): list(needed) for step, needed in needs.items()},
            "on_failure": on_failure.value,
            "channel": by.channel.value,
        },
        now=now.wall,
    )
    return run


def _fresh_id(records: Records, tenant: TenantId, env: Env) -> tuple[RunId, str]:
    """An id, and a short form of it that names no other run and no call."""

    def taken(named: str) -> bool:
        there = records.runs.by_short_id(tenant, named) or records.calls.by_short_id(tenant, named)
        return there is not None

    run_id, named = fresh_id(env.new_id, taken=taken)
    return RunId(run_id), named


def _found(records: Records, run_id: RunId, *, by: Principal, shown: bool) -> tuple[Run, Sequence[ToolCall]]:
    """The run, if its caller may know of any of its steps. Raises Refusal, CorruptRecord."""
    guards.check(caller(records, by=by), guards.ENTRY)
    run = records.runs.get(run_id)
    calls = [] if run is None else records.runs.calls(run_id)
    if run is None or not any(_may_know(records, call, by=by, shown=shown) for call in calls):
        raise guards.not_found()
    return run, calls


def _may_know(records: Records, call: ToolCall, *, by: Principal, shown: bool) -> bool:
    role = None if by.person is None else records.people.role(call.tenant_id, by.person)
    return (shown and role is not None) or guards.visible(call, by=by, role=role)


def _check_named(
    run: Run, revisions: Mapping[int, int], approve: Collection[int], deny: Collection[int]
) -> None:
    for number in (*approve, *deny):
        if not 1 <= number <= run.steps:
            allowed = f"the steps are 1 to {run.steps}"
            raise InvalidInput(field="step", given=str(number), allowed=allowed)
        if number not in revisions:
            allowed = "say which revision of the step you saw"
            raise InvalidInput(field=f"step {number}, revision", given="nothing", allowed=allowed)
    if both := sorted(set(approve) & set(deny)):
        raise InvalidInput(field="step", given=str(both[0]), allowed="approve it or deny it, not both")


def _each(
    records: Records,
    run: Run,
    calls: Sequence[ToolCall],
    numbers: Sequence[int],
    act: Callable[[int, ToolCall], Decided | Proposed | Refused],
) -> RunDecided:
    """Does something with each of these steps, and tells them apart by what came of it."""
    by_step = {call.step: call for call in calls}
    done: dict[int, Decided | Proposed] = {}
    said_no: dict[int, Refused] = {}
    for number in numbers:
        answer = act(number, by_step[number])
        if isinstance(answer, Refused):
            said_no[number] = answer
        else:
            done[number] = answer
    return RunDecided(record=run, calls=tuple(records.runs.calls(run.id)), done=done, refused=said_no)
