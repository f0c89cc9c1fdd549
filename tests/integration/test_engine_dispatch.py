"""What is checked once more when a signed call starts: who may, what was signed, what today's policy says."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.engine import Refused
from core.ids import CallId
from core.lifecycle import Status
from core.model import Risk, Role
from tests.kit.tools import tool
from tests.kit.world import World, code_of


async def untouched(world: World) -> bool:
    """No attempt, no outcome, no effect."""
    return (
        world.ledger.lines == []
        and world.sql("SELECT count(*) FROM attempts") == [(0,)]
        and world.sql("SELECT count(*) FROM outcomes") == [(0,)]
    )


async def lapsed(world: World, call_id: CallId, why: str) -> None:
    """The call came back to be signed again, under a new revision, and people are told why."""
    call = await world.call(call_id)
    assert (call.status, call.revision) == (Status.PROPOSED, 2)
    assert why in call.note
    assert call.expires_at is not None
    assert call.start_by is None
    assert world.kinds(call)[-2:] == ["refused", "call.proposed"]
    assert await untouched(world)


async def test_an_approver_demoted_since_has_not_approved(world: World) -> None:
    call = await world.approved()
    await world.role("cat", None)
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "do not count any more")
    # The old vote is void; a new one, on the new revision, counts.
    again = await world.call(call)
    assert code_of(await world.vote(call, "cid", revision=1)) == "stale_revision"
    outcome = await world.execute(await world.approve(again, "cid"))
    assert outcome.success
    assert world.ledger.effects == {call.id: 1}


async def test_an_approver_made_a_member_has_not_approved_either(world: World) -> None:
    call = await world.approved()
    await world.role("cat", Role.MEMBER)
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "do not count any more")


async def test_a_requester_who_left_gets_nothing_run(world: World) -> None:
    call = await world.approved()
    await world.role("ann", None)
    assert code_of(await world.start(call)) == "policy_forbids"
    assert (await world.call(call)).status is Status.DENIED
    assert world.ledger.lines == []


async def test_a_second_member_ends_signing_for_oneself(world: World) -> None:
    call = await world.approve(await world.propose("high_once", by="sol"), "sol")
    await world.role("bob", Role.APPROVER, call.tenant_id)
    assert code_of(await world.start(call)) == "approval_invalid"
    again = await world.call(call)
    assert not again.verdict.self_approval
    assert code_of(await world.vote(again, "sol")) == "self_approval"


async def test_a_policy_tightened_to_deny_ends_the_call(world: World) -> None:
    call = await world.approved()
    world.rules('[[rule]]\nname = "stop"\ndecision = "deny"\nreason = "we stopped that"\n')
    assert code_of(await world.start(call)) == "policy_forbids"
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error_class) == (Status.DENIED, "policy_denied")
    assert "we stopped that (stop)" in (outcome.error or "")
    assert world.ledger.lines == []


async def test_a_policy_tightened_to_ask_asks_for_what_was_allowed(world: World) -> None:
    call = await world.propose("low_once")
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "admin"\nself_approval = false\n')
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "It was allowed unasked, and policy asks for a signature now")
    again = await world.call(call)
    assert code_of(await world.vote(again, "cat", shown=True)) == "not_approver"
    assert (await world.execute(await world.approve(again, "dan"))).success


async def test_a_policy_that_asks_for_a_higher_role_voids_the_signature(world: World) -> None:
    call = await world.approved()
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "admin"\n')
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "do not count")


async def test_a_policy_loosened_lets_a_signed_call_run(world: World) -> None:
    call = await world.approved()
    world.rules('[[rule]]\ndecision = "allow"\n')
    assert (await world.execute(call)).success


async def test_a_tool_that_changed_since_is_asked_for_again(world: World) -> None:
    """T8."""
    call = await world.approved()
    changed = replace(world.registry.get("high_once"), version="2")
    world.registry._tools["high_once"] = changed
    world.registry._hashes["high_once"] = changed.definition_hash
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "has changed since this was signed")
    again = await world.call(call)
    assert (again.tool_version, again.definition_hash) == ("2", changed.definition_hash)
    assert (await world.execute(await world.approve(again))).success


async def test_a_tool_that_is_gone_ends_the_call(world: World) -> None:
    call = await world.approved()
    del world.registry._tools["high_once"]
    assert code_of(await world.start(call)) == "tool_not_found"
    outcome = await world.outcome(call)
    assert outcome is not None
    assert outcome.status is Status.DENIED


async def test_a_tool_whose_assess_breaks_today_is_taken_for_critical(world: World) -> None:
    call = await world.propose("low_once")

    def broken(_arguments: object, _context: object) -> None:
        raise ZeroDivisionError

    world.registry._tools["low_once"] = replace(
        world.registry.get("low_once"),
        assess=broken,
    )
    assert code_of(await world.start(call)) == "approval_invalid"
    again = await world.call(call)
    assert (again.risk, again.verdict.count) == (Risk.CRITICAL, 2)


# What somebody who has the database writes over after the approval (T7), and the code that stops it.
TAMPERED = [
    ("tool", "low_once", "approval_invalid"),
    ("tool", "nope", "tool_not_found"),
    ("tool_version", "9", "approval_invalid"),
    ("arguments", '{"text":"gold","amount":1}', "approval_invalid"),
    ("arguments", '{"text":"tea","amount":2}', "approval_invalid"),
    ("arguments", '{"text":"tea"}', "approval_invalid"),
    ("tenant_id", "umbrella", "policy_forbids"),
    ("account_id", "acme-account-bob", "approval_invalid"),
    ("requester_id", "bob", "approval_invalid"),
    ("conversation_id", "acme-bob", "approval_invalid"),
    ("conversation_id", "nowhere", "policy_forbids"),
    ("definition_hash", "0" * 64, "approval_invalid"),
    ("dry_run_pin", "v2", "approval_invalid"),
    ("revision", 2, "approval_invalid"),
    ("consent_digest", "0" * 64, "approval_invalid"),
]


@pytest.mark.parametrize(("column", "value", "code"), TAMPERED)
async def test_t7_a_field_changed_by_sql_after_the_approval_has_no_effect(
    world: World, column: str, value: object, code: str
) -> None:
    call = await world.approved()
    world.change(call, column, value)
    assert code_of(await world.start(call)) == code
    # Whatever it became, nothing ran, and the refusal is in an audit chain.
    assert world.ledger.lines == []
    assert world.sql("SELECT count(*) FROM attempts") == [(0,)]
    refused = world.sql("SELECT count(*) FROM audit_events WHERE kind = 'refused' AND call_id = ?", call.id)
    assert refused == [(1,)]
    assert (await world.call(call)).status in {Status.PROPOSED, Status.DENIED}


async def test_t7_a_vote_written_by_sql_does_not_count(world: World) -> None:
    call = await world.propose("high_once")
    world.sql(
        "INSERT INTO approvals VALUES (?, 'acme', 'a', 1, 'ann', 'Ann', 'approved', ?, 'telegram', '', 0)",
        call.id,
        call.consent_digest,
    )
    world.change(call, "status", "pending")
    assert code_of(await world.start(call)) == "approval_invalid"
    assert world.ledger.lines == []


async def test_t7_a_verdict_written_by_sql_does_not_loosen_what_is_asked_today(world: World) -> None:
    call = await world.propose("high_once")
    stored = world.sql("SELECT verdict FROM tool_calls")[0][0]
    world.change(call, "verdict", stored.replace('"self_approval":false', '"self_approval":true'))
    signed = await world.approve(call, "ann")
    assert signed.status is Status.PENDING
    assert code_of(await world.start(signed)) == "approval_invalid"
    assert world.ledger.lines == []


async def test_t7_the_title_is_not_covered_by_the_digest_and_does_not_run(world: World) -> None:
    """The digest covers what runs; a title is words about it. What runs is what was signed."""
    call = await world.approved()
    world.change(call, "title", "Note something harmless")
    outcome = await world.execute(call)
    assert outcome.formatted == "Noted: tea"


async def test_t7_an_undo_that_was_signed_cannot_be_turned_into_its_opposite(world: World) -> None:
    done = await world.done("undo_asks")
    undo = await world.undo(done)
    assert not isinstance(undo, Refused)
    signed = await world.approve(undo.call)
    world.change(signed, "undo_of", None)
    # Once: the consent digest does not cover undo_of: what was signed as "Undo: …" runs the tool once more.
    # (A dry_run_pin that names the original would bind it without a change of the digest.)
    assert code_of(await world.start(signed)) == "approval_invalid"


async def test_what_is_asked_again_after_a_change_shows_what_would_run(world: World) -> None:
    call = await world.propose("spend", arguments={"text": "tea", "amount": 1})
    world.change(call, "arguments", '{"text":"gold","amount":400}')
    assert code_of(await world.start(call)) == "approval_invalid"
    again = await world.call(call)
    assert again.status is Status.PROPOSED
    # Once: _lapse keeps the old title, risk and pin: the card asks to sign "Note tea (1)", low risk, while
    # "gold, 400", medium risk, would run.
    assert (again.title, again.risk.value) == ("Note gold (400)", "medium")


async def test_what_was_changed_behind_our_back_is_signed_by_somebody_even_where_policy_allows(
    world: World,
) -> None:
    call = await world.propose("low_once")
    world.change(call, "arguments", '{"text":"gold","amount":1}')
    assert code_of(await world.start(call)) == "approval_invalid"
    again = await world.call(call)
    assert again.verdict.reason == "it was changed after it was recorded"
    assert code_of(await world.vote(again, "ann")) == "self_approval"
    assert (await world.execute(await world.approve(again))).formatted == "Noted: gold"


async def test_what_was_changed_into_nonsense_ends(world: World) -> None:
    world.rules('[[rule]]\ndecision = "allow"\n')
    call = await world.propose("low_once")
    world.change(call, "arguments", '{"text":""}')
    assert code_of(await world.start(call)) == "approval_invalid"
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error_class) == (Status.DENIED, "invalid_input")


async def test_changed_roles_of_the_risk_follow_the_arguments_of_today(world: World) -> None:
    """A tool that became riskier is asked for again, though nothing of the call changed."""
    call = await world.propose("low_once")
    world.registry._tools["low_once"] = replace(
        tool("low_once", run=world.registry.get("low_once").run),
        assess=lambda _arguments, _context: Risk.HIGH,
    )
    assert code_of(await world.start(call)) == "approval_invalid"
    assert (await world.call(call)).status is Status.PROPOSED
