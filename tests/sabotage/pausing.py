"""Controls of what may start now: the kill switch and the rate limits."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

SWITCHES: Final = "tests/integration/test_switches.py"
RATES: Final = "tests/integration/test_rates.py"
STOPPING: Final = "tests/integration/test_stopping.py"

HALTED: Final = (
    Control(
        name="a stale Resume",
        file="core/engine/switches.py",
        old="    found = _live_one(records, switch_id, now=now.wall)\n"
        "    try:\n        tenant_id = _entitled(records, by, everywhere=False",
        new="    found = records.switches.get(switch_id)\n"
        "    try:\n        tenant_id = _entitled(records, by, everywhere=False",
        tests=("tests/integration/test_switches.py::test_a_button_of_a_pause_that_is_over_resumes_nothing",),
    ),
    Control(
        name="nothing starts while paused",
        file="core/guards.py",
        old="    _not_paused,  # 13\n",
        new="",
        tests=(f"{SWITCHES}::test_nothing_starts_after_a_pause_was_committed",),
    ),
    Control(
        name="no more start than the limits let",
        file="core/guards.py",
        old="    _under_limits,  # 14\n",
        new="",
        tests=(f"{RATES}::test_what_is_over_the_limit_waits_and_is_started_at_the_very_edge",),
    ),
    Control(
        name="a start is counted",
        file="core/engine/execute.py",
        old="        count(records.rates, facts.windows, now=now.wall)\n",
        new="",
        tests=(f"{RATES}::test_a_hundred_starts_at_once_are_never_more_than_the_limit",),
    ),
    Control(
        name="only an admin pauses and resumes",
        file="core/engine/switches.py",
        old="    if tenant is None or not (is_at_machine(by) or facts.role is Role.ADMIN):",
        new="    if tenant is None:",
        tests=(f"{SWITCHES}::test_t05_who_may_pause_and_resume",),
    ),
    Control(
        name="only the bot's own admins pause all teams",
        file="core/engine/switches.py",
        old="    if not is_at_machine(by) and env.home not in {None, tenant.id}:",
        new="    if tenant is None:",
        tests=(f"{SWITCHES}::test_t05_who_may_pause_and_resume",),
    ),
    Control(
        name="a pause stops its own team only",
        file="core/switches.py",
        old="    if switch.tenant_id is not None and switch.tenant_id != tenant_id:",
        new="    if not tenant_id:",
        tests=(f"{SWITCHES}::test_a_pause_of_one_team_is_no_other_teams_business",),
    ),
    Control(
        name="a pause stops all that runs, however much others run",
        file="storage/records/pulse.py",
        old='_CARRIED_OF: Final = Statement(_live.where(_t.tenant_id == arg("tenant")))',
        new='_CARRIED_OF: Final = Statement(_live.where(arg("tenant") != "").limit(MOST_LISTED))',
        tests=(f"{STOPPING}::test_another_teams_flood_hides_nothing_that_a_pause_stops",),
    ),
    Control(
        name="a pause stops what runs by what carries it",
        file="core/engine/switches.py",
        old="    by = may if running.adapter is None else (running.adapter,)\n",
        new="    by = may[:1]\n",
        tests=(f"{STOPPING}::test_what_runs_is_stopped_by_the_adapter_that_carries_it",),
    ),
    Control(
        name="a clock that was ahead leaves no limit behind",
        file="storage/records/operating.py",
        old=', _h.at <= arg("until"))',
        new=', arg("until") != 0)',
        tests=(f"{RATES}::test_t40_a_clock_that_was_a_year_ahead_leaves_no_limit_behind",),
    ),
    Control(
        name="a pause of another team is not found",
        file="core/engine/switches.py",
        old="        if found is None or found.tenant_id not in {None, tenant_id}:",
        new="        if found is None:",
        tests=(f"{SWITCHES}::test_a_pause_of_one_team_is_no_other_teams_business",),
    ),
    Control(
        name="who paused all teams is not named to the others",
        file="core/switches.py",
        old="    return replace(switch, by_id=None, by_name=SOMEBODY_ELSE)",
        new="    return switch",
        tests=(f"{SWITCHES}::test_a_pause_of_all_teams_names_nobody_to_the_others",),
    ),
    Control(
        name="a pause that was rolled back is forgotten",
        file="storage/records/all.py",
        old="        self.switches.forget()\n",
        new="",
        tests=(f"{SWITCHES}::test_a_pause_that_is_rolled_back_stops_nothing",),
    ),
)
