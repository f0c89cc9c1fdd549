"""Tokens that were issued to programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import select, update

from core.errors import CorruptRecord
from core.ids import TenantId, TokenId
from core.json_text import read_json
from core.model import ApiToken
from storage.schema import api_tokens
from storage.statements import Row, Session, Statement, arg, insert_into
from storage.times import from_ms, maybe_from_ms, to_ms

_t = api_tokens.c
_ADD: Final = insert_into(api_tokens)
_GET: Final = Statement(select(api_tokens).where(_t.id == arg("id_")))
_OF: Final = Statement(select(api_tokens).where(_t.tenant_id == arg("tenant")).order_by(_t.id))
_REVOKE: Final = Statement(
    update(api_tokens).where(_t.id == arg("id_"), _t.revoked_at.is_(None)).values(revoked_at=arg("now_"))
)


class Tokens:
    """Implements `core.ports.Tokens`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, token: ApiToken) -> None:
        """Adds a token."""
        row = asdict(token)
        row.update(
            account_ids=None if token.account_ids is None else json.dumps(list(token.account_ids)),
            created_at=to_ms(token.created_at),
            expires_at=to_ms(token.expires_at),
            revoked_at=to_ms(token.revoked_at),
        )
        self._session.do(_ADD, **row)

    def get(self, token_id: TokenId) -> ApiToken | None:
        """The token of this id. Raises CorruptRecord."""
        row = self._session.one(_GET, id_=token_id)
        return None if row is None else _token(row)

    def of(self, tenant_id: TenantId) -> Sequence[ApiToken]:
        """All tokens of a tenant, oldest first. One whose accounts cannot be read is listed with none."""
        return [_listed(row) for row in self._session.all(_OF, tenant=tenant_id)]

    def revoke(self, token_id: TokenId, *, now: datetime) -> bool:
        """Ends a token. False where it was revoked before."""
        return self._session.run(_REVOKE, id_=token_id, now_=to_ms(now)) == 1


def _listed(row: Row) -> ApiToken:
    try:
        return _token(row)
    except CorruptRecord:
        values: dict[str, Any] = dict(zip(ApiToken.__struct_fields__, row, strict=True))
        return _token(tuple({**values, "account_ids": "[]"}.values()))


def _token(row: Row) -> ApiToken:
    values: dict[str, Any] = dict(zip(ApiToken.__struct_fields__, row, strict=True))
    accounts = None
    if values["account_ids"] is not None:
        try:
            accounts = read_json(values["account_ids"])
        except ValueError:
            accounts = 0
        if not isinstance(accounts, list) or not all(isinstance(one, str) for one in accounts):
            raise CorruptRecord(api_tokens.name, values["id"], "account_ids")
    values.update(
        account_ids=None if accounts is None else tuple(accounts),
        created_at=from_ms(values["created_at"]),
        expires_at=from_ms(values["expires_at"]),
        revoked_at=maybe_from_ms(values["revoked_at"]),
    )
    return ApiToken(**values)
