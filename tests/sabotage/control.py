"""What a control is, and the files of tests that most of them are missed by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control, and how it is taken out. `tests` are files, or tests in them as pytest names them."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


DECIDE: Final = "tests/integration/test_engine_decide.py"
DISPATCH: Final = "tests/integration/test_engine_dispatch.py"
EXECUTE: Final = "tests/integration/test_engine_execute.py"
RECOVER: Final = "tests/integration/test_engine_recover.py"
RECORDS: Final = "tests/integration/test_storage_records.py"
RACES: Final = "tests/integration/test_races.py"
SCHEMA: Final = "tests/integration/test_storage_schema.py"
WRITER: Final = "tests/integration/test_writer.py"
OURS: Final = "tests/integration/test_controls.py"
