"""Invites, by the hashes of their codes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from core.ids import PersonId, TenantId
from core.model import Invite, Role
from storage.schema import invites
from storage.statements import Row, Session, Statement, arg, insert_once
from storage.times import from_ms, to_ms

_n = invites.c
_ADD: Final = insert_once(invites)
_SHOWN: Final = select(*(_n[name] for name in Invite.__struct_fields__))
_IS_OPEN: Final = (_n.used_at.is_(None), _n.expires_at > arg("now_"))
_THIS: Final = (_n.code_hash == arg("code"), *_IS_OPEN)
_FIND: Final = Statement(_SHOWN.where(*_THIS))
_OPEN: Final = Statement(
    _SHOWN.where(_n.tenant_id == arg("tenant"), *_IS_OPEN).order_by(_n.created_at, _n.code_hash)
)
_USE: Final = Statement(update(invites).where(*_THIS).values(used_at=arg("now_"), used_by=arg("by")))
_END: Final = Statement(update(invites).where(*_THIS).values(expires_at=arg("now_")))


class Invites:
    """Implements `core.ports.Invites`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, invite: Invite) -> None:
        """Keeps an invite."""
        self._session.do(
            _ADD,
            code_hash=invite.code_hash,
            tenant_id=invite.tenant_id,
            role=invite.role.value,
            created_by=invite.created_by,
            created_at=to_ms(invite.created_at),
            expires_at=to_ms(invite.expires_at),
            used_at=None,
            used_by=None,
        )

    def find(self, code_hash: str, *, now: datetime) -> Invite | None:
        """The unused, unexpired invite of this code."""
        row = self._session.one(_FIND, code=code_hash, now_=to_ms(now))
        return None if row is None else _invite(row)

    def use(self, code_hash: str, *, by: PersonId, now: datetime) -> bool:
        """Spends an unused, unexpired invite, once."""
        return self._session.run(_USE, code=code_hash, by=by, now_=to_ms(now)) == 1

    def open(self, tenant_id: TenantId, *, now: datetime) -> Sequence[Invite]:
        """A tenant's invites that somebody could still use, the oldest first."""
        return [_invite(row) for row in self._session.all(_OPEN, tenant=tenant_id, now_=to_ms(now))]

    def end(self, code_hash: str, *, now: datetime) -> bool:
        """Makes an open invite worth nothing from now on."""
        return self._session.run(_END, code=code_hash, now_=to_ms(now)) == 1


def _invite(row: Row) -> Invite:
    return Invite(
        code_hash=row[0],
        tenant_id=TenantId(row[1]),
        role=Role(row[2]),
        created_by=row[3],
        created_at=from_ms(row[4]),
        expires_at=from_ms(row[5]),
    )
