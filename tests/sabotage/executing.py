"""Controls of what runs: how much at a time, in whose turn, stopped by whom, and that it is known to have."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

QUEUE: Final = "tests/unit/workers/test_queue.py"
EXECUTOR: Final = "tests/integration/test_executor.py"
RUNNER: Final = "tests/unit/core/test_runner_stopping.py"
STOPPING: Final = "tests/e2e/test_stopping.py"
HELD_UP: Final = "tests/integration/test_held_up.py"

EXECUTING: Final = (
    Control(
        name="how many run of a team",
        file="bot/workers/queue.py",
        old="            if self._by_tenant[tenant] >= self._slots.per_tenant:\n                continue\n",
        new="",
        tests=(f"{QUEUE}::test_nothing_is_over_a_limit_nothing_is_lost_and_slots_are_used",),
    ),
    Control(
        name="how many run of a tool",
        file="bot/workers/queue.py",
        old="self._by_tool[waiting[0].tool] < self._slots.per_tool and ",
        new="",
        tests=(f"{QUEUE}::test_nothing_is_over_a_limit_nothing_is_lost_and_slots_are_used",),
    ),
    Control(
        name="teams take turns",
        file="bot/workers/queue.py",
        old="        self._tenants.move_to_end(tenant)\n",
        new="",
        tests=(f"{QUEUE}::test_a_flood_holds_nobody_up",),
    ),
    Control(
        name="people take turns",
        file="bot/workers/queue.py",
        old="        people.move_to_end(person)\n",
        new="",
        tests=(f"{QUEUE}::test_a_flood_holds_nobody_up",),
    ),
    Control(
        name="a start that nobody heard of is found",
        file="bot/workers/units.py",
        old="own.unknown and self._last.get(call_id) is own",
        new="False",
        tests=("tests/integration/test_unheard.py",),
    ),
    Control(
        name="what somebody else here started is theirs",
        file="bot/workers/units.py",
        old="own.unknown and self._last.get(call_id) is own",
        new="own.unknown",
        tests=("tests/integration/test_unheard.py",),
    ),
    Control(
        name="an attempt begun unheard is found",
        file="core/engine/unheard.py",
        old="    if call is None or live is None or live.worker != worker or live.adapter is None:\n",
        new="    if call is None or live is None or attempts[1:]:\n",
        tests=("tests/integration/test_unheard.py",),
    ),
    Control(
        name="an end written unheard is found",
        file="core/engine/unheard.py",
        old="        return outcome if ours else None\n",
        new="        return None\n",
        tests=("tests/integration/test_unheard.py",),
    ),
    Control(
        name="the last slot is kept for who has none",
        file="bot/workers/queue.py",
        old="        return now >= self._polite_until and not last\n",
        new="        return now >= self._polite_until\n",
        tests=(f"{QUEUE}::test_the_last_slot_is_for_who_has_none",),
    ),
    Control(
        name="a newcomer's call goes first",
        file="bot/workers/queue.py",
        old="        return now >= self._polite_until and not last\n",
        new="        return not last\n",
        tests=(f"{QUEUE}::test_who_has_a_call_in_hand_lets_a_newcomer_go_first_for_a_moment",),
    ),
    Control(
        name="a chat's flood waits for the other chats",
        file="bot/telegram/inbox.py",
        old="            if len(lane) > FLOOD:\n                await self._let_others_go_first(chat)\n",
        new="",
        tests=("tests/unit/telegram/test_lanes.py",),
    ),
    Control(
        name="quick calls of one person keep nobody waiting",
        file="bot/workers/queue.py",
        old="        if self._taken and not self._by_person[person] and now >= self._polite_until:\n",
        new="        if self._taken and not self._by_person[person]:\n",
        tests=(f"{QUEUE}::test_one_persons_quick_calls_keep_nobody_waiting_for_longer",),
    ),
    Control(
        name="one try for all that is held",
        file="bot/workers/queue.py",
        old="            hold.until = math.inf\n",
        new="            hold.seconds += 0\n",
        tests=(f"{QUEUE}::test_what_is_held_costs_one_try_and_a_longer_one_each_time",),
    ),
    Control(
        name="what is offered in one go starts in order",
        file="bot/workers/turns.py",
        old="            asyncio.get_running_loop().call_soon(self._look)\n",
        new="            self._look()\n",
        tests=("tests/unit/workers/test_turns.py::test_what_is_offered_in_one_go_starts_in_order",),
    ),
    Control(
        name="what runs hears that it is to stop",
        file="bot/workers/executor.py",
        old="            hand.stop.ask()\n",
        new="            pass\n",
        tests=(f"{EXECUTOR}::test_a_running_call_is_stopped_and_keeps_what_it_had",),
    ),
    Control(
        name="cancelled only where it is known to have stopped",
        file="core/runner.py",
        old="        return replace(still, status=Status.INTERRUPTED)\n",
        new="        return replace(still, status=Status.CANCELLED)\n",
        tests=(f"{RUNNER}::test_a_tool_that_does_not_stop_when_asked_is_interrupted",),
    ),
    Control(
        name="what an asked call's dead worker held is not run again",
        file="core/engine/recover.py",
        old="        elif attempt.stop_by is not None:\n",
        new="        elif attempt.stop_by == '':\n",
        tests=("tests/integration/test_engine_recover.py::test_what_was_asked_to_stop_is_not_run_again",),
    ),
    Control(
        name="what is to be told goes before progress",
        file="bot/telegram/relay.py",
        old="            return full\n        message_id = waiting.pop()\n",
        new="            pass\n        message_id = waiting.pop()\n",
        tests=(f"{STOPPING}::test_the_end_is_told_though_progress_would_fill_the_window",),
    ),
    Control(
        name="no worker is its own heir",
        file="bot/workers/units.py",
        old="            records.attempts.renew(self.worker, self.in_hand(), "
        "lease_until=now.real + self.env.limits.lease)\n",
        new="",
        tests=(f"{HELD_UP}::test_what_began_while_the_database_was_held_up_has_a_whole_lease",),
    ),
    Control(
        name="nothing is begun once the worker stops",
        file="bot/workers/units.py",
        old="            if self.stopping():\n                return None\n            # Somebody",
        new="            # Somebody",
        tests=(f"{HELD_UP}::test_nothing_is_begun_by_a_worker_that_stops_while_the_database_is_held_up",),
    ),
    Control(
        name="what is stopped waits for no slot",
        file="bot/workers/executor.py",
        old="self._turns.come(waiting, unless=hand.stop)",
        new="self._turns.come(waiting)",
        tests=(f"{HELD_UP}::test_what_waits_to_be_tried_again_is_stopped_though_all_slots_are_taken",),
    ),
    Control(
        name="what is let go while it is refused is tried again",
        file="bot/workers/executor.py",
        old=", since=releases",
        new="",
        tests=(f"{HELD_UP}::test_what_is_let_go_while_it_is_refused_is_tried_at_once",),
    ),
    Control(
        name="a stopped tool's write that had not begun is none",
        file="bot/workers/toolstore.py",
        old="            if self._dropped:\n",
        new="            if False:\n",
        tests=(f"{HELD_UP}::test_what_a_tool_had_not_begun_to_write_is_not_written_once_it_was_stopped",),
    ),
)
