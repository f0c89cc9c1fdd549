"""Controls of what is tried again, and of what is not called at all."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

RETRYING: Final = "tests/integration/test_retrying.py"
BREAKERS: Final = "tests/integration/test_breakers.py"
RUNNER: Final = "tests/unit/core/test_runner_health.py"
STILL_LET: Final = "tests/integration/test_still_let.py"

RESILIENCE: Final = (
    Control(
        name="guard 15",
        file="core/guards.py",
        old="    if isinstance(facts.carrier, Unavailable):\n        raise unavailable(facts.carrier)\n",
        new="    return\n",
        tests=(f"{BREAKERS}::test_failures_in_a_row_cut_it_off_and_the_call_stays_pending",),
    ),
    Control(
        name="one probe at a time",
        file="core/resilience/breaker.py",
        old="    return ours or breaker.probe_until is None or now >= breaker.probe_until",
        new="    return True",
        tests=(f"{BREAKERS}::test_one_probe_goes_through_and_lets_the_others_follow",),
    ),
    Control(
        name="the conditional update of a breaker",
        file="storage/records/operating.py",
        old='.where(breakers.c.adapter == arg("name"), breakers.c.version == arg("was"))',
        new='.where(breakers.c.adapter == arg("name"), breakers.c.version != -arg("was"))',
        tests=(f"{BREAKERS}::test_a_probe_lost_to_another_process_is_none",),
    ),
    Control(
        name="only what was under way as the probe closes a breaker",
        file="core/resilience/breaker.py",
        old="    return breaker.state is BreakerState.HALF_OPEN and breaker.probe == call",
        new="    return True",
        tests=("tests/unit/core/test_breaker.py",),
    ),
    Control(
        name="only transient failures are tried again",
        file="core/engine/retrying.py",
        old="    if not result.transient or tool is None",
        new="    if tool is None",
        tests=(f"{RETRYING}::test_anything_else_ends_at_once",),
    ),
    Control(
        name="a lost connection is transient only where repeating is harmless",
        file="core/runner.py",
        old="        lost = idempotent and isinstance(",
        new="        lost = isinstance(",
        tests=(f"{RUNNER}::test_what_an_end_says",),
    ),
    Control(
        name="what is tried again is what was signed",
        file="core/engine/retrying.py",
        old="    if not may_be_repeated(call, tool):\n        return conclude",
        new="    if call is None:\n        return conclude",
        tests=(f"{RETRYING}::test_a_call_that_was_changed_or_asked_to_stop_is_not_tried_again",),
    ),
    Control(
        name="what was asked to stop is not tried again",
        file="core/engine/retrying.py",
        old=" or ended.stop_by is not None:",
        new=":",
        tests=(f"{RETRYING}::test_a_call_that_was_changed_or_asked_to_stop_is_not_tried_again",),
    ),
    Control(
        name="the cap on attempts",
        file="core/engine/retrying.py",
        old="for each in attempts) >= retry.attempts:",
        new="for each in attempts) > 99:",
        tests=(f"{RETRYING}::test_it_ends_with_its_last_attempt_and_says_so",),
    ),
    Control(
        name="never sooner than it was told",
        file="core/engine/retrying.py",
        old="max(backoff_s, result.retry_after_s or 0.0)",
        new="max(backoff_s, 0.0)",
        tests=(f"{RETRYING}::test_it_is_never_sooner_than_it_was_told",),
    ),
    Control(
        name="what waits is not begun while its adapter is cut off",
        file="core/engine/retrying.py",
        old="    held = started_at(records, call, waited)\n",
        new="    return started_at(records, call, waited)\n",
        tests=(f"{BREAKERS}::test_what_waits_looks_again_while_it_is_cut_off",),
    ),
    Control(
        name="an attempt is begun once",
        file="storage/records/executions.py",
        old="        attempts.c.adapter.is_(None),\n",
        new="",
        tests=(f"{RETRYING}::test_an_attempt_is_begun_once",),
    ),
    Control(
        name="the cap on lost workers",
        file="core/engine/retrying.py",
        old="len(before) + 1 >= env.resilience.lost_workers",
        new="len(before) < 0",
        tests=(f"{RETRYING}::test_a_call_that_takes_worker_after_worker_with_it_waits_for_a_person",),
    ),
    Control(
        name="a tool that is not idempotent has no retry",
        file="core/registry.py",
        old="        if tool.retry is not None and not tool.idempotent:",
        new="        if tool.retry is not None and tool.name == '':",
        tests=(f"{RETRYING}::test_a_tool_that_is_not_idempotent_cannot_be_tried_again",),
    ),
    Control(
        name="people consent to the fallback",
        file="core/tool.py",
        old="        if self.fallback is not None:\n            told",
        new="        if self.name == '':\n            told",
        tests=(f"{BREAKERS}::test_people_consent_to_the_fallback",),
    ),
    Control(
        name="what let a call start holds at each further attempt",
        file="core/engine/retrying.py",
        old="(*guards.GUARDS[2:4], *guards.GUARDS[8:13])",
        new="()",
        tests=(f"{STILL_LET}::test_what_would_not_start_today_is_not_tried_again",),
    ),
    Control(
        name="nothing is tried again while it is paused",
        file="core/engine/retrying.py",
        old="*guards.GUARDS[8:13])",
        new="*guards.GUARDS[8:12])",
        tests=(
            f"{STILL_LET}::test_what_waits_is_not_begun_while_it_is_paused_and_says_so",
            f"{STILL_LET}::test_a_paused_fallback_carries_no_attempt",
        ),
    ),
    Control(
        name="recovery looks at what let a call start",
        file="core/engine/retrying.py",
        old="    waits = rest_s > 0 or _barred(facts) is not None\n",
        new="    waits = rest_s > 0\n",
        tests=(f"{STILL_LET}::test_recovery_runs_nothing_again_while_it_is_paused",),
    ),
    Control(
        name="a Retry-After outlives the process",
        file="core/engine/retrying.py",
        old="    waited = lost.not_before if",
        new="    waited = None if",
        tests=(f"{STILL_LET}::test_a_retry_after_outlives_the_process",),
    ),
    Control(
        name="what was asked to stop while it waited is not begun",
        file="core/engine/retrying.py",
        old="    if waited.stop_by is not None:\n",
        new='    if waited.stop_by == "":\n',
        tests=(f"{STILL_LET}::test_what_was_asked_to_stop_while_it_waited_is_not_begun",),
    ),
    Control(
        name="what never began is cancelled after a restart",
        file="core/engine/recover.py",
        old="        if attempt.stop_by is not None and attempt.adapter is None:\n",
        new='        if attempt.stop_by == "":\n',
        tests=(f"{STILL_LET}::test_what_was_asked_to_stop_while_it_waited_is_cancelled_after_a_restart",),
    ),
    Control(
        name="what follows a lost worker is no end that was seen",
        file="core/engine/cancel.py",
        old="    if not begun or begun[-1].error_class != WORKER_LOST:\n",
        new="    if begun or not begun:\n",
        tests=(f"{STILL_LET}::test_what_a_dead_worker_held_and_would_not_start_today_waits_for_a_person",),
    ),
    Control(
        name="what one adapter may have done stays with it",
        file="core/engine/breakers.py",
        old="    return (unclear[-1],) if unclear else carriers(tool)",
        new="    return carriers(tool)",
        tests=(
            f"{STILL_LET}::test_what_was_lost_on_one_adapter_stays_with_it",
            f"{STILL_LET}::test_so_does_what_its_worker_died_of",
        ),
    ),
    Control(
        name="what a fallback did is not taken back elsewhere",
        file="core/engine/undo.py",
        old="    return tool.fallback is not None and bool(attempts) and ",
        new='    return tool.name == "" and ',
        tests=(f"{STILL_LET}::test_what_the_fallback_did_is_not_taken_back_by_the_other_side",),
    ),
    Control(
        name="a probe whose worker died is none any more",
        file="core/resilience/breaker.py",
        old="    if breaker.state is not BreakerState.HALF_OPEN or breaker.probe != call:\n",
        new="    if call:\n",
        tests=(f"{STILL_LET}::test_a_probe_whose_worker_died_lets_another_be_one",),
    ),
    Control(
        name="a card names the pause of what would carry it",
        file="core/engine/held.py",
        old="adapter=carrier or tool.adapter,",
        new="adapter=tool.adapter,",
        tests=(f"{STILL_LET}::test_a_card_names_the_pause_of_what_would_carry_it",),
    ),
    Control(
        name="a breaker's audit tells nothing of another team",
        file="core/engine/execute.py",
        old='            why=result.error_class or "",\n',
        new='            why=result.error or "",\n',
        tests=(f"{STILL_LET}::test_the_home_teams_audit_tells_of_a_breaker_and_not_of_whose_call_it_was",),
    ),
    Control(
        name="a tool whose call was asked to stop is not begun",
        file="core/runner.py",
        old="        if context.cancellation.requested:\n",
        new="        if started is None:\n",
        tests=(
            "tests/unit/core/test_runner_stopping.py::test_a_tool_whose_call_was_asked_to_stop_is_not_begun",
        ),
    ),
)
