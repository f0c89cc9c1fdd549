from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.approvals import (
    consent_digest_of,
    joined,
    refuse_decider,
    signers,
    tally,
    who_may_sign,
    why_unsigned,
)
from core.ids import AccountId, CallId, ConversationId, PersonId, TenantId
from core.model import Channel, Membership, Principal, Role, Verdict, Vote
from tests.kit.records import ALLOWS, ASKS, approval, call, member

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
        ({"named": (CAT, DAN), "count": 2}, "2 of 2 named people"),
        ({"count": 2}, "2 approvers"),
        ({"count": 3, "approvers": Role.ADMIN}, "3 admins"),
        ({"count": 2, "approvers": Role.MEMBER}, "2 members"),
        ({"count": 2, "self_approval": True}, "2 approvers, one of whom may be the requester"),
    ],
)
def test_who_may_sign_in_words(change: dict[str, Any], words: str) -> None:
    assert who_may_sign(replace(ASKS, **change)) == words


# --------------------------------------------------------------------------- who may, by name


PEOPLE = [member("dan", Role.ADMIN), member("cat", Role.APPROVER), member("ann"), member("bob")]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({}, ["Dan", "Cat"]),
        ({"approvers": Role.ADMIN}, ["Dan"]),
        ({"approvers": Role.MEMBER}, ["Dan", "Cat", "Bob"]),
        ({"self_approval": True}, ["Dan", "Cat", "Ann"]),
        ({"named": (CAT, PersonId("ann"))}, ["Cat"]),
    ],
)
def test_those_of_today_who_may_sign(change: dict[str, Any], names: list[str]) -> None:
    may = signers(replace(ASKS, **change), requester=PersonId("ann"), members=PEOPLE)
    assert [each.name for each in may] == names


def crowd(number: int) -> list[Membership]:
    return [member(f"p{place}", Role.APPROVER) for place in range(number)]


@pytest.mark.parametrize(
    ("number", "count", "words"),
    [
        (1, 1, "P0"),
        (2, 1, "P0 or P1"),
        (5, 1, "P0, P1, P2, P3 or P4"),
        (6, 1, "one of P0, P1, P2, P3, P4 and 1 more"),
        (8, 1, "one of P0, P1, P2, P3, P4 and 3 more"),
        (3, 2, "2 of P0, P1, P2"),
        (7, 3, "3 of P0, P1, P2, P3, P4 and 2 more"),
    ],
)
def test_at_most_five_are_named(number: int, count: int, words: str) -> None:
    assert who_may_sign(replace(ASKS, count=count), crowd(number)) == words


def test_long_names_leave_room_for_what_is_said() -> None:
    """The answer to a tap has 200 characters."""
    long = [replace(each, name=f"{each.name} {'x' * 80}") for each in crowd(9)]
    for who in ("ann", "bob"):
        refusal = refuse_decider(call(), ASKS, by=person(who), role=Role.MEMBER, members=lambda: long)
        assert refusal is not None
        assert "and 4 more" in refusal.message[:200]


@pytest.mark.parametrize(
    ("words", "expected"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c"), ([], "")]
)
def test_words_are_joined_as_people_do(words: list[str], expected: str) -> None:
    assert joined(words, "or") == expected


# --------------------------------------------------------------------------- why signatures do not count


def why(today: Verdict, *votes: Any, role_of: Any = approver, **changes: Any) -> str:
    asked = call(**changes)
    counted = tally(asked, today, votes, digest=consent_digest_of(asked), role_of=role_of)
    assert not counted.complete
    return why_unsigned(asked, today, counted)


LAPSED = "The signatures on it do not count any more"


@pytest.mark.parametrize(
    ("today", "role", "clause"),
    [
        (ASKS, None, "Cat is not a member any more"),
        (ASKS, Role.MEMBER, "Cat is not an approver any more"),
        (replace(ASKS, approvers=Role.ADMIN), Role.APPROVER, "Cat is not an admin any more"),
        (replace(ASKS, named=(DAN,)), Role.APPROVER, "the rule does not name Cat any more"),
    ],
)
def test_a_signature_that_lapsed_says_why(today: Verdict, role: Role | None, clause: str) -> None:
    assert why(today, approval(call()), role_of=lambda _person: role) == f"{LAPSED}: {clause}."


def test_the_requesters_own_signature_that_lapsed_says_why() -> None:
    assert why(ASKS, approval(call(), "ann")) == f"{LAPSED}: Ann asked for it and may not sign it."


def test_a_signature_on_something_else_says_so() -> None:
    other = replace(approval(call()), consent_digest="0" * 64)
    assert why(ASKS, other) == f"{LAPSED}: Cat signed something else."


def test_too_few_signatures_say_how_many_are_asked_for() -> None:
    told = why(replace(ASKS, count=2), approval(call()))
    assert told == "Policy asks for 2 signatures now, and it has 1 (default for high risk)."


def test_what_was_allowed_says_so() -> None:
    told = why(ASKS, verdict=ALLOWS)
    assert told == "It was allowed unasked, and policy asks for a signature now (default for high risk)."


def test_no_signatures_at_all() -> None:
    assert why(ASKS) == f"{LAPSED}."
    assert why_unsigned(call(), ASKS, None) == "The signatures on it cannot be counted."


# --------------------------------------------------------------------------- denials


def noes(*votes: Any, verdict: Verdict = ASKS, role_of: Any = approver) -> int:
    return len(tally(call(), verdict, votes, digest=consent_digest_of(call()), role_of=role_of).denials)


DENIED = replace(approval(call()), vote=Vote.DENIED)


def test_a_no_counts_whatever_has_changed_since() -> None:
    assert noes(DENIED) == 1
    assert noes(replace(DENIED, consent_digest="0" * 64)) == 1
    assert noes(replace(DENIED, revision=2)) == 0
    assert noes(DENIED, role_of=lambda _person: Role.MEMBER) == 0


def test_enough_noes_outweigh_a_quorum() -> None:
    votes = [approval(call(), "dan"), DENIED]
    strict = tally(call(), ASKS, votes, digest=consent_digest_of(call()), role_of=approver)
    assert (strict.denied, strict.complete, len(strict.approvals)) == (True, False, 1)
    assert why_unsigned(call(), ASKS, strict) == "Cat said no to it, and today's policy heeds that."
    mild = replace(ASKS, denials=2)
    lenient = tally(call(), mild, votes, digest=consent_digest_of(call()), role_of=approver)
    assert (lenient.denied, lenient.complete) == (False, True)
