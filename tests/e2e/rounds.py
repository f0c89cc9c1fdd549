"""How much of a catalogue test runs: a part of it normally, all of it under COUNTERSIGN_TORTURE=1."""

from __future__ import annotations

import os

import pytest

FULL = os.environ.get("COUNTERSIGN_TORTURE") == "1"
SECOND_OF_TWO = pytest.param(
    "postgresql", marks=pytest.mark.skipif(not FULL, reason="runs on SQLite here, on both by `make torture`")
)
"""For the few tests that take long and touch the database no otherwise than others which run on both."""


def rounds(*, normal: int, full: int) -> int:
    """How many to do. The test prints its line, "T6: 120/1000 payloads, …", when they are done."""
    return full if FULL else normal
