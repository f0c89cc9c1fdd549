"""Controls of what runs: once, and what was consented to."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import DECIDE, DISPATCH, EXECUTE, OURS, RACES, RECORDS, RECOVER, SCHEMA, Control

ONCE: Final = (
    Control(
        name="the conditional update",
        file="storage/records/calls.py",
        old='_c.id == arg("b_id"), _c.status == arg("b_status"), _c.version == arg("b_version")',
        new='_c.id == arg("b_id")',
        tests=(f"{RECORDS}::test_advance_compares_status_and_version", RACES),
    ),
    Control(
        name="the row count of the conditional update",
        file="core/engine/change.py",
        old="    if not records.calls.advance(call, after):",
        new="    if records.calls.advance(call, after) is None:",
        tests=(f"{EXECUTE}::test_a_step_that_another_took_first_is_refused_with_where_the_call_stands",),
    ),
    Control(
        name="a message's idempotency key",
        file="core/engine/propose.py",
        old="    if proposal.message is None:\n        return None\n",
        new="    if proposal.message is not None:\n        return None\n",
        tests=(f"{RACES}::test_a_hundred_proposals_of_one_message_are_one",),
    ),
    Control(
        name="an update done with its effect: looked at",
        file="bot/telegram/turn.py",
        old="                raise AlreadyHandled\n",
        new="                pass\n",
        tests=(f"{OURS}::test_an_update_is_done_in_the_commit_of_its_effect",),
    ),
    Control(
        name="an update done with its effect: in one unit",
        file="bot/telegram/turn.py",
        old="        return await self.front.uow.run(name, whole)",
        new="""\
        result = await self.front.uow.run(name, work)
        self_done = self.front.bot_id, self.update_id
        await self.front.uow.run(name, lambda records: records.inbox.done(*self_done, now=self.now.real))
        return result""",
        tests=(f"{OURS}::test_an_update_is_done_in_the_commit_of_its_effect",),
    ),
    Control(
        name="a tool that is not idempotent is not repeated",
        file="core/engine/retrying.py",
        old="tool.idempotent and ",
        new="",
        tests=(f"{EXECUTE}::test_invariant_7_a_crash_loses_nothing_and_repeats_nothing", RECOVER),
    ),
    Control(
        name="what is repeated is what was signed",
        file="core/engine/retrying.py",
        old=" and call.consent_digest == consent_digest_of(call)",
        new="",
        tests=("tests/integration/test_t7.py::test_t07_what_is_changed_while_it_runs_is_not_run_again",),
    ),
    Control(
        name="the lease",
        file="storage/records/executions.py",
        old='attempts.c.ended_at.is_(None), attempts.c.lease_until <= arg("now_"))',
        new="attempts.c.ended_at.is_(None))",
        tests=(f"{RECOVER}::test_a_live_lease_is_left_alone",),
    ),
    Control(
        name="the fence",
        file="storage/records/executions.py",
        old='attempts.c.number == arg("held"), attempts.c.ended_at.is_(None)',
        new='attempts.c.number == arg("held")',
        tests=(
            f"{RECOVER}::test_a_worker_that_slept_past_its_lease_writes_nothing",
            f"{RECOVER}::test_the_second_attempts_result_counts_whoever_is_first",
        ),
    ),
    Control(
        name="one process a data folder",
        file="storage/database.py",
        old="        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        new="        fcntl.flock(descriptor, fcntl.LOCK_UN)",
        tests=("tests/e2e/test_demo_folder.py::test_a_folder_in_use_is_not_emptied",),
    ),
    Control(
        name="one live attempt a call",
        file="storage/migrations/versions/0001_first.py",
        old="""\
        "uq_attempts_live",
        "attempts",
        ["call_id"],
        unique=True,""",
        new="""\
        "uq_attempts_live",
        "attempts",
        ["call_id"],
        unique=False,""",
        tests=(f"{SCHEMA}::test_a_call_has_one_live_attempt",),
    ),
    Control(
        name="one vote of a person on a revision",
        file="storage/migrations/versions/0001_first.py",
        old='            "call_id", "revision", "person_id", name=op.f("uq_approvals',
        new='            "call_id", "revision", "person_id", "vote", name=op.f("uq_approvals',
        tests=(f"{SCHEMA}::test_a_person_has_one_vote_on_a_revision",),
    ),
)

CONSENT: Final = (
    Control(
        name="the digest of what was signed",
        file="core/guards.py",
        old="    if call.consent_digest != ",
        new="    if not call.consent_digest and call.consent_digest != ",
        tests=(f"{DISPATCH}::test_t7_a_field_changed_by_sql_after_the_approval_has_no_effect",),
    ),
    Control(
        name="a vote counts for its own digest",
        file="core/approvals.py",
        old="        elif may and vote.consent_digest == digest:",
        new="        elif may and digest:",
        tests=("tests/unit/core/test_approvals.py",),
    ),
    Control(
        name="the tool is as it was signed",
        file="core/guards.py",
        old="    if facts.definition_hash != call.definition_hash:",
        new="    if not facts.definition_hash:",
        tests=(f"{DISPATCH}::test_a_tool_that_changed_since_is_asked_for_again",),
    ),
    Control(
        name="what is approved was delivered",
        file="core/engine/decide.py",
        old="        if vote is Vote.APPROVED and must_be_delivered:",
        new="        if vote is Vote.DENIED and must_be_delivered and not seen:",
        tests=(f"{DECIDE}::test_an_approval_counts_only_once_all_of_it_was_sent",),
    ),
    Control(
        name="the revision that is signed",
        file="core/engine/decide.py",
        old="    if revision != call.revision:",
        new="    if revision < 0:",
        tests=(f"{DECIDE}::test_a_stale_revision_is_refused_with_the_current_one",),
    ),
    Control(
        name="HTML escaping",
        file="bot/telegram/render/safe.py",
        old="    return html.escape(visible(text))",
        new="    return visible(text)",
        tests=("tests/unit/render/test_t10.py", "tests/unit/render/test_safe.py::test_no_markup_is_left"),
    ),
    Control(
        name="hidden characters are spelt out",
        file="bot/telegram/render/safe.py",
        old="    return _replaced(text, _spelling)",
        new="    return text",
        tests=("tests/unit/render/test_t10.py", "tests/unit/render/test_safe.py::test_what_hides_is_spelt"),
    ),
    Control(
        name="a button's payload is read exactly",
        file="bot/telegram/buttons.py",
        old="    call = _CALL.fullmatch(data)",
        new="    call = _CALL.match(data)",
        tests=("tests/unit/telegram/test_buttons.py",),
    ),
)
