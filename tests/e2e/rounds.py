"""How much of a catalogue test runs: a part of it normally, all of it under COUNTERSIGN_TORTURE=1."""

from __future__ import annotations

import os

FULL = os.environ.get("COUNTERSIGN_TORTURE") == "1"


def rounds(name: str, *, normal: int, full: int) -> int:
    """The number of rounds, printed as actual/full."""
    actual = full if FULL else normal
    print(f"{name}: {actual}/{full}")
    return actual
