"""What the state machine of T41 draws, and what all of its examples together came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

from core.model import Role, Vote

TOOLS = st.sampled_from(
    [
        *("low_once", "low_again", "medium_once", "high_once", "high_again"),
        *("unclear", "fails", "undoable", "undoable", "undo_asks"),
    ]
)
ASKERS = st.sampled_from(["ann", "bob", "cat"])
VOTERS = st.sampled_from(["cat", "cid", "dan", "ann", "bob"])
VOTES = st.sampled_from([Vote.APPROVED, Vote.APPROVED, Vote.APPROVED, Vote.DENIED])
ROLES = st.sampled_from([*Role, *Role, None])
SECONDS = st.sampled_from([1, 14, 16, 3600, 23 * 3600, 25 * 3600])
WHICH = st.integers(0, 49)
"""Which of the calls, see `Machine.pick`."""
GOLD: Final = '{"text":"gold","amount":1}'
"""Arguments that nobody asked for."""
BROKEN = st.sampled_from(["{", "[]", ""])
"""Arguments that are none."""


@dataclass
class Tally:
    """What all examples together came to."""

    examples: int = 0
    steps: int = 0
    events: int = 0
    effects: int = 0
    faults: Counter[str] = field(default_factory=Counter)
