"""Controls of what is tried again, and of what is not called at all."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

RETRYING: Final = "tests/integration/test_retrying.py"
BREAKERS: Final = "tests/integration/test_breakers.py"
RUNNER: Final = "tests/unit/core/test_runner_health.py"

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
        old="        held = _started(records, call, waited)\n",
        new="        return _started(records, call, waited)\n",
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
)
