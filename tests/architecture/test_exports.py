"""What the rooms give away. A name more or less is a decision: it is written down here."""

from __future__ import annotations

import importlib

import pytest

EXPORTS = {
    "core.engine": "Decided Edited Env Limits Marked Proposal Proposed Refused Started ask_again cancel "
    "decide edit expire extend finish mark propose recover remind reroute start undo",
    "core.parsing": "Candidate ParseContext Reading Understood fill question understand understand_several",
    "core.policy": "DEFAULT_POLICY Facts Policy PolicyError Rule evaluate load_policy",
    "core.ports": "Alarms Approvals Attempts Audit Breakers Calls Cards ChainHead Clock Dialogue "
    "Dialogues Edits Erasing Grants Inbox Invites Keeping Kept Now Outbox OutboxRow Outcomes People "
    "Pulse Rates Reader Records Reminders Runs Schedules Signals Span Stopped Switches Tokens UnitOfWork "
    "Waiting Webhooks Workers view",
}


@pytest.mark.parametrize("room", EXPORTS)
def test_a_room_exports_what_is_written_here(room: str) -> None:
    assert sorted(importlib.import_module(room).__all__) == sorted(EXPORTS[room].split())
