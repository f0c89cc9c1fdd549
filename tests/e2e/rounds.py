"""How much of a catalogue test runs: a part of it normally, all of it under COUNTERSIGN_TORTURE=1."""

from __future__ import annotations

import os

FULL = os.environ.get("COUNTERSIGN_TORTURE") == "1"


def rounds(*, normal: int, full: int) -> int:
    """How many to do. The test prints its line, "T6: 120/1000 payloads, …", when they are done."""
    return full if FULL else normal
