"""The life of a tool call: its statuses, the table of steps between them, and the one function that steps."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a call stands. The value is what records, the API and audit events say."""

    PROPOSED = "proposed"  # waits for a signature
    PENDING = "pending"  # allowed or signed, waits for a worker
    RUNNING = "running"  # one worker has it
    VALIDATING = "validating"  # the tool returned, acceptance checks run
    COMPLETED = "completed"  # the tool succeeded
    FAILED = "failed"  # the tool, or a check, said that it failed
    TIMED_OUT = "timed_out"  # stopped at its deadline, known to have stopped
    CANCELLED = "cancelled"  # withdrawn, or stopped on request
    DENIED = "denied"  # a person or the policy said no
    EXPIRED = "expired"  # nobody decided, or nobody started it, in time
    INTERRUPTED = "interrupted"  # nobody saw its end; a person must look


_LEAVES_RUNNING: Final = frozenset(
    {Status.COMPLETED, Status.FAILED, Status.TIMED_OUT, Status.CANCELLED, Status.INTERRUPTED}
)

TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PROPOSED: frozenset({Status.PENDING, Status.DENIED, Status.EXPIRED, Status.CANCELLED}),
    Status.PENDING: frozenset(
        {Status.RUNNING, Status.PROPOSED, Status.DENIED, Status.EXPIRED, Status.CANCELLED}
    ),
    Status.RUNNING: _LEAVES_RUNNING | {Status.VALIDATING},
    Status.VALIDATING: _LEAVES_RUNNING,
    Status.INTERRUPTED: frozenset({Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.TIMED_OUT: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.DENIED: frozenset(),
    Status.EXPIRED: frozenset(),
}

INITIAL: Final = frozenset({Status.PROPOSED, Status.PENDING, Status.DENIED})
"""What a new call may begin as: policy asks, allows, or denies at once."""

ENDS: Final = frozenset(status for status, following in TRANSITIONS.items() if not following)
EXECUTING: Final = frozenset({Status.RUNNING, Status.VALIDATING})


class IllegalTransition(Exception):
    """A step that the table does not have: a mistake in the caller, never in the data."""


def advance(current: Status, to: Status) -> Status:
    """The next status, if the table has the step. Raises IllegalTransition where it has not."""
    if to not in TRANSITIONS[current]:
        raise IllegalTransition(f"{current} -> {to}")
    return to


_WORDS: Final[Mapping[Status, str]] = {
    Status.PROPOSED: "is still awaiting signature",
    Status.PENDING: "is approved and waiting to run",
    Status.RUNNING: "is already running",
    Status.VALIDATING: "has run and is being checked",
    Status.COMPLETED: "has already been executed",
    Status.FAILED: "has already been executed and failed",
    Status.TIMED_OUT: "has already been executed and timed out",
    Status.CANCELLED: "was cancelled",
    Status.DENIED: "was denied",
    Status.EXPIRED: "has expired",
    Status.INTERRUPTED: "was interrupted; its end is not known",
}


def in_words(status: Status) -> str:
    """The end of a sentence that begins with "This call …"."""
    return _WORDS[status]


def phase(status: Status) -> str:
    """The status for simple clients: PENDING, RUNNING, INTERRUPTED, EXPIRED, or the outcome's in capitals."""
    if status in {Status.PROPOSED, Status.PENDING}:
        return "PENDING"
    if status in EXECUTING:
        return "RUNNING"
    return status.value.upper()
