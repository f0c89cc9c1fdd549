from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.engine import Decided, Proposed
from core.ids import CallId
from core.lifecycle import Status
from core.model import SYSTEM, Channel, Principal, ToolCall, Vote
from tests.kit.world import ACME, UMBRELLA, World, chat_of, code_of, principal, refusal_of


async def test_one_signature_makes_a_call_pending(world: World) -> None:
    call = await world.propose("high_once")
    answer = await world.vote(call, "cat", comment="fine")
    assert isinstance(answer, Decided)
    assert (answer.call.status, answer.call.expires_at) == (Status.PENDING, None)
    assert answer.call.start_by is not None
    approval = answer.approval
    assert (approval.person_name, approval.vote, approval.comment, approval.consent_digest) == (
        "Cat",
        Vote.APPROVED,
        "fine",
        call.consent_digest,
    )
    assert world.kinds(call) == ["call.proposed", "call.pending"]
    assert world.ledger.lines == []


async def test_a_denial_ends_the_call_with_its_reason(world: World) -> None:
    call = await world.propose("high_once")
    answer = await world.vote(call, "cat", Vote.DENIED, comment="too dear", delivered=False)
    assert isinstance(answer, Decided)
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (answer.call.status, outcome.status) == (Status.DENIED, Status.DENIED)
    assert (outcome.error, outcome.error_class, outcome.attempt_count) == (
        "Denied by Cat: too dear",
        "denied",
        0,
    )


async def test_a_denial_without_a_comment_is_a_sentence(world: World) -> None:
    call = await world.propose("high_once")
    await world.vote(call, "cat", Vote.DENIED)
    outcome = await world.outcome(call)
    assert outcome is not None
    assert outcome.error == "Denied by Cat."


@pytest.mark.parametrize("vote", list(Vote))
async def test_the_same_vote_twice_is_one_vote(world: World, vote: Vote) -> None:
    call = await world.propose("high_once")
    first = await world.vote(call, "cat", vote)
    second = await world.vote(call, "cat", vote)
    assert isinstance(first, Decided)
    assert isinstance(second, Decided)
    assert (second.repeated, second.approval, second.call) == (True, first.approval, first.call)
    assert len((await world.view(call)).approvals) == 1


@pytest.mark.parametrize("vote", list(Vote))
async def test_a_tap_after_the_decision_is_told_what_was_decided_by_whom_and_when(
    world: World, vote: Vote
) -> None:
    call = await world.approved()
    refused = refusal_of(await world.vote(call, "cid", vote))
    assert refused.refusal.code.value == "already_decided"
    assert "approved by Cat, 12:00 UTC" in refused.refusal.message
    assert refused.refusal.details == {"current_status": "pending"}


async def test_changing_ones_mind_after_the_decision_does_not_count(world: World) -> None:
    call = await world.approved()
    assert code_of(await world.vote(call, "cat", Vote.DENIED)) == "already_decided"
    assert (await world.call(call)).status is Status.PENDING


async def test_a_tap_on_a_call_that_was_cancelled_says_so(world: World) -> None:
    call = await world.propose("high_once")
    await world.cancel(call)
    refused = refusal_of(await world.vote(call, "cat"))
    assert refused.refusal.message.endswith("was cancelled.")


async def test_a_stale_revision_is_refused_with_the_current_one(world: World) -> None:
    call = await world.propose("high_once")
    refused = refusal_of(await world.vote(call, "cat", revision=7))
    assert refused.refusal.code.value == "stale_revision"
    assert refused.refusal.details == {"current_revision": 1}


@pytest.mark.parametrize(
    ("seconds", "counts"), [(-1, True), (0, False), (1, False)], ids=["before", "at", "after"]
)
async def test_a_tap_at_the_expiry(world: World, seconds: int, counts: bool) -> None:
    call = await world.propose("high_once")
    world.clock.advance(24 * 3600 + seconds)
    answer = await world.vote(call, "cat")
    assert isinstance(answer, Decided) is counts
    if not counts:
        assert "has expired: nobody decided in time" in refusal_of(answer).refusal.message


# --------------------------------------------------------------------------- who


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (principal("ann"), "self_approval"),
        (principal("bob"), "not_found"),
        (principal("eve"), "not_a_member"),
        (principal("zoe"), "not_found"),
        (replace(principal("cat"), tenant=None), "tenant_required"),
        (replace(principal("cat"), person=None), "unauthenticated"),
        (principal("gus", UMBRELLA), "tenant_mismatch"),
        (replace(SYSTEM, tenant=ACME), "not_a_member"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_whose_tap_does_not_count_and_that_it_is_audited(
    world: World, who: Principal, code: str
) -> None:
    call = await world.propose("high_once")
    for vote in Vote:
        assert code_of(await world.vote(call, who, vote)) == code
    assert (await world.call(call)).status is Status.PROPOSED
    assert (await world.view(call)).approvals == ()
    refusals = [event for event in world.chain() if event.kind == "refused"]
    assert [event.call_id for event in refusals] == [call.id, call.id]
    assert {event.actor for event in refusals} == {who.actor}


async def test_a_bystander_who_was_shown_the_card_is_told_who_signs(world: World) -> None:
    call = await world.propose("high_once", where="group")
    refused = refusal_of(await world.vote(call, "bob", shown=True))
    assert refused.refusal.code.value == "not_approver"
    assert refused.refusal.message.endswith("This is signed by Dan, Cat, Cid or Gus.")


async def test_an_absent_and_a_foreign_call_get_the_same_answer(world: World) -> None:
    call = await world.propose("high_once")
    absent = CallId(world.new_id())
    ghost = replace(call, id=absent)
    for foreign_vote in Vote:
        foreign = refusal_of(await world.vote(call, "zoe", foreign_vote))
        nothing = refusal_of(await world.vote(ghost, "zoe", foreign_vote, delivered=False))
        assert (foreign.refusal.code, foreign.refusal.message, foreign.refusal.details) == (
            nothing.refusal.code,
            nothing.refusal.message,
            nothing.refusal.details,
        )


@pytest.mark.parametrize("verb", ["vote", "cancel", "undo", "start"])
async def test_what_may_not_be_known_of_is_not_handed_back(world: World, verb: str) -> None:
    call = await world.propose("high_once")
    # Once: Refused.call is the foreign call where an absent one gives None: a door that shows "the current
    # card" with a refusal would show it. The refusal's audit needs the call, the answer must not have it.
    refused = refusal_of(await getattr(world, verb)(call, principal("zoe")))
    assert refused.refusal.code.value == "not_found"
    assert refused.call is None


async def test_a_medium_call_is_confirmed_by_its_requester_or_an_approver(world: World) -> None:
    assert (await world.approved("medium_once", signer="ann")).status is Status.PENDING
    assert (await world.approved("medium_once", signer="cat")).status is Status.PENDING


async def test_a_demoted_approvers_tap_does_not_count(world: World) -> None:
    call = await world.propose("high_once", where="group")
    await world.role("cat", None)
    assert code_of(await world.vote(call, "cat")) == "not_a_member"


# --------------------------------------------------------------------------- delivery


async def test_an_approval_counts_only_once_all_of_it_was_sent(world: World) -> None:
    call = await world.propose("high_once")
    assert code_of(await world.vote(call, "cat", delivered=False)) == "not_delivered"
    assert isinstance(await world.vote(call, "cat"), Decided)


async def test_what_was_sent_to_another_or_of_another_digest_does_not_count(world: World) -> None:
    call = await world.propose("high_once")

    def deliver(person: str, digest: str) -> None:
        world.sql("INSERT INTO deliveries VALUES (?, ?, ?, 0)", call.id, person, digest)

    deliver("cid", call.consent_digest)
    deliver("cat", "0" * 64)
    assert code_of(await world.vote(call, "cat", delivered=False)) == "not_delivered"


# --------------------------------------------------------------------------- changed behind our back


async def test_a_vote_on_a_call_that_was_altered_while_it_waited_completes_nothing(world: World) -> None:
    call = await world.propose("high_once")
    world.change(call, "arguments", '{"text":"gold","amount":1}')
    answer = await world.vote(call, "cat")
    assert isinstance(answer, Decided)
    assert answer.call.status is Status.PROPOSED
    assert world.kinds(call)[-1] == "call.vote"


async def test_a_second_vote_of_one_person_on_one_revision_does_not_count(world: World) -> None:
    call = await world.propose("high_once")
    world.change(call, "arguments", '{"text":"gold","amount":1}')
    await world.vote(call, "cat")
    assert code_of(await world.vote(call, "cat", Vote.DENIED)) == "already_decided"


# --------------------------------------------------------------------------- telling the requester


async def replies(world: World, chat: int) -> int:
    rows = world.sql("SELECT count(*) FROM outbox WHERE kind = 'end_reply' AND chat = ?", chat)
    return int(rows[0][0])


async def test_a_denial_by_another_is_told_in_a_reply(world: World) -> None:
    call = await world.propose("high_once")
    await world.vote(call, "cat", Vote.DENIED)
    assert await replies(world, chat_of("ann")) == 1


async def test_ones_own_denial_is_not_told(world: World) -> None:
    call = await world.propose("medium_once")
    await world.vote(call, "ann", Vote.DENIED)
    assert await replies(world, chat_of("ann")) == 0


async def test_who_switched_replies_off_gets_none(world: World) -> None:
    world.sql("UPDATE people SET end_replies = FALSE WHERE id = 'ann'")
    call = await world.propose("high_once")
    await world.vote(call, "cat", Vote.DENIED)
    assert await replies(world, chat_of("ann")) == 0


async def test_a_call_from_a_program_has_no_chat_to_reply_to(world: World) -> None:
    world.sql("UPDATE conversations SET channel = 'api' WHERE id = 'acme-ann'")
    place = replace(world.conversation(), channel=Channel.API)
    call = await world.propose("high_once", conversation=place)
    await world.vote(call, "cat", Vote.DENIED)
    assert await replies(world, chat_of("ann")) == 0


async def test_an_end_soon_after_the_requester_wrote_is_not_told_again(world: World) -> None:
    assert await end_after(world, 30) == 0


async def test_a_late_end_is_told(world: World) -> None:
    assert await end_after(world, 31) == 1


async def test_writing_meanwhile_counts_as_having_looked(world: World) -> None:
    assert await end_after(world, 60, wrote_after=40) == 0


async def end_after(world: World, seconds: float, *, wrote_after: float | None = None) -> int:
    call = await world.propose("low_once")
    started = await world.started(call)
    result = await world.run(started)
    if wrote_after is not None:
        world.clock.advance(wrote_after)
        await world.unit(
            lambda records: records.people.add_message(
                "m",
                world.conversation(),
                number=9,
                person_id=call.requester_id,
                text="well?",
                now=world.clock.now(),
            )
        )
    world.clock.advance(seconds - (wrote_after or 0))
    await world.finish(started, result)
    return await replies(world, chat_of("ann"))


# --------------------------------------------------------------------------- cancelling


@pytest.mark.parametrize("who", ["ann", "cat", "dan"])
@pytest.mark.parametrize("state", ["proposed", "pending"])
async def test_the_requester_an_approver_and_an_admin_may_withdraw(
    world: World, who: str, state: str
) -> None:
    call = await world.propose("high_once")
    if state == "pending":
        call = await world.approve(call)
    answer = await world.cancel(call, who)
    assert isinstance(answer, Proposed)
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (answer.call.status, outcome.error) == (Status.CANCELLED, f"Withdrawn by {who.title()}.")
    assert code_of(await world.start(call)) == "not_pending"


async def test_others_may_not_withdraw(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "member"\n')
    call = await world.propose("high_once")
    assert code_of(await world.cancel(call, "bob")) == "not_owner"
    assert code_of(await world.cancel(call, "zoe")) == "not_found"
    assert code_of(await world.cancel(call, "eve")) == "not_a_member"


async def test_what_runs_is_asked_to_stop_and_what_has_ended_is_not_withdrawn(world: World) -> None:
    call = await world.propose("low_once")
    started = await world.started(call)
    asked = await world.cancel(call)
    assert isinstance(asked, Proposed)
    assert (asked.call.status, await world.outcome(call)) == (Status.RUNNING, None)
    await world.finish(started, await world.run(started))
    refused = refusal_of(await world.cancel(call))
    assert "has already been executed" in refused.refusal.message


async def test_the_system_withdraws_in_its_own_name(world: World) -> None:
    call = await world.propose("high_once")
    answer = await world.cancel(call, replace(SYSTEM, tenant=ACME))
    assert code_of(answer) == "not_owner"


# --------------------------------------------------------------------------- expiry


async def test_nobody_deciding_in_time_is_told_as_that(world: World) -> None:
    call = await world.propose("high_once")
    world.clock.advance(hours=24)
    assert await world.expire() == 1
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error) == (
        Status.EXPIRED,
        "Nobody decided in time. Nothing was changed.",
    )
    assert await replies(world, chat_of("ann")) == 1
    assert await world.expire() == 0


async def test_an_approved_call_that_nobody_started_expires(world: World) -> None:
    call = await world.approved()
    world.clock.advance(hours=24, seconds=-1)
    assert await world.expire() == 0
    world.clock.advance(1)
    assert await world.expire() == 1
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error) == (
        Status.EXPIRED,
        "It was not started in time. Nothing was changed.",
    )


async def test_a_rule_sets_its_own_expiry(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\nexpires_after = "30s"\n')
    call = await world.propose("low_once")
    world.clock.advance(30)
    await world.expire()
    assert (await world.call(call)).status is Status.EXPIRED


async def test_expiry_does_not_touch_what_runs(world: World) -> None:
    call: ToolCall = await world.propose("low_once")
    await world.started(call)
    world.clock.advance(days=9)
    assert await world.expire() == 0
