"""Controls of schedules: one call for one time, under the authority of the day, and whose they are."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

_TIMES: Final = "tests/integration/test_schedules.py"
_ALLOWED: Final = "tests/integration/test_schedules_allowed.py"
_ASTRAY: Final = "tests/integration/test_schedules_astray.py"
_RULES: Final = "tests/unit/core/test_schedule_rules.py"
_FIRE: Final = "core/engine/fire.py"
_VERBS: Final = "core/engine/schedules.py"

TIMES: Final = (
    Control(
        name="a schedule moves on with its call",
        file=_FIRE,
        old="        next_at=next_at,\n",
        new="",
        tests=(f"{_TIMES}::test_a_time_makes_one_call_and_the_next_one_is_the_next_day",),
    ),
    Control(
        name="a time that had its call gets no other",
        file=_FIRE,
        old="    if records.schedules.had(schedule.id, at=at):\n",
        new="    if schedule.ended_at is not None:\n",
        tests=(f"{_TIMES}::test_a_clock_that_was_set_back_does_nothing_again",),
    ),
    Control(
        name="a clock that was ahead leaves no schedule there",
        file="storage/records/schedules.py",
        old=', _c.last_at > arg("now_"), _c.created_at > arg("now_")',
        new="",
        tests=(f"{_ASTRAY}::test_t40_a_clock_that_was_a_year_ahead_leaves_no_schedule_there",),
    ),
    Control(
        name="a rule that cannot be read is set aside",
        file="storage/records/schedules.py",
        old="    if wrong is not None:\n",
        new='    if wrong == "":\n',
        tests=(f"{_ASTRAY}::test_t24_a_rule_that_cannot_be_read_is_set_aside_and_the_others_are_done",),
    ),
    Control(
        name="one call for one time, in the schema",
        file="storage/migrations/versions/0003_operating.py",
        old='        sa.PrimaryKeyConstraint("schedule_id", "at", name=op.f("pk_schedule_times")),\n',
        new="",
        tests=(f"{_TIMES}::test_one_time_has_one_call_whatever_the_engine_believes",),
    ),
    Control(
        name="what was missed for long is not made up for",
        file=_FIRE,
        old="    if _is_missed(schedule, at=at, now=now):",
        new="    if schedule.paused_at is not None:",
        tests=(f"{_TIMES}::test_what_was_missed_for_longer_than_a_day_is_told_and_not_done",),
    ),
    Control(
        name="who has left asks for nothing",
        file=_FIRE,
        old="    if role is None or place is None:\n",
        new="    role = role or Role.MEMBER\n    if place is None:\n",
        tests=(f"{_TIMES}::test_one_whose_maker_has_left_ends_and_is_told",),
    ),
    Control(
        name="a paused schedule does nothing",
        file="storage/records/schedules.py",
        old="    _c.paused_at.is_(None),\n",
        new="",
        tests=(f"{_TIMES}::test_a_paused_one_lets_its_times_pass_and_goes_on_with_the_next",),
    ),
    Control(
        name="a deleted schedule does nothing",
        file=_VERBS,
        old="replace(schedule, ended_at=now, next_at=None)",
        new="replace(schedule, created_at=now)",
        tests=(f"{_TIMES}::test_a_deleted_one_is_over",),
    ),
    Control(
        name="whose schedule it is",
        file=_VERBS,
        old="    return admin or is_at_machine(by) or by.person == schedule.requester_id",
        new="    return True",
        tests=(f"{_ALLOWED}::test_only_the_requester_and_admins_may_change_one",),
    ),
    Control(
        name="the tenant, of schedules",
        file=_VERBS,
        old="    if by.person is None or place.tenant_id != by.tenant:",
        new="    if by.person is None:",
        tests=(f"{_ALLOWED}::test_in_another_teams_place_nothing_is_scheduled",),
    ),
    Control(
        name="what policy would deny is not scheduled",
        file=_VERBS,
        old="    if verdict.decision is PolicyDecision.DENY:",
        new="    if verdict.decision is None:",
        tests=(f"{_TIMES}::test_what_policy_denies_today_is_not_scheduled",),
    ),
    Control(
        name="a time that the clock shows twice comes once",
        file="core/schedule_rules.py",
        old="            if not rule.every_hour:\n",
        new="            if rule.every_hour is None:\n",
        tests=(f"{_RULES}::test_the_next_time",),
    ),
    Control(
        name="a time that the clock skips comes after the gap",
        file="core/schedule_rules.py",
        old="    return _end_of_gap(local, zone)",
        new="    return when",
        tests=(f"{_RULES}::test_the_next_time",),
    ),
    Control(
        name="an hour with two meanings is asked about",
        file="core/parsing/times.py",
        old="    return time(hour, minute) if clear else None",
        new="    return time(hour, minute)",
        tests=("tests/unit/parsing/test_schedules.py::test_a_time_with_two_meanings_is_asked_for",),
    ),
)
