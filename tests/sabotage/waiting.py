"""Controls of what happens while a call waits: edits, time, who is asked, and of what it was pinned to."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

EDIT: Final = "tests/integration/test_edit.py"
TIME: Final = "tests/integration/test_time.py"
REMINDERS: Final = "tests/integration/test_reminders.py"
ESCALATION: Final = "tests/integration/test_escalation.py"
ROUTING: Final = "tests/integration/test_routing.py"
PINS: Final = "tests/integration/test_pins.py"

EDITED: Final = (
    Control(
        name="who may edit",
        file="core/engine/edit.py",
        old="    if not may_edit(call, by=by, role=role):",
        new="    if by.person is None:",
        tests=(f"{EDIT}::test_a_bystander_who_was_shown_the_card_is_told_who_may",),
    ),
    Control(
        name="what was decided is not edited",
        file="core/engine/edit.py",
        old="        check_open(records, call, revision, now=now)\n",
        new="",
        tests=(f"{EDIT}::test_what_was_decided_is_not_edited",),
    ),
    Control(
        name="an undo is not edited",
        file="core/engine/edit.py",
        old="    if call.undo_of is not None:\n        raise",
        new="    if call.undo_of == '':\n        raise",
        tests=(f"{EDIT}::test_an_undo_is_not_edited",),
    ),
    Control(
        name="the tenant, of edits",
        file="core/engine/edit.py",
        old="    if call.tenant_id != by.tenant:",
        new="    if not call.tenant_id:",
        tests=(f"{EDIT}::test_others_may_not",),
    ),
    Control(
        name="an edit is a new revision",
        file="core/engine/edit.py",
        old="        revision=call.revision + 1,\n",
        new="        revision=call.revision,\n",
        tests=(f"{EDIT}::test_what_was_signed_and_delivered_before_an_edit_does_not_count",),
    ),
    Control(
        name="an edit is judged for its own risk",
        file="core/engine/edit.py",
        old="        risk=assessed(tool, typed, currency=tenant.currency),\n",
        new="",
        tests=(f"{EDIT}::test_an_edit_that_raises_the_risk_asks_those_who_may_sign_that",),
    ),
    Control(
        name="sensitive values, in what is audited of an edit",
        file="core/engine/edit.py",
        old="masked({name: value}, tool.sensitive)[name]",
        new="masked({name: value}, ())[name]",
        tests=(f"{EDIT}::test_sensitive_values_are_kept_and_not_audited",),
    ),
)

TIMED: Final = (
    Control(
        name="who may give more time",
        file="core/engine/expire.py",
        old="    if not may:",
        new="    if by.person is None:",
        tests=(f"{TIME}::test_others_give_no_time",),
    ),
    Control(
        name="the tenant, of more time",
        file="core/engine/expire.py",
        old="    if call.tenant_id != by.tenant:",
        new="    if not call.tenant_id:",
        tests=(f"{TIME}::test_others_give_no_time",),
    ),
    Control(
        name="what has expired gets no more time",
        file="core/engine/expire.py",
        old="        check_open(records, call, revision, now=now)\n",
        new="",
        tests=(f"{TIME}::test_what_has_expired_gets_no_more_time",),
    ),
    Control(
        name="a reminder is done once",
        file="core/engine/remind.py",
        old="        records.reminders.done(call_id, revision, kind, now=now.wall)\n",
        new="",
        tests=(f"{REMINDERS}::test_a_reminder_comes_once",),
    ),
    Control(
        name="nobody is reminded of what was decided",
        file="core/engine/remind.py",
        old="    return call.status is Status.PROPOSED and call.revision == revision and in_time",
        new="    return in_time or call.revision == revision",
        tests=(f"{REMINDERS}::test_nobody_is_reminded_of_what_was_decided",),
    ),
    Control(
        name="who is asked further up may sign once they are asked",
        file="core/policy/evaluate.py",
        old="    if verdict.escalated and verdict.escalate_to",
        new="    if verdict.escalate_to",
        tests=(f"{ESCALATION}::test_once_reminding_did_not_help_the_next_role_is_asked_as_well",),
    ),
    Control(
        name="asking further up, by today's policy",
        file="core/engine/facts.py",
        old="    return replace(verdict, escalated=True) if escalated else verdict",
        new="    return call.verdict if call.verdict.escalated else verdict",
        tests=(f"{ESCALATION}::test_a_policy_that_asks_nobody_further_up_any_more_voids_their_signature",),
    ),
    Control(
        name="an edit begins with those asked first",
        file="core/engine/edit.py",
        old="replace(judged, escalated=False)",
        new="replace(judged)",
        tests=(f"{ESCALATION}::test_an_edit_begins_with_those_asked_first",),
    ),
)

SEEN: Final = (
    Control(
        name="a card to the requester alone is not signed by nobody",
        file="core/engine/routing.py",
        old="    if verdict.cards_to == REQUESTER and signed_there:",
        new="    if verdict.cards_to == REQUESTER:",
        tests=(f"{ROUTING}::test_to_the_requester_alone_is_no_way_to_have_it_signed_by_nobody",),
    ),
    Control(
        name="the target is what was signed",
        file="core/engine/pins.py",
        old="    if seen.pin != call.dry_run_pin:",
        new="    if seen is None:",
        tests=(f"{PINS}::test_a_target_that_was_changed_after_it_was_signed_is_shown_anew",),
    ),
    Control(
        name="the target, compared where it is changed",
        file="tools/complete_task.py",
        old="        if open_to_us and context.pin not in",
        new="        if not open_to_us and context.pin not in",
        tests=(f"{PINS}::test_a_target_changed_while_the_tool_was_starting_is_left_alone",),
    ),
    Control(
        name="the pin reaches the tool",
        file="bot/workers/hand.py",
        old="        pin=call.dry_run_pin,\n",
        new="",
        tests=("tests/e2e/test_waiting.py::test_a_tool_is_given_what_was_seen_of_its_target",),
    ),
)
