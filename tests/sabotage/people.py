"""Controls of who may do what: people, teams, policy."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import DECIDE, DISPATCH, EXECUTE, OURS, RECORDS, Control

AUTHORITY: Final = (
    Control(
        name="who votes may vote",
        file="core/engine/decide.py",
        old="        if refusal is not None:\n            raise refusal",
        new="        if refusal is not None:\n            pass",
        tests=(f"{DECIDE}::test_whose_tap_does_not_count_and_that_it_is_audited",),
    ),
    Control(
        name="four eyes",
        file="core/policy/evaluate.py",
        old="    if person == requester:\n        return verdict.self_approval\n",
        new="",
        tests=(
            "tests/e2e/test_approval.py::test_t05_the_requester_cannot_sign_under_four_eyes",
            "tests/unit/core/test_policy_evaluate.py::test_four_eyes_an_approver_who_asks_cannot_sign",
        ),
    ),
    Control(
        name="authority, again at the start",
        file="core/guards.py",
        old="    if facts.tally is None or not facts.tally.complete:",
        new="    if facts.tally is None:",
        tests=(
            f"{DISPATCH}::test_an_approver_demoted_since_has_not_approved",
            f"{DISPATCH}::test_an_approver_made_a_member_has_not_approved_either",
        ),
    ),
    Control(
        name="policy, again at the start",
        file="core/guards.py",
        old="    _policy_allows,  # 11\n",
        new="",
        tests=(f"{DISPATCH}::test_a_policy_tightened_to_deny_ends_the_call",),
    ),
    Control(
        name="expiry, at the tap",
        file="core/engine/decide.py",
        old="    if call.expires_at is not None and now.wall >= call.expires_at:",
        new="    if call.expires_at is None:",
        tests=(
            f"{DECIDE}::test_a_tap_at_the_expiry",
            "tests/races/test_t4.py::test_t04_taps_and_the_sweeper_at_the_moment_of_expiry",
        ),
    ),
    Control(
        name="expiry, at the start",
        file="core/engine/execute.py",
        old="    if call.lapses_at is not None and now.wall >= call.lapses_at:",
        new="    if call.start_by is None:",
        tests=(f"{EXECUTE}::test_a_call_whose_time_to_start_has_passed_is_not_started",),
    ),
    Control(
        name="the tenant, of a call named by people",
        file="storage/records/calls.py",
        old='_BY_SHORT: Final = Statement(select(_c.id).where(_c.tenant_id == arg("tenant"), _c.short_id',
        new="_BY_SHORT: Final = Statement(select(_c.id).where(_c.short_id",
        tests=(f"{RECORDS}::test_a_call_reads_back_as_it_was_written",),
    ),
    Control(
        name="the tenant, in the history",
        file="storage/pages.py",
        old="    statement = select(_c.id, _c.created_at).where(_c.tenant_id == narrowed.tenant_id)",
        new="    statement = select(_c.id, _c.created_at)",
        tests=(f"{OURS}::test_a_list_holds_the_calls_of_its_own_team_only",),
    ),
    Control(
        name="the tenant, in what waits",
        file="storage/pages.py",
        old="        .where(_c.tenant_id == tenant_id, _c.status == Status.PROPOSED.value, _c.id > after)",
        new="        .where(_c.status == Status.PROPOSED.value, _c.id > after)",
        tests=(f"{OURS}::test_a_list_holds_the_calls_of_its_own_team_only",),
    ),
    Control(
        name="the tenant, at the start",
        file="core/guards.py",
        old="    _same_tenant,  # 9\n",
        new="",
        tests=(f"{EXECUTE}::test_who_may_not_start_a_call",),
    ),
    Control(
        name="the tenant, at the tap",
        file="core/engine/decide.py",
        old="        if call.tenant_id != by.tenant:",
        new="        if not call.tenant_id:",
        tests=(f"{DECIDE}::test_whose_tap_does_not_count_and_that_it_is_audited",),
    ),
    Control(
        name="whom a call is shown to",
        file="core/guards.py",
        old="    if not shown and not visible(facts.call, by=facts.by, role=facts.role_in_call_tenant):",
        new="    if not shown and facts.call is None:",
        tests=(f"{EXECUTE}::test_an_absent_and_a_foreign_call_get_the_same_answer_word_for_word",),
    ),
)

POLICY: Final = (
    Control(
        name="no rule speaks: high risk asks",
        file="core/policy/rules.py",
        old="""\
    Risk.HIGH: Default(
        decision=PolicyDecision.REQUIRES_APPROVAL,""",
        new="""\
    Risk.HIGH: Default(
        decision=PolicyDecision.ALLOW,""",
        tests=("tests/unit/core/test_policy_evaluate.py::test_the_defaults_by_risk",),
    ),
    Control(
        name="a policy that is broken is none",
        file="bot/policy_file.py",
        old="    except PolicyError as error:",
        new="    except PolicyError as error:\n        return DEFAULT_POLICY",
        tests=(f"{OURS}::test_a_policy_that_cannot_be_read_is_no_policy",),
    ),
    Control(
        name="a requester who left gets nothing",
        file="core/policy/evaluate.py",
        old="    if facts.role is None:\n        return Verdict(\n            decision=PolicyDecision.DENY,",
        new="    if facts.role is None:\n        return Verdict(\n            decision=PolicyDecision.ALLOW,",
        tests=(
            "tests/unit/core/test_policy_evaluate.py",
            f"{DISPATCH}::test_a_requester_who_left_gets_nothing_run",
        ),
    ),
    Control(
        name="a risk that cannot be told is critical",
        file="core/engine/facts.py",
        old="# noqa: BLE001 - whatever a tool's code raises\n        return Risk.CRITICAL",
        new="# noqa: BLE001 - whatever a tool's code raises\n        return Risk.LOW",
        tests=(f"{DISPATCH}::test_a_tool_whose_assess_breaks_today_is_taken_for_critical",),
    ),
    Control(
        name="names that nobody has deny",
        file="core/policy/evaluate.py",
        old="    if rule.names and not named and rule.decision is PolicyDecision.REQUIRES_APPROVAL:",
        new="    if rule.names and not named and rule.decision is PolicyDecision.DENY:",
        tests=("tests/unit/core/test_policy_evaluate.py",),
    ),
    Control(
        name="a condition that cannot be told denies",
        file="core/policy/evaluate.py",
        old="                failed = error.message",
        new='                failed, differs = "", f"when {error}"',
        tests=(
            "tests/unit/core/test_policy_conditions.py::test_a_condition_that_comes_to_no_answer_denies_with_the_reason",
        ),
    ),
    Control(
        name="a condition is true or false, nothing between",
        file="core/policy/conditions.py",
        old="        if found is not True and found is not False:",
        new="        if found is None:",
        tests=("tests/unit/core/test_policy_conditions.py",),
    ),
    Control(
        name="arguments beyond all measure stay out of conditions",
        file="core/policy/conditions.py",
        old="        _refuse_beyond_measure(self._facts.arguments)\n",
        new="",
        tests=(
            "tests/unit/core/test_policy_conditions.py::test_arguments_beyond_all_measure_never_reach_the_library",
        ),
    ),
    Control(
        name="the limit never speaks of critical calls",
        file="core/policy/limits.py",
        old=" or not facts.amount or facts.risk is Risk.CRITICAL:",
        new=" or not facts.amount:",
        tests=("tests/unit/core/test_policy_evaluate.py",),
    ),
    Control(
        name="only an admin sets the limit",
        file="core/engine/limits.py",
        old="        if tenant is None or facts.role is not Role.ADMIN:",
        new="        if tenant is None:",
        tests=("tests/integration/test_limits.py::test_nobody_but_an_admin_sets_it",),
    ),
    Control(
        name="a policy is in force once it is audited",
        file="bot/policy_file.py",
        old='            await self._uow.run("policy", lambda records: self._record(records, found))',
        new="            self._policy = found.after or self._policy\n"
        '            await self._uow.run("policy", lambda records: self._record(records, found))',
        tests=(
            "tests/integration/test_policy_file.py::test_a_policy_that_cannot_be_audited_is_not_in_force_yet",
        ),
    ),
)
