"""Comparing one chain's mirror, line by line, with the events of the database."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from core.audit import AuditEvent, content_holds, holds
from core.ids import TenantId
from storage.findings import Findings
from storage.mirror import event_of, line_of

_MISSING: Final = "missing in the mirror"
_ALTERED: Final = "the mirror's line was altered"
_OTHER: Final = "the mirror tells another event than the database: one of the two was rewritten"


class MirrorCheck:
    """Walks the first `size` bytes of a mirror file beside the events, which are given in order.

    A last line without its newline is one that is just being written, and not looked at.
    """

    def __init__(self, tenant_id: TenantId, path: Path, *, size: int, findings: Findings) -> None:
        self.last = 0  # the number of the last line that was in its place
        self._tenant_id = tenant_id
        self._findings = findings
        self._file: BinaryIO | None = path.open("rb") if size else None
        self._left = size
        self._held: list[bytes] = []
        self._absent: tuple[int, int] | None = None

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()

    def compare(self, event: AuditEvent) -> None:
        """Takes the next event of the database and the line that belongs to it."""
        line = self._next()
        if line is None:
            self._miss(event.seq)
            return
        expected = _line(event)
        if line == expected:
            self._in_place(event.seq)
        else:
            self._differing(line, event, expected)

    def finish(self, last: int, *, cursor: int) -> None:
        """After the database's last event: what the mirror has beyond it, and what it lacks though the
        cursor says that it was written."""
        if self._absent is not None and self._absent[0] <= cursor:
            first, until = self._absent
            until = min(until, cursor)
            self._add(first, f"the end is missing: it was written up to {cursor}", last=until)
        if cursor > last:
            self._add(last + 1, f"the mirror was written up to {cursor}, the database ends at {last}")
        while (line := self._next()) is not None:
            event = event_of(line)
            if event is not None and event.seq > last:
                self._add(event.seq, f"the mirror goes on, the database ends at {last}")
            else:
                self._stray(line, event, "after the end")

    def _differing(self, line: bytes, event: AuditEvent, expected: bytes | None) -> None:
        told: bytes | None = line
        while told is not None and told != expected:
            found = event_of(told)
            if found is not None and found.seq == event.seq:
                self._in_place(event.seq)
                self._add(event.seq, _OTHER if _true(found, told) else _ALTERED)
                return
            following = self._next()
            if found is not None and found.seq > event.seq and following != expected:
                # This line comes too early because the event's own is not there; it waits for its turn.
                self._hold(told, following)
                self._miss(event.seq)
                return
            self._stray(told, found, f"where {event.seq} should be")
            told = following
        if told is None:
            self._miss(event.seq)
        else:
            self._in_place(event.seq)

    def _stray(self, line: bytes, found: AuditEvent | None, where: str) -> None:
        if found is None:
            self._add(self.last + 1, f"a line that is no event stands {where}: {line[:40]!r}")
        else:
            self._add(found.seq, f"the mirror's line stands {where}")

    def _in_place(self, seq: int) -> None:
        self.last = seq
        if self._absent is not None:
            first, until = self._absent
            self._add(first, _MISSING, last=until)
            self._absent = None

    def _miss(self, seq: int) -> None:
        """Without a line, so far: only what follows tells whether it was taken out or is yet to come."""
        self._absent = (self._absent[0] if self._absent else seq, seq)

    def _add(self, seq: int, problem: str, *, last: int | None = None) -> None:
        self._findings.add(self._tenant_id, "mirror", seq, problem, last=last)

    def _hold(self, *lines: bytes | None) -> None:
        self._held = [line for line in lines if line is not None] + self._held

    def _next(self) -> bytes | None:
        if self._held:
            return self._held.pop(0)
        if self._file is None or self._left <= 0:
            return None
        line = self._file.readline(self._left)
        self._left -= len(line)
        if not line.endswith(b"\n"):
            self._left = 0
            return None
        return line


def _line(event: AuditEvent) -> bytes | None:
    """The line that belongs to a stored event; None for one so altered that no line can tell it."""
    try:
        return line_of(event)
    except (TypeError, ValueError):
        return None


def _true(event: AuditEvent, line: bytes) -> bool:
    return holds(event) and content_holds(event) and _line(event) == line
