"""Every way to every boundary: whoever asks for one finds here what all the files of cases noted."""

from __future__ import annotations

from tests.crash import (
    halting_cases,  # noqa: F401 - each notes its own
    keeping_cases,  # noqa: F401
    other_doors,  # noqa: F401
    run_cases,  # noqa: F401
    schedule_cases,  # noqa: F401
    signal_cases,  # noqa: F401
    signing_cases,  # noqa: F401
    team_cases,  # noqa: F401
    watching_cases,  # noqa: F401
)
from tests.crash.cases import CASES, Case

__all__ = ["CASES", "Case", "cases_of"]


def cases_of(boundary: str) -> list[Case]:
    """The ways to a boundary."""
    return CASES.get(boundary) or CASES.get(boundary.rsplit(".", 1)[0]) or []
