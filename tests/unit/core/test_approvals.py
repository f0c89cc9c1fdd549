from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.approvals import consent_digest_of, refuse_decider, tally, who_may_sign
from core.ids import AccountId, CallId, ConversationId, PersonId, TenantId
from core.model import Channel, Principal, Role, Vote
from tests.kit.records import ASKS, approval, call

CAT, DAN = PersonId("cat"), PersonId("dan")


def approver(_person: PersonId) -> Role | None:
    return Role.APPROVER


def person(name: str | None) -> Principal:
    return Principal(
        person=None if name is None else PersonId(name),
        tenant=TenantId("acme"),
        roles=frozenset(),
        channel=Channel.TELEGRAM,
    )


COVERED: dict[str, Any] = {
    "id": CallId("01890a5d-ac96-774b-bcce-b302099a8058"),
    "revision": 2,
    "tenant_id": TenantId("umbrella"),
    "account_id": AccountId("other"),
    "requester_id": PersonId("bob"),
    "conversation_id": ConversationId("elsewhere"),
    "tool": "pay",
    "tool_version": "2",
    "arguments": {"text": "tea", "amount": 2},
    "definition_hash": "e" * 64,
    "dry_run_pin": "v7",
}


@pytest.mark.parametrize("field", COVERED)
def test_a_change_of_any_covered_field_changes_the_consent_digest(field: str) -> None:
    assert consent_digest_of(replace(call(), **{field: COVERED[field]})) != consent_digest_of(call())


@given(st.sets(st.sampled_from(sorted(COVERED)), min_size=1))
def test_no_two_sets_of_changes_give_one_digest(fields: set[str]) -> None:
    changed = replace(call(), **{field: COVERED[field] for field in fields})
    one_less = replace(call(), **{field: COVERED[field] for field in sorted(fields)[1:]})
    assert consent_digest_of(changed) != consent_digest_of(one_less)


def test_the_title_is_words_about_the_call_and_is_not_covered() -> None:
    """The digest covers what runs. The title is derived from it when it is proposed, and never runs."""
    assert consent_digest_of(replace(call(), title="Note coffee")) == consent_digest_of(call())


def test_the_recorded_args_digest_is_not_believed() -> None:
    altered = replace(call(), arguments={"text": "gold"}, args_digest=call().args_digest)
    assert consent_digest_of(altered) != call().consent_digest


# --------------------------------------------------------------------------- counting


def count(*votes: Any, verdict: Any = ASKS, role_of: Any = approver) -> int:
    return len(tally(call(), verdict, votes, digest=consent_digest_of(call()), role_of=role_of).approvals)


def test_a_signature_counts() -> None:
    counted = tally(call(), ASKS, [approval(call())], digest=consent_digest_of(call()), role_of=approver)
    assert counted.complete
    assert counted.needed == 1


def test_without_votes_nothing_is_complete() -> None:
    assert not tally(call(), ASKS, [], digest="", role_of=approver).complete


@pytest.mark.parametrize(
    "change",
    [{"vote": Vote.DENIED}, {"revision": 2}, {"consent_digest": "0" * 64}, {"person_id": PersonId("ann")}],
)
def test_what_does_not_count(change: dict[str, Any]) -> None:
    assert count(replace(approval(call()), **change)) == 0


def test_a_vote_of_somebody_who_lost_the_role_does_not_count() -> None:
    assert count(approval(call()), role_of=lambda _person: Role.MEMBER) == 0
    assert count(approval(call()), role_of=lambda _person: None) == 0


def test_one_person_counts_once() -> None:
    assert count(approval(call()), approval(call(), comment="again")) == 1
    assert count(approval(call()), approval(call(), "dan")) == 2


def test_a_call_changed_since_has_no_votes_that_count() -> None:
    signed = call()
    changed = replace(signed, arguments={"text": "gold"})
    assert (
        tally(
            changed, ASKS, [approval(signed)], digest=consent_digest_of(changed), role_of=approver
        ).approvals
        == ()
    )


# --------------------------------------------------------------------------- who may decide


@pytest.mark.parametrize(
    ("who", "role", "code"),
    [
        (None, None, "not_a_member"),
        ("eve", None, "not_a_member"),
        ("ann", Role.MEMBER, "self_approval"),
        ("ann", Role.ADMIN, "self_approval"),
        ("bob", Role.MEMBER, "not_approver"),
        ("cat", Role.APPROVER, None),
    ],
)
def test_who_may_decide_and_what_the_others_are_told(who: str | None, role: Role | None, code: str) -> None:
    refusal = refuse_decider(call(), ASKS, by=person(who), role=role)
    assert (refusal.code.value if refusal else None) == code


def test_a_refusal_says_who_signs() -> None:
    own = refuse_decider(call(), ASKS, by=person("ann"), role=Role.MEMBER)
    other = refuse_decider(call(), ASKS, by=person("bob"), role=Role.MEMBER)
    assert own is not None
    assert other is not None
    assert "an approver" in own.message
    assert "Cancel" in own.message
    assert "an approver" in other.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "an approver"),
        ({"approvers": Role.ADMIN}, "an admin"),
        ({"approvers": Role.MEMBER}, "any member"),
        ({"self_approval": True}, "the requester or an approver"),
        ({"named": (CAT,)}, "the person the rule names"),
        ({"named": (CAT, DAN)}, "one of 2 named people"),
    ],
)
def test_who_may_sign_in_words(change: dict[str, Any], words: str) -> None:
    assert who_may_sign(replace(ASKS, **change)) == words
