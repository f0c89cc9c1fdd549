"""Votes, attempts and outcomes: what a call gathers on its way."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import or_, select, update

from core.errors import CorruptRecord
from core.ids import CallId, PersonId
from core.json_text import read_json
from core.lifecycle import Status
from core.model import Approval, Attempt, Channel, Outcome, Vote
from storage.schema import approvals, attempts, outcomes, quarantine, tool_calls
from storage.statements import Row, Session, Statement, arg, insert_into, insert_once
from storage.times import from_ms, maybe_from_ms, to_ms

_ADD_APPROVAL: Final = insert_once(approvals)
_APPROVALS: Final = Statement(
    select(approvals)
    .where(approvals.c.call_id == arg("call"))
    .order_by(approvals.c.at, approvals.c.person_id)
)
_ADD_ATTEMPT: Final = insert_into(attempts)
_ATTEMPTS: Final = Statement(
    select(attempts).where(attempts.c.call_id == arg("call")).order_by(attempts.c.number)
)
_END_ATTEMPT: Final = Statement(
    update(attempts)
    .where(attempts.c.call_id == arg("call"), attempts.c.number == arg("held"), attempts.c.ended_at.is_(None))
    .values(ended_at=arg("now_"), error=arg("why"), error_class=arg("why_class"), unclear=arg("in_doubt"))
    .returning(*attempts.columns)
)
_BEGIN_ATTEMPT: Final = Statement(
    update(attempts)
    .where(
        attempts.c.call_id == arg("call"),
        attempts.c.number == arg("held"),
        attempts.c.ended_at.is_(None),
        attempts.c.adapter.is_(None),
    )
    .values(adapter=arg("carrier"), started_at=arg("now_"))
    .returning(*attempts.columns)
)
_ASK_TO_STOP: Final = Statement(
    update(attempts)
    .where(attempts.c.call_id == arg("call"), attempts.c.ended_at.is_(None), attempts.c.stop_by.is_(None))
    .values(stop_by=arg("by"))
)
_TO_STOP: Final = Statement(
    select(attempts.c.call_id).where(
        attempts.c.worker == arg("holder"), attempts.c.ended_at.is_(None), attempts.c.stop_by.is_not(None)
    )
)
_RENEW: Final = Statement(
    update(attempts)
    .where(
        attempts.c.call_id == arg("call"),
        attempts.c.worker == arg("holder"),
        attempts.c.ended_at.is_(None),
    )
    .values(lease_until=arg("until"))
)
_NOT_SET_ASIDE: Final = attempts.c.call_id.not_in(
    select(quarantine.c.row_id).where(quarantine.c.source == tool_calls.name)
)
_LAPSED: Final = Statement(
    select(attempts)
    .where(_NOT_SET_ASIDE, attempts.c.ended_at.is_(None), attempts.c.lease_until <= arg("now_"))
    .order_by(attempts.c.lease_until)
    .limit(arg("most"))
)
_LAPSED_BUT: Final = Statement(
    select(attempts)
    .where(
        _NOT_SET_ASIDE,
        attempts.c.ended_at.is_(None),
        or_(attempts.c.lease_until <= arg("now_"), attempts.c.worker != arg("alive")),
    )
    .order_by(attempts.c.lease_until)
    .limit(arg("most"))
)
_ADD_OUTCOME: Final = insert_into(outcomes)
_OUTCOME: Final = Statement(select(outcomes).where(outcomes.c.call_id == arg("call")))


class Approvals:
    """Implements `core.ports.Approvals`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, approval: Approval) -> bool:
        """Adds a vote; False where this person voted on this revision already."""
        row = asdict(approval)
        row.update(vote=approval.vote.value, channel=approval.channel.value, at=to_ms(approval.at))
        return self._session.run(_ADD_APPROVAL, **row) == 1

    def of(self, call_id: CallId) -> Sequence[Approval]:
        """All votes on a call, oldest first."""
        return [_approval(row) for row in self._session.all(_APPROVALS, call=call_id)]


class Attempts:
    """Implements `core.ports.Attempts`."""

    def __init__(self, session: Session, touch: Callable[[str, str], None]) -> None:
        self._session = session
        self._touch = touch

    def add(self, attempt: Attempt) -> None:
        """Adds a live attempt."""
        self._session.do(
            _ADD_ATTEMPT,
            call_id=attempt.call_id,
            tenant_id=attempt.tenant_id,
            account_id=attempt.account_id,
            number=attempt.number,
            worker=attempt.worker,
            started_at=to_ms(attempt.started_at),
            lease_until=to_ms(attempt.lease_until),
            ended_at=to_ms(attempt.ended_at),
            adapter=attempt.adapter,
            error=attempt.error,
            error_class=attempt.error_class,
            stop_by=attempt.stop_by,
            not_before=to_ms(attempt.not_before),
            unclear=attempt.unclear,
        )

    def of(self, call_id: CallId) -> Sequence[Attempt]:
        """All attempts of a call by number."""
        return [_attempt(row) for row in self._session.all(_ATTEMPTS, call=call_id)]

    def end(
        self,
        call_id: CallId,
        number: int,
        *,
        now: datetime,
        error: str | None = None,
        error_class: str | None = None,
        unclear: bool = False,
    ) -> Attempt | None:
        """Ends this attempt and gives it; None where it is not live any more."""
        at = to_ms(now)
        told = {"why": error, "why_class": error_class, "in_doubt": unclear}
        rows = self._session.all(_END_ATTEMPT, call=call_id, held=number, now_=at, **told)
        return _attempt(rows[0]) if rows else None

    def begin(self, call_id: CallId, number: int, *, adapter: str, now: datetime) -> Attempt | None:
        """Begins an attempt that waited and gives it; None where it is not live any more, or was begun."""
        rows = self._session.all(_BEGIN_ATTEMPT, call=call_id, held=number, carrier=adapter, now_=to_ms(now))
        return _attempt(rows[0]) if rows else None

    def ask_to_stop(self, call_id: CallId, *, by: str) -> bool:
        """Asks the live attempt of a call to stop. False where there is none, or it was asked before."""
        asked = self._session.run(_ASK_TO_STOP, call=call_id, by=by) == 1
        if asked:
            self._touch("stop", call_id)
        return asked

    def to_stop(self, worker: str) -> Sequence[CallId]:
        """The calls that this worker holds and was asked to stop."""
        return [CallId(row[0]) for row in self._session.all(_TO_STOP, holder=worker)]

    def renew(self, worker: str, call_ids: Sequence[CallId], *, lease_until: datetime) -> int:
        """Extends the leases of a worker's live attempts at these calls; how many."""
        until = to_ms(lease_until)
        return sum(self._session.run(_RENEW, holder=worker, call=each, until=until) for each in call_ids)

    def lapsed(self, now: datetime, *, alive: str | None, limit: int) -> Sequence[Attempt]:
        """Live attempts whose lease has run out, or that are not `alive`'s."""
        if alive is None:
            rows = self._session.all(_LAPSED, now_=to_ms(now), most=limit)
        else:
            rows = self._session.all(_LAPSED_BUT, now_=to_ms(now), alive=alive, most=limit)
        return [_attempt(row) for row in rows]


class Outcomes:
    """Implements `core.ports.Outcomes`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, outcome: Outcome) -> None:
        """Adds the one outcome of a call."""
        self._session.do(
            _ADD_OUTCOME,
            call_id=outcome.call_id,
            tenant_id=outcome.tenant_id,
            account_id=outcome.account_id,
            status=outcome.status.value,
            result=json.dumps(outcome.result, ensure_ascii=False, separators=(",", ":")),
            formatted=outcome.formatted,
            error=outcome.error,
            error_class=outcome.error_class,
            started_at=to_ms(outcome.started_at),
            completed_at=to_ms(outcome.completed_at),
            duration_ms=outcome.duration_ms,
            attempt_count=outcome.attempt_count,
            worker=outcome.worker,
            external_refs=json.dumps(dict(outcome.references), ensure_ascii=False, separators=(",", ":")),
            marked_by=outcome.marked_by,
        )

    def get(self, call_id: CallId) -> Outcome | None:
        """The outcome, once the call has ended. Raises CorruptRecord."""
        row = self._session.one(_OUTCOME, call=call_id)
        return None if row is None else _outcome(row)


def _approval(row: Row) -> Approval:
    values = dict(zip(Approval.__struct_fields__, row, strict=True))
    values.update(vote=Vote(values["vote"]), channel=Channel(values["channel"]), at=from_ms(values["at"]))
    return Approval(**values)


def _attempt(row: Row) -> Attempt:
    return Attempt(
        call_id=row[0],
        tenant_id=row[1],
        account_id=row[2],
        number=row[3],
        worker=row[4],
        started_at=from_ms(row[5]),
        lease_until=from_ms(row[6]),
        ended_at=maybe_from_ms(row[7]),
        adapter=row[8],
        error=row[9],
        error_class=row[10],
        stop_by=row[11],
        not_before=maybe_from_ms(row[12]),
        unclear=bool(row[13]),
    )


_OUTCOME_COLUMNS: Final = tuple(column.name for column in outcomes.columns)


def _outcome(row: Row) -> Outcome:
    values = dict(zip(_OUTCOME_COLUMNS, row, strict=True))
    marked_by = values["marked_by"]
    references = _json(values, "external_refs")
    if not isinstance(references, dict):
        raise CorruptRecord(outcomes.name, values["call_id"], "external_refs")
    return Outcome(
        call_id=CallId(values["call_id"]),
        tenant_id=values["tenant_id"],
        account_id=values["account_id"],
        status=Status(values["status"]),
        result=_json(values, "result"),
        formatted=values["formatted"],
        error=values["error"],
        error_class=values["error_class"],
        started_at=maybe_from_ms(values["started_at"]),
        completed_at=from_ms(values["completed_at"]),
        duration_ms=values["duration_ms"],
        attempt_count=values["attempt_count"],
        worker=values["worker"],
        references=references,
        marked_by=None if marked_by is None else PersonId(marked_by),
    )


def _json(values: dict[str, Any], column: str) -> Any:
    try:
        return read_json(values[column])
    except ValueError:
        raise CorruptRecord(outcomes.name, values["call_id"], column) from None
