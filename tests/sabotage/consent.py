"""Controls of quorums and grants: what stands for a signature, and for how many."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

QUORUM: Final = "tests/integration/test_quorum.py"
AUTHORITY: Final = "tests/integration/test_authority.py"
GRANTS: Final = "tests/integration/test_grants.py"
SPENT: Final = "tests/integration/test_grants_spent.py"
RULES: Final = "tests/unit/core/test_grants.py"

SIGNATURES: Final = (
    Control(
        name="so many signatures",
        file="core/approvals.py",
        old="        return len(self.approvals) >= self.needed and not self.denied",
        new="        return len(self.approvals) >= 1 and not self.denied",
        tests=(f"{QUORUM}::test_two_people_make_a_quorum",),
    ),
    Control(
        name="so many denials",
        file="core/approvals.py",
        old="        return len(self.denials) >= self.denials_needed",
        new="        return len(self.denials) > 9",
        tests=(f"{QUORUM}::test_one_no_is_enough_unless_a_rule_says_otherwise",),
    ),
    Control(
        name="votes are of this revision",
        file="core/approvals.py",
        old="        if vote.revision != call.revision:\n            continue\n",
        new="",
        tests=("tests/unit/core/test_approvals.py",),
    ),
    Control(
        name="one vote a person",
        file="core/engine/decide.py",
        old="        if earlier is not None and earlier.revision == call.revision:\n            raise",
        new="        if earlier is None and vote is Vote.DENIED and not seen:\n            raise",
        tests=(f"{QUORUM}::test_who_said_no_cannot_also_approve",),
    ),
    Control(
        name="the length of what is said with a vote",
        file="core/engine/decide.py",
        old="    if len(said) > COMMENT_MOST:",
        new="    if len(said) > 10 * COMMENT_MOST:",
        tests=(f"{QUORUM}::test_a_speech_is_refused_and_changes_nothing",),
    ),
)

GRANTED: Final = (
    Control(
        name="who may grant may sign alone",
        file="core/engine/grants.py",
        old="    if refusal is not None:\n        raise refusal",
        new="    if refusal is None:\n        pass",
        tests=(f"{GRANTS}::test_a_bystander_is_told_who_signs",),
    ),
    Control(
        name="never for critical",
        file="core/grants.py",
        old="        and risk is not Risk.CRITICAL\n",
        new="",
        tests=(f"{GRANTS}::test_what_must_be_asked_for_each_time",),
    ),
    Control(
        name="a grant replaces one signature",
        file="core/grants.py",
        old="        and verdict.count == 1\n",
        new="",
        tests=(f"{SPENT}::test_a_policy_tightened_since_sends_the_call_back",),
    ),
    Control(
        name="a grant is narrow",
        file="core/grants.py",
        old="        and scope_fields(tool) is not None\n",
        new="",
        tests=(f"{GRANTS}::test_what_must_be_asked_for_each_time",),
    ),
    Control(
        name="an amount is a ceiling",
        file="core/grants.py",
        old="0 <= amount <= most",
        new="0 <= amount",
        tests=(f"{SPENT}::test_an_amount_is_a_ceiling",),
    ),
    Control(
        name="a grant ends",
        file="core/grants.py",
        old="    if not grant.created_at <= call.created_at < grant.expires_at:",
        new="    if not grant.created_at:",
        tests=(f"{SPENT}::test_t7_a_grant_does_not_count_for_what_was_asked_before_it", RULES),
    ),
    Control(
        name="a grant that was revoked",
        file="core/grants.py",
        old="    if grant.revoked_at is not None:",
        new="    if not grant.created_at:",
        tests=(f"{SPENT}::test_a_grant_revoked_since_sends_the_call_back",),
    ),
    Control(
        name="who granted may still sign",
        file="core/grants.py",
        old="    if not eligible(verdict, requester=call.requester_id, person=grant.granted_by, role=role):",
        new="    if not grant.created_at:",
        tests=(
            f"{SPENT}::test_a_granter_demoted_since_sends_the_call_back",
            f"{SPENT}::test_a_grant_of_somebody_who_may_not_sign_any_more_lets_nothing_through",
        ),
    ),
    Control(
        name="a grant, again at the start",
        file="core/engine/facts.py",
        old="        fault = _grant_fault(records, call, tool, today, now=judged, env=env)",
        new='        fault = "" if call.verdict.grant else None',
        tests=(f"{SPENT}::test_a_grant_revoked_since_sends_the_call_back",),
    ),
    Control(
        name="who may revoke",
        file="core/engine/grants.py",
        old="        if by.person is None or not (found.granted_by == by.person or _approver(facts)):",
        new="        if by.person is None:",
        tests=(f"{GRANTS}::test_others_may_not_revoke_it",),
    ),
    Control(
        name="the tenant, of grants",
        file="core/engine/grants.py",
        old="    if found.tenant_id != by.tenant:",
        new="    if not found.tenant_id:",
        tests=(f"{GRANTS}::test_others_may_not_revoke_it",),
    ),
)
