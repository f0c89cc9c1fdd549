"""Controls of several calls proposed together: their order, and what "all" covers."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

RUNS: Final = "tests/integration/test_runs.py"
DECIDED: Final = "tests/integration/test_runs_decided.py"
PHONES: Final = "tests/e2e/test_runs.py"
SEVERAL: Final = "tests/unit/parsing/test_several.py"

ORDER: Final = (
    Control(
        name="no step starts before its turn",
        file="core/engine/execute.py",
        old="        check_ready(records, call)\n",
        new="",
        tests=(f"{RUNS}::test_nobody_starts_a_step_before_its_turn",),
    ),
    Control(
        name="a step's needs are looked at whatever it says of itself",
        file="core/engine/steps.py",
        old="    if not missing and not _held_back(call):\n",
        new="    if not _held_back(call):\n",
        tests=(f"{RUNS}::test_a_worker_that_was_told_a_lie_starts_nothing_before_its_turn",),
    ),
    Control(
        name="what needs a step that failed ends",
        file="core/engine/steps.py",
        old="        if concerns and other.status in _LEFT:\n",
        new="        if concerns and other.status in EXECUTING:\n",
        tests=(f"{RUNS}::test_stop_ends_all_that_comes_later",),
    ),
    Control(
        name="an interrupted step holds the rest",
        file="core/engine/steps.py",
        old="            or other.status is Status.INTERRUPTED\n",
        new="",
        tests=(f"{RUNS}::test_an_interrupted_step_holds_also_what_does_not_need_it",),
    ),
)

ALL: Final = (
    Control(
        name="a run's card counts only as what it shows",
        file="bot/telegram/jobs.py",
        old="    return card.shown_digest == run_digest(records.runs.calls(card.run_id))\n",
        new="    return True\n",
        tests=(f"{DECIDED}::test_a_card_shows_a_run_whole_only_as_it_is_now",),
    ),
    Control(
        name='"all" means what was shown',
        file="bot/telegram/runs.py",
        old="    if tap.revision != asked(tap.calls):\n",
        new="    if tap.revision > asked(tap.calls):\n",
        tests=(f"{PHONES}::test_a_button_from_before_a_change_decides_nothing",),
    ),
    Control(
        name="the steps of a run that cannot be read do not wait for ever",
        file="core/engine/steps.py",
        old="        _end_signed(records, moved.run_id, end=end, now=now)\n",
        new="",
        tests=(
            "tests/integration/test_waiting_runs.py::test_signed_steps_of_a_run_that_cannot_be_read_any_more_end",
        ),
    ),
    Control(
        name="who may not know of a run finds none",
        file="bot/telegram/runs.py",
        old="    if run is None or not (seen or any(visible(call, by=by, role=role) for call in calls)):\n",
        new="    if run is None:\n",
        tests=(f"{PHONES}::test_a_button_of_somebody_who_does_not_see_the_run_finds_nothing",),
    ),
    Control(
        name="a part of a text is proposed only where it is clear by itself",
        file="core/parsing/several.py",
        old="        if understood.reading is not Reading.PROPOSE:\n",
        new="        if not understood.candidates:\n",
        tests=(f"{SEVERAL}::test_one_part_in_doubt_leaves_the_text_whole",),
    ),
)
