"""Tokens of programs: issued for a member and one tenant, listed, revoked. What is kept is never the text."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from core import guards
from core.engine.answers import Refused, refused
from core.engine.facts import caller
from core.engine.members import is_at_machine
from core.errors import Code, Refusal
from core.ids import TenantId, TokenId
from core.model import ApiToken, Principal
from core.ports import Records


class Issued(Struct, frozen=True, kw_only=True):
    """The token as recorded. Its text is made of it, shown once and not kept."""

    token: ApiToken


class Revoked(Struct, frozen=True, kw_only=True):
    """The token as it was. `before`: it had been revoked before, and nothing was changed."""

    token: ApiToken
    before: bool


def issue(records: Records, token: ApiToken, *, by: Principal, now: datetime) -> Issued | Refused:
    """Keeps a token for a program that acts as this member, in this tenant, until it expires or is revoked.

    Only whoever sits at the machine issues tokens. Refusals: the entry guards, `not_admin`, `not_a_member`.
    """
    try:
        _check_machine(records, by, token.tenant_id)
        if records.people.role(token.tenant_id, token.person_id) is None:
            raise Refusal(Code.NOT_A_MEMBER, "This person is no member there: no program can act for them.")
    except Refusal as refusal:
        return refused(records, refusal, verb="token.issue", by=by, now=now)
    records.tokens.add(token)
    _tell(records, "token.issued", token, by=by, now=now)
    return Issued(token=token)


def revoke(records: Records, token_id: TokenId, *, by: Principal, now: datetime) -> Revoked | Refused:
    """From now on the token opens nothing. Revoked again, it stays as it is.

    Refusals: the entry guards, `not_admin`, `not_found`.
    """
    try:
        token = records.tokens.get(token_id)
        if token is None or token.tenant_id != by.tenant:
            raise Refusal(Code.NOT_FOUND, "There is no such token. `countersign token list` shows them.")
        _check_machine(records, by, token.tenant_id)
    except Refusal as refusal:
        return refused(records, refusal, verb="token.revoke", by=by, now=now)
    if not records.tokens.revoke(token_id, now=now):
        return Revoked(token=token, before=True)
    _tell(records, "token.revoked", token, by=by, now=now)
    return Revoked(token=token, before=False)


def _check_machine(records: Records, by: Principal, tenant_id: TenantId) -> None:
    if by.tenant != tenant_id:
        raise Refusal(Code.TENANT_MISMATCH, "This token is for another team.")
    guards.check(caller(records, by=by), guards.ENTRY[1:4])
    if not is_at_machine(by):
        raise Refusal(Code.NOT_ADMIN, "Tokens are issued and revoked at the machine: `countersign token`.")


def _tell(records: Records, kind: str, token: ApiToken, *, by: Principal, now: datetime) -> None:
    records.audit.append(
        kind,
        tenant_id=token.tenant_id,
        actor=by.actor,
        content={
            "token": token.id,
            "name": token.name,
            "person": token.person_id,
            "accounts": None if token.account_ids is None else list(token.account_ids),
            "expires_at": token.expires_at.isoformat(),
            "channel": by.channel.value,
        },
        now=now,
    )
