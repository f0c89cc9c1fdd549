"""T7: each stored field of a call or its approval changed by SQL after the approval: no effect, audited."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Table

from core.audit import check_chain
from core.engine import Proposed, Refused, Started
from core.engine.readable import set_aside
from core.errors import CorruptRecord
from core.ids import CallId
from core.lifecycle import Status
from core.model import Risk, ToolCall
from core.registry import ToolRegistry
from core.tool import ToolContext, ToolResult
from storage.schema import approvals, grants, tool_calls
from tests.integration.granting import LUNCH, granted, try_revoke
from tests.integration.granting import ask as ask_to_pay
from tests.integration.tampering import (
    ANOTHER,
    APPROVALS,
    APPROVALS_NOT_COVERED,
    CALLS,
    CALLS_NOT_COVERED,
    CORRUPT,
    GRANTS,
    GRANTS_NOT_COVERED,
    SIGNED,
    WIDENED,
    Change,
    changes,
)
from tests.kit.tools import Note, registry_of, tool
from tests.kit.world import ACME, SOLO, UMBRELLA, World, code_of

ALL = [
    *((tool_calls, change) for change in changes(CALLS, CALLS_NOT_COVERED)),
    *((approvals, change) for change in changes(APPROVALS, APPROVALS_NOT_COVERED)),
]


@pytest.mark.parametrize(
    ("table", "covered", "not_covered"),
    [
        (tool_calls, set(CALLS), set(CALLS_NOT_COVERED)),
        (approvals, set(APPROVALS), set(APPROVALS_NOT_COVERED)),
        (grants, set(GRANTS), set(GRANTS_NOT_COVERED)),
    ],
    ids=["tool_calls", "approvals", "grants"],
)
def test_t07_every_column_is_tried(table: Table, covered: set[str], not_covered: set[str]) -> None:
    columns = {column.name for column in table.columns}
    missing = columns - covered - not_covered
    assert not missing, f"say in tampering.py whether a signature covers {table.name}.{sorted(missing)}"
    assert not covered & not_covered
    assert covered | not_covered == columns, "columns that are gone"


@pytest.mark.timeout(300)
async def test_t07_what_is_changed_after_the_approval_does_not_run(world: World) -> None:
    """Where a signature does not cover a column, the call runs once and is what was signed."""
    _with_witness(world)
    wrong: list[str] = []
    for table, change in ALL:
        call = await world.approve(await world.propose("witness", arguments=SIGNED))
        try:
            await _check(world, table, change, call)
        except AssertionError as problem:
            wrong.append(f"{table.name}.{change.column} = {change.value!r:.60}: {problem}")
        world.place.damage("DELETE FROM tool_calls WHERE id = ?", ANOTHER)
    assert not wrong, "\n".join(wrong)
    chains = {tenant: world.chain(tenant) for tenant in (ACME, UMBRELLA, SOLO, "_system")}
    assert not [broken for chain in chains.values() for broken in check_chain(chain)]
    refused = sum(event.kind == "refused" for chain in chains.values() for event in chain)
    print(
        f"T7 {world.place.kind}: {len(ALL)}/{len(ALL)} changes of {len(tool_calls.columns)} and"
        f" {len(approvals.columns)} columns, {refused} refusals audited,"
        f" {world.ledger.effects.total()} effects, as signed"
    )


@pytest.mark.parametrize("change", changes(GRANTS, GRANTS_NOT_COVERED), ids=lambda each: each.column)
async def test_t07_a_grant_that_is_changed_after_it_let_a_call_through(world: World, change: Change) -> None:
    made = await granted(world)
    call = await ask_to_pay(world)
    assert call.verdict.grant == made.id
    world.place.damage(f"UPDATE grants SET {change.column} = ? WHERE id = ?", change.value, made.id)
    answer = await world.start(call)
    if not change.code:
        assert isinstance(answer, Started), "it was let through as it is"
        return
    assert code_of(answer) == change.code
    assert (await world.call(call)).status is Status.PROPOSED, "it is asked for now"
    assert _trace(world, call.id)
    assert world.ledger.effects[call.id] == 0


@pytest.mark.parametrize("arguments", ['{"text":"lunch","amount":199}', '{"text":"dinner","amount":200}'])
async def test_t07_what_a_grant_let_through_is_what_runs(world: World, arguments: str) -> None:
    """Also where the grant would let the changed call through as well: nobody asked for that one."""
    await granted(world)
    call = await ask_to_pay(world)
    world.change(call, "arguments", arguments)
    assert code_of(await world.start(call)) == "approval_invalid"
    assert world.ledger.effects[call.id] == 0


@pytest.mark.parametrize("column", WIDENED)
async def test_t07_the_audit_has_what_was_granted_whatever_its_row_says(world: World, column: str) -> None:
    """Nothing covers a grant's row but the audit: who widens it there is found out, and gets no critical
    call through."""
    made = await granted(world)
    if column == "revoked_at":
        await try_revoke(world, made)
    world.place.damage(f"UPDATE grants SET {column} = ? WHERE id = ?", WIDENED[column], made.id)
    by = "bob" if column == "requester_id" else "ann"
    assert (await ask_to_pay(world, 5000, by=by)).status is Status.PROPOSED
    told = [json.loads(event.content) for event in world.chain() if event.kind == "grant.made"]
    assert [(each["grant"], each["scope"], each["requester"]) for each in told] == [(made.id, LUNCH, "ann")]
    assert told[0]["expires_at"] == made.expires_at.isoformat()
    revoked = [event for event in world.chain() if event.kind == "grant.revoked"]
    assert len(revoked) == (column == "revoked_at")
    assert not list(check_chain(world.chain()))


async def test_t07_a_vote_of_another_call_does_not_count(world: World) -> None:
    signed, asked = await world.approved(), await world.propose("high_once")
    world.place.damage("UPDATE approvals SET call_id = ? WHERE call_id = ?", asked.id, signed.id)
    world.change(asked, "status", "pending")
    assert code_of(await world.start(asked)) == "approval_invalid"
    assert code_of(await world.start(signed)) == "approval_invalid"
    assert world.ledger.lines == []


async def test_t07_the_risk_of_an_undo_is_not_taken_from_its_row(world: World) -> None:
    done = await world.done("undo_asks")
    undo = await world.undo(done)
    assert isinstance(undo, Proposed)
    world.change(undo.call, "risk", "low")
    world.change(undo.call, "status", "pending")
    assert code_of(await world.start(undo.call)) == "approval_invalid"
    assert len(world.ledger.lines) == 1


async def test_t07_what_is_changed_while_it_runs_is_not_run_again(world: World) -> None:
    """An idempotent call whose worker died is started once more: that is a dispatch too."""
    _with_witness(world)
    call = await world.approve(await world.propose("witness_again", arguments=SIGNED))
    await world.started(call)
    world.change(call, "arguments", '{"text":"gold","amount":1}')
    assert not await world.recover(sole=True)
    assert (await world.call(call)).status is Status.INTERRUPTED
    assert world.kinds(call)[-1] == "call.interrupted"
    assert world.ledger.lines == []


async def test_an_undo_whose_original_cannot_be_read_holds_up_nobody_else(world: World) -> None:
    """Once: its card is brought up to date with each step of the undo, so one row that could not be read
    stopped every sweep, and every recovery, at that undo."""
    done = [await world.done("undo_asks"), await world.done("undoable"), await world.done("undoable")]
    undos = [await world.undo(each) for each in done]
    asked, running, ending = (each.call for each in undos if isinstance(each, Proposed))
    await world.started(running)
    started = await world.started(ending)
    other = await world.propose("high_once")
    for each in done:
        world.change(each, "arguments", "{")
    assert await world.finish(started, await world.run(started))
    world.clock.advance(hours=25)
    await world.recover()
    await world.expire()
    statuses = [(await world.call(each)).status for each in (asked, running, ending, other)]
    assert statuses == [Status.EXPIRED, Status.INTERRUPTED, Status.COMPLETED, Status.EXPIRED]
    set_aside_now = world.sql("SELECT row_id FROM quarantine ORDER BY row_id")
    assert set_aside_now == [(each.id,) for each in done]


def _with_witness(world: World) -> None:
    """Tools whose ledger line says what ran, where, for whom."""

    async def run(arguments: Note, context: ToolContext) -> ToolResult:
        about = (arguments.text, arguments.amount, context.tenant_id, context.account_id)
        where = (context.conversation_id, context.person_id)
        world.ledger.write("/".join(map(str, about + where)), context.call_id, context.attempt)
        return ToolResult(text="done")

    witnesses = [
        tool("witness", risk=Risk.HIGH, run=run),
        tool("witness_again", risk=Risk.HIGH, run=run, idempotent=True),
    ]
    world.registry = ToolRegistry([*registry_of(world.ledger), *witnesses])
    world.__post_init__()


async def _check(world: World, table: Table, change: Change, call: ToolCall) -> None:
    key = "id" if table is tool_calls else "call_id"
    world.place.damage(f"UPDATE {table.name} SET {change.column} = ? WHERE {key} = ?", change.value, call.id)
    moved = (table, change.column) == (tool_calls, "id")
    target = CallId(ANOTHER) if moved else call.id
    if not change.code:
        await _runs_as_signed(world, call)
        return
    before = _trace(world, target)
    for worker in ("w1", "w2"):  # whoever comes after the refusal gets nothing either
        code = await _start(world, target, worker)
        assert worker == "w2" or code == change.code, f"refused as {code}"
    assert _trace(world, target) > before, "it is not in the audit"
    if moved:
        assert code_of(await world.start(call.id)) == "tenant_unknown", "nothing is left under its old id"
    effects = world.ledger.effects
    assert effects[call.id] == effects[target] == 0, f"it ran: {world.ledger.lines[-1]}"
    assert not world.sql("SELECT 1 FROM attempts WHERE call_id IN (?, ?)", call.id, target)


async def _start(world: World, call_id: CallId, worker: str) -> str:
    """The code with which this worker is turned away; a call that cannot be read is set aside, as it does."""
    try:
        answer = await world.start(call_id, worker=worker)
    except CorruptRecord as corrupt:
        met = corrupt
        await world.unit(lambda records: set_aside(records, met, now=world.clock.now()))
        return CORRUPT
    assert not isinstance(answer, Started), "it was started"
    return code_of(answer)


def _trace(world: World, call_id: CallId) -> int:
    """How many events tell that the call was refused or set aside."""
    refused = "SELECT count(*) FROM audit_events WHERE kind = 'refused' AND call_id = ?"
    corrupt = "SELECT count(*) FROM audit_events WHERE kind = 'record.corrupt' AND content LIKE ?"
    return world.place.number(refused, call_id) + world.place.number(corrupt, f"%{call_id}%")


async def _runs_as_signed(world: World, call: ToolCall) -> None:
    answer = await world.start(call)
    assert not isinstance(answer, Refused), f"refused as {code_of(answer)}"
    await world.finish(answer, await world.run(answer))
    lines = [line for line in world.ledger.lines if call.id in line]
    signed = "tea/1/acme/acme-account-ann/acme-ann/ann"
    assert [line.split()[0] for line in lines] == [signed]
    assert code_of(await world.start(call, worker="w2")) == "not_pending"
