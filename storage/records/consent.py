"""Edits, grants and reminders: what surrounds a signature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import null, or_, select, update

from core.errors import CorruptRecord
from core.ids import CallId, GrantId, PersonId, TenantId
from core.json_text import read_json
from core.model import Edit, Grant
from storage.schema import edits, grants, quarantine, reminders
from storage.statements import Row, Session, Statement, all_columns, arg, insert_into
from storage.times import from_ms, maybe_from_ms, to_ms

_ADD_EDIT: Final = insert_into(edits)
_EDITS: Final = Statement(select(edits).where(edits.c.call_id == arg("call")).order_by(edits.c.revision))

_g = grants.c
_ADD_GRANT: Final = insert_into(grants)
_GRANT: Final = Statement(select(grants).where(_g.id == arg("id_")))
_LIVE: Final = Statement(
    select(grants)
    .where(
        _g.tenant_id == arg("tenant"),
        _g.revoked_at.is_(None),
        _g.expires_at > arg("now_"),
        or_(arg("any_tool") == 1, _g.tool == arg("tool_")),
        or_(arg("any_requester") == 1, _g.requester_id == arg("requester")),
        _g.id.not_in(select(quarantine.c.row_id).where(quarantine.c.source == grants.name)),
    )
    .order_by(_g.id)
)
_SPEND: Final = Statement(update(grants).where(_g.id == arg("id_")).values(used=_g.used + 1))
_REVOKE: Final = Statement(
    update(grants)
    .where(_g.id == arg("id_"), _g.revoked_at.is_(None))
    .values(revoked_at=arg("now_"), revoked_by=arg("by"))
)

_r = reminders.c
_PUT: Final = Statement(
    lambda insert: (put := insert(reminders).values(all_columns(reminders))).on_conflict_do_update(
        index_elements=["call_id", "revision", "kind"], set_={"at": put.excluded.at, "done_at": null()}
    )
)
_DUE: Final = Statement(
    select(_r.call_id, _r.revision, _r.kind)
    .where(_r.done_at.is_(None), _r.at <= arg("now_"))
    .order_by(_r.at)
    .limit(arg("most"))
)
_DONE: Final = Statement(
    update(reminders)
    .where(
        _r.call_id == arg("call"), _r.revision == arg("asked"), _r.kind == arg("what"), _r.done_at.is_(None)
    )
    .values(done_at=arg("now_"))
)


class Edits:
    """Implements `core.ports.Edits`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, edit: Edit) -> None:
        """Adds the edit that made a revision."""
        row = asdict(edit)
        row.update(changes=_text([list(change) for change in edit.changes]), at=to_ms(edit.at))
        self._session.do(_ADD_EDIT, **row)

    def of(self, call_id: CallId) -> Sequence[Edit]:
        """All edits of a call, oldest first. Raises CorruptRecord."""
        return [_edit(row) for row in self._session.all(_EDITS, call=call_id)]


class Grants:
    """Implements `core.ports.Grants`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, grant: Grant) -> None:
        """Adds a grant."""
        row = asdict(grant)
        row.update(
            scope=_text(dict(grant.scope)),
            created_at=to_ms(grant.created_at),
            expires_at=to_ms(grant.expires_at),
            revoked_at=to_ms(grant.revoked_at),
        )
        self._session.do(_ADD_GRANT, **row)

    def get(self, grant_id: GrantId) -> Grant | None:
        """The grant of this id. Raises CorruptRecord."""
        row = self._session.one(_GRANT, id_=grant_id)
        return None if row is None else _grant(row)

    def live(
        self,
        tenant_id: TenantId,
        *,
        now: datetime,
        tool: str | None = None,
        requester: PersonId | None = None,
    ) -> Sequence[Grant]:
        """Grants that are neither revoked, expired nor set aside, oldest first. Raises CorruptRecord."""
        rows = self._session.all(
            _LIVE,
            tenant=tenant_id,
            now_=to_ms(now),
            any_tool=int(tool is None),
            tool_=tool or "",
            any_requester=int(requester is None),
            requester=requester or "",
        )
        return [_grant(row) for row in rows]

    def spend(self, grant_id: GrantId) -> None:
        """Counts one call that it let through."""
        self._session.do(_SPEND, id_=grant_id)

    def revoke(self, grant_id: GrantId, *, by: PersonId, now: datetime) -> bool:
        """Ends a grant. False where it was revoked before."""
        return self._session.run(_REVOKE, id_=grant_id, by=by, now_=to_ms(now)) == 1


class Reminders:
    """Implements `core.ports.Reminders`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, call_id: CallId, revision: int, kind: str, *, at: datetime) -> None:
        """Keeps it, to be done at this time."""
        self._session.do(_PUT, call_id=call_id, revision=revision, kind=kind, at=to_ms(at), done_at=None)

    def due(self, now: datetime, *, limit: int) -> Sequence[tuple[CallId, int, str]]:
        """What is due, earliest first."""
        rows = self._session.all(_DUE, now_=to_ms(now), most=limit)
        return [(CallId(row[0]), row[1], row[2]) for row in rows]

    def done(self, call_id: CallId, revision: int, kind: str, *, now: datetime) -> bool:
        """Marks it done. False where it was before."""
        return self._session.run(_DONE, call=call_id, asked=revision, what=kind, now_=to_ms(now)) == 1


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _edit(row: Row) -> Edit:
    values: dict[str, Any] = dict(zip(Edit.__struct_fields__, row, strict=True))
    try:
        changes = tuple((str(field), before, after) for field, before, after in read_json(values["changes"]))
    except (TypeError, ValueError):
        raise CorruptRecord(edits.name, values["call_id"], "changes") from None
    return Edit(**{**values, "changes": changes, "at": from_ms(values["at"])})


def _grant(row: Row) -> Grant:
    values: dict[str, Any] = dict(zip(Grant.__struct_fields__, row, strict=True))
    try:
        scope = read_json(values["scope"])
    except ValueError:
        scope = None
    if not isinstance(scope, dict):
        raise CorruptRecord(grants.name, values["id"], "scope")
    values.update(
        scope=scope,
        created_at=from_ms(values["created_at"]),
        expires_at=from_ms(values["expires_at"]),
        revoked_at=maybe_from_ms(values["revoked_at"]),
    )
    return Grant(**values)
