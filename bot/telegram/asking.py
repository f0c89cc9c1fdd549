"""Questions that the bot asked one person in one chat: kept until they are answered, left or replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.telegram.turn import Turn
from core.digest import Json
from core.engine.readable import set_aside
from core.errors import CorruptRecord
from core.ids import PersonId
from core.model import Principal
from core.parsing import Candidate
from core.ports import Dialogue, Records


def open_question(records: Records, turn: Turn, person: PersonId) -> Dialogue | None:
    """The person's open question here. One that cannot be read is set aside and closed: it can be asked
    again, and must not hold up all that the person says."""
    try:
        return records.dialogues.get(turn.chat.id, person)
    except CorruptRecord as corrupt:
        set_aside(records, corrupt, now=turn.now.wall)
        records.dialogues.drop(turn.chat.id, person)
        return None


def put(records: Records, turn: Turn, by: Principal, kind: str, state: Mapping[str, Json]) -> None:
    """Keeps a question to this person, in place of one that was open. Its state holds under "message" the
    message that it began with."""
    if by.person is not None:
        records.dialogues.put(
            Dialogue(
                chat=turn.chat.id,
                person_id=by.person,
                tenant_id=turn.tenant(records),
                kind=kind,
                state=state,
                at=turn.now.wall,
            )
        )


def as_state(candidate: Candidate) -> Mapping[str, Json]:
    """The JSON that a dialogue keeps of a candidate."""
    return {
        "tool": candidate.tool,
        "arguments": dict(candidate.arguments),
        "missing": list(candidate.missing),
        "confidence": candidate.confidence,
        "how": candidate.how,
    }


def from_state(state: Mapping[str, Any]) -> Candidate:
    """The candidate that a dialogue kept."""
    return Candidate(
        tool=state["tool"],
        arguments=state["arguments"],
        missing=tuple(state["missing"]),
        confidence=state["confidence"],
        how=state["how"],
    )
