"""The guards alone, and their order. What they do in the engine: tests/integration/test_engine_*."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.adapters import Carrier, Unavailable
from core.approvals import Tally, consent_digest_of
from core.errors import Code, Refusal
from core.guards import ENTRY, GUARDS, Facts, check, not_found, visible
from core.ids import AccountId, PersonId, SwitchId, TenantId
from core.lifecycle import Status
from core.limits import Limited, Window
from core.model import SYSTEM, Channel, Conversation, Principal, Role, Switch, Target, Tenant, ToolCall
from tests.kit.clock import NOON
from tests.kit.records import ALLOWS, ASKS, DENIES, approval, call
from tests.kit.tools import tool

ACME = TenantId("acme")
TENANT = Tenant(id=ACME, name="Acme", active=True, currency="EUR", timezone="UTC")
ANN = Principal(person=PersonId("ann"), tenant=ACME, roles=frozenset({Role.MEMBER}), channel=Channel.TELEGRAM)
CHAT = Conversation(
    id=call().conversation_id,
    tenant_id=ACME,
    account_id=AccountId("main"),
    channel=Channel.TELEGRAM,
    chat="100",
    thread=None,
    private=True,
    owner_id=PersonId("ann"),
)


def facts(**changes: Any) -> Facts:
    """Facts that pass every guard, changed as a test needs them."""
    passing = call()
    signed = Tally(approvals=(approval(passing),), needed=1)
    fields: dict[str, Any] = {
        "by": ANN,
        "tenant": TENANT,
        "role": Role.MEMBER,
        "call": passing,
        "role_in_call_tenant": Role.MEMBER,
        "conversation": CHAT,
        "tool": tool(),
        "definition_hash": passing.definition_hash,
        "today": ASKS,
        "tally": signed,
    }
    fields |= changes
    called = fields["call"]
    return Facts(**{"digest": None if called is None else consent_digest_of(called), **fields})


def refusal(**changes: Any) -> Refusal:
    with pytest.raises(Refusal) as raised:
        check(facts(**changes))
    return raised.value


def test_a_call_that_nothing_speaks_against_passes() -> None:
    check(facts())


FOREIGN = Principal(
    person=PersonId("zoe"), tenant=TenantId("umbrella"), roles=frozenset({Role.ADMIN}), channel=Channel.API
)
GUS = replace(ANN, person=PersonId("gus"), tenant=TenantId("umbrella"))

PAUSE = Switch(
    id=SwitchId("s"),
    tenant_id=ACME,
    target=Target.EVERYTHING,
    name="",
    reason="deploy freeze",
    by_id=PersonId("dan"),
    by_name="Dan",
    created_at=NOON,
    until=NOON + timedelta(hours=1),
)
DOWN = Unavailable(adapter="mail", retry_after_s=30.0)
LIMITED = Limited(window=Window(whose="this team", bucket="b", limit="60/minute"), retry_after_s=12.4)

# number, what makes it fail, code, HTTP status (SPEC 2)
FAILURES: list[tuple[int, dict[str, Any], str, int]] = [
    (1, {"by": replace(ANN, person=None)}, "unauthenticated", 401),
    (2, {"by": replace(ANN, tenant=None)}, "tenant_required", 400),
    (3, {"tenant": None}, "tenant_unknown", 400),
    (4, {"tenant": replace(TENANT, active=False)}, "tenant_inactive", 403),
    (5, {"role": None}, "not_a_member", 403),
    (6, {"call": None}, "not_found", 404),
    (6, {"by": FOREIGN, "role": Role.ADMIN, "role_in_call_tenant": None}, "not_found", 404),
    (6, {"by": replace(ANN, person=PersonId("bob"))}, "not_found", 404),
    (7, {"call": call(status=Status.COMPLETED)}, "not_pending", 400),
    (8, {"by": replace(ANN, person=PersonId("bob")), "shown": True}, "not_owner", 403),
    (9, {"by": GUS, "role_in_call_tenant": Role.APPROVER}, "tenant_mismatch", 403),
    (9, {"call": call(tenant_id=TenantId(""))}, "proposal_missing_tenant_context", 400),
    (10, {"tool": None}, "tool_not_found", 400),
    (11, {"call": call(verdict=DENIES)}, "policy_forbids", 403),
    (11, {"today": DENIES}, "policy_forbids", 403),
    (11, {"today": None}, "policy_forbids", 403),
    (12, {"call": replace(call(), arguments={"text": "gold"})}, "approval_invalid", 403),
    (12, {"definition_hash": "e" * 64}, "approval_invalid", 403),
    (12, {"tally": Tally(approvals=(), needed=1)}, "approval_invalid", 403),
    (12, {"tally": None}, "approval_invalid", 403),
    (12, {"tally": None, "grant_fault": "It was revoked."}, "approval_invalid", 403),
    (13, {"held": PAUSE}, "paused", 503),
    (14, {"limited": LIMITED}, "rate_limited", 429),
    (15, {"carrier": DOWN}, "adapter_unavailable", 503),
]


@pytest.mark.parametrize(("number", "change", "code", "http"), FAILURES)
def test_each_guard_alone(number: int, change: dict[str, Any], code: str, http: int) -> None:
    refused = refusal(**change)
    assert (refused.code.value, refused.http_status) == (code, http)
    # It is this guard that said so, and no other.
    with pytest.raises(Refusal):
        GUARDS[number - 1](facts(**change))
    for guard in GUARDS[: number - 1]:
        guard(facts(**change))


# Changes of different fields, so that any set of them can fail at once.
INDEPENDENT: list[tuple[int, dict[str, Any]]] = [
    (3, {"tenant": None}),
    (5, {"role": None}),
    (7, {"call": call(status=Status.DENIED)}),
    (10, {"tool": None}),
    (11, {"today": DENIES}),
    (12, {"tally": None}),
    (13, {"held": PAUSE}),
    (14, {"limited": LIMITED}),
    (15, {"carrier": DOWN}),
]
CODES = {3: "tenant_unknown", 5: "not_a_member", 7: "not_pending", 10: "tool_not_found"} | {
    11: "policy_forbids",
    12: "approval_invalid",
    13: "paused",
    14: "rate_limited",
    15: "adapter_unavailable",
}


@given(st.sets(st.sampled_from(range(len(INDEPENDENT))), min_size=1), st.booleans())
def test_of_several_failing_guards_the_lowest_number_answers(failing: set[int], anonymous: bool) -> None:
    change: dict[str, Any] = {}
    for index in failing:
        change |= INDEPENDENT[index][1]
    expected = CODES[min(INDEPENDENT[index][0] for index in failing)]
    if anonymous:
        change["by"] = replace(ANN, person=None, tenant=None)
        expected = "unauthenticated"
    assert refusal(**change).code.value == expected


@given(st.lists(st.sampled_from(range(len(FAILURES))), min_size=1, max_size=4))
def test_the_order_holds_for_any_mixture(chosen: list[int]) -> None:
    change: dict[str, Any] = {}
    for index in chosen:
        change |= FAILURES[index][1]
    mixed = facts(**change)
    failing = []
    for number, guard in enumerate(GUARDS, start=1):
        try:
            guard(mixed)
        except (Refusal, LookupError) as error:
            failing.append((number, error))
    if not failing:  # changes of one field may heal each other
        return
    with pytest.raises(Refusal) as raised:
        check(mixed)
    first = failing[0][1]
    assert isinstance(first, Refusal)
    assert raised.value.code is first.code


def test_entry_is_the_first_five() -> None:
    assert list(ENTRY) == list(GUARDS[:5])
    assert len(GUARDS) == 15


def test_an_absent_and_a_foreign_call_get_the_same_answer_word_for_word() -> None:
    absent = refusal(call=None)
    foreign = refusal(by=FOREIGN, role=Role.ADMIN, role_in_call_tenant=None)
    invisible = refusal(by=replace(ANN, person=PersonId("bob")))
    for other in (foreign, invisible, not_found()):
        assert (other.code, other.message, dict(other.details)) == (
            absent.code,
            absent.message,
            dict(absent.details),
        )
        assert other.retry_after_s == absent.retry_after_s


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PENDING])
def test_not_pending_says_where_the_call_stands(status: Status) -> None:
    refused = refusal(call=call(status=status))
    assert refused.code is Code.NOT_PENDING
    assert refused.details == {"current_status": status.value}
    assert "#9A8057" in refused.message


def test_a_call_that_was_executed_says_so_in_words() -> None:
    assert "has already been executed" in refusal(call=call(status=Status.COMPLETED)).message


def test_the_owner_of_the_conversation_may_start_what_another_asked_there() -> None:
    other = call(requester_id=PersonId("bob"))
    check(facts(call=other, shown=True, tally=Tally(approvals=(approval(other),), needed=1)))


def test_without_a_conversation_only_requester_and_approvers_may_start() -> None:
    check(facts(conversation=None))
    assert (
        refusal(conversation=None, by=replace(ANN, person=PersonId("bob")), shown=True).code is Code.NOT_OWNER
    )


@pytest.mark.parametrize("role", [Role.APPROVER, Role.ADMIN])
def test_approvers_and_admins_may_start_what_others_asked(role: Role) -> None:
    check(facts(by=replace(ANN, person=PersonId("cat")), role=role, role_in_call_tenant=role))


def test_the_dispatcher_passes_the_guards_that_hold_for_it_by_construction() -> None:
    """SPEC 2: for the dispatcher 1, 2 and 8 hold by construction."""
    check(facts(by=SYSTEM, role=None, role_in_call_tenant=None))


def test_the_dispatcher_is_no_way_round_the_others() -> None:
    system = replace(SYSTEM, tenant=ACME)
    assert refusal(by=system, role=None, tally=None).code is Code.APPROVAL_INVALID
    assert refusal(by=system, role=None, today=DENIES).code is Code.POLICY_FORBIDS
    assert refusal(by=system, role=None, tenant=replace(TENANT, active=False)).code is Code.TENANT_INACTIVE


def test_a_person_on_the_systems_channel_is_a_person() -> None:
    assert not replace(ANN, channel=Channel.SYSTEM).is_system
    assert refusal(by=replace(ANN, channel=Channel.SYSTEM), role=None).code is Code.NOT_A_MEMBER


def test_an_allowed_call_needs_no_votes_but_must_be_unchanged() -> None:
    allowed = call(verdict=ALLOWS)
    check(facts(call=allowed, today=ALLOWS, tally=None))
    altered = replace(allowed, arguments={"text": "gold"})
    assert refusal(call=altered, today=ALLOWS, tally=None).code is Code.APPROVAL_INVALID


def test_a_grant_stands_for_signatures_unless_something_is_wrong_with_it() -> None:
    check(facts(tally=None, grant_fault=""))
    assert refusal(tally=None, grant_fault="It was revoked.").message == "It was revoked."
    check(facts(grant_fault="It was revoked."))  # signatures that count stand for themselves


def test_a_grant_is_no_way_round_the_others() -> None:
    altered = replace(call(), arguments={"text": "gold"})
    assert refusal(call=altered, grant_fault="").code is Code.APPROVAL_INVALID
    assert refusal(definition_hash="e" * 64, grant_fault="").code is Code.APPROVAL_INVALID
    assert refusal(today=DENIES, grant_fault="").code is Code.POLICY_FORBIDS


def test_a_policy_that_was_not_asked_lets_nothing_through() -> None:
    with pytest.raises(Refusal, match="cannot be evaluated"):
        GUARDS[11](facts(today=None, grant_fault=""))


def test_a_pause_says_why_and_when_to_try_again() -> None:
    refused = refusal(held=PAUSE, at=NOON)
    assert (
        refused.message == "Paused by Dan: deploy freeze. The call waits, and is taken once the pause ends."
    )
    assert refused.retry_after_s == 3600
    assert refused.details == {"reason": "deploy freeze", "until": "2026-11-20T13:00:00+00:00"}
    endless = refusal(held=replace(PAUSE, until=None), at=NOON)
    assert (endless.retry_after_s, endless.details["until"]) == (None, None)
    assert refusal(held=PAUSE).retry_after_s is None


def test_an_adapter_that_is_cut_off_says_when_it_is_tried_again() -> None:
    refused = refusal(carrier=DOWN)
    assert (refused.retry_after_s, refused.details["adapter"]) == (30.0, "mail")
    check(facts(carrier=Carrier(adapter="mail")))


def test_a_limit_says_when_the_next_one_may_start() -> None:
    refused = refusal(limited=LIMITED)
    assert refused.retry_after_s == 12.4
    assert "60/minute for this team" in refused.message
    assert "in 13 s" in refused.message


def test_checks_after_the_sixth_need_a_call() -> None:
    with pytest.raises(LookupError):
        facts(call=None).known_call  # noqa: B018 - reading it is the point


@pytest.mark.parametrize(
    ("person", "role", "of", "expected"),
    [
        ("ann", Role.MEMBER, call(), True),
        ("ann", None, call(), False),
        ("bob", Role.MEMBER, call(), False),
        ("cat", Role.APPROVER, call(), True),
        ("cat", Role.APPROVER, call(verdict=ALLOWS), False),
        ("cat", Role.APPROVER, call(verdict=replace(ASKS, approvers=Role.ADMIN)), False),
        ("cat", Role.APPROVER, call(verdict=replace(ASKS, named=(PersonId("dan"),))), False),
        ("dan", Role.ADMIN, call(verdict=ALLOWS), True),
    ],
)
def test_who_may_see_a_call(person: str, role: Role | None, of: ToolCall, expected: bool) -> None:
    assert visible(of, by=replace(ANN, person=PersonId(person)), role=role) is expected


def test_accounts_limit_what_is_seen_even_by_an_admin_or_the_requester() -> None:
    elsewhere = frozenset({AccountId("other")})
    assert not visible(call(), by=replace(ANN, account_ids=elsewhere), role=Role.ADMIN)
    assert visible(call(), by=replace(ANN, account_ids=frozenset({AccountId("main")})), role=Role.MEMBER)


def test_the_system_sees_everything_and_nobody_sees_nothing() -> None:
    assert visible(call(), by=SYSTEM, role=None)
    nobody = replace(ANN, person=None, channel=Channel.API)
    assert not visible(call(), by=nobody, role=Role.APPROVER)


def test_being_shown_a_card_does_not_help_somebody_from_outside() -> None:
    stranger = replace(FOREIGN, tenant=ACME)
    assert refusal(by=stranger, shown=True, role_in_call_tenant=None).code is Code.NOT_FOUND
