"""Who calls: from the token alone. What else a request says of it must agree, and is never obeyed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from aiohttp import hdrs, web
from msgspec import Struct

from bot.http.auth import Claims, read_token, unauthenticated
from bot.http.door import Door
from core.engine.answers import Refused, refused
from core.errors import Code, Refusal
from core.ids import AccountId
from core.model import Channel, Principal
from core.ports import Records

_BEARER: Final = re.compile(r"[Bb]earer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)")
_TENANT: Final = ("X-Tenant-ID", "tenant_id")
_PERSON: Final = ("X-User-ID", "user_id")
_ACCOUNT: Final = ("X-Account-ID", "account_id")
OWN_ACCOUNT: Final = "api"
"""The account of calls that come in here, after the tenant's id, where the token names no other."""


class Caller(Struct, frozen=True, kw_only=True):
    """Whom the token proves, with the roles of today; and the account that new calls belong to."""

    by: Principal
    claims: Claims
    account: AccountId


async def caller_of(request: web.Request, door: Door) -> Caller:
    """Who calls. Raises Refusal: `unauthenticated`, and `claim_mismatch` or `account_forbidden` where headers
    or query say otherwise than the token; those two are in the audit."""
    bearer = _BEARER.fullmatch(request.headers.get(hdrs.AUTHORIZATION, "").strip())
    if bearer is None or len(request.headers.getall(hdrs.AUTHORIZATION)) > 1:
        raise unauthenticated()
    claims = await read_token(bearer[1], keys=door.keys, settings=door.settings)
    now = door.clock.real()
    by = await door.reader.read(lambda records: _principal(records, claims, now=now))
    try:
        _check(claims, _said(request, _TENANT), _said(request, _PERSON))
        account = account_of(claims, _said(request, _ACCOUNT))
    except Refusal as refusal:
        raise await audited(door, refusal, by=by) from None
    return Caller(by=by, claims=claims, account=account)


async def agreed(door: Door, caller: Caller, body: dict[str, object]) -> Caller:
    """The caller, where what the body says of tenant, person and account agrees with the token; takes it out
    of the body. Raises Refusal as `caller_of` does."""
    tenant, person = ([body.pop(name)] if name in body else [] for _, name in (_TENANT, _PERSON))
    account = [body.pop(_ACCOUNT[1])] if _ACCOUNT[1] in body else []
    try:
        _check(caller.claims, tenant, person)
        named = account_of(caller.claims, account) if account else caller.account
    except Refusal as refusal:
        raise await audited(door, refusal, by=caller.by) from None
    return Caller(by=caller.by, claims=caller.claims, account=named)


async def audited(door: Door, refusal: Refusal, *, by: Principal) -> Refusal:
    """The refusal, once it is recorded."""
    now = door.clock.now()

    def work(records: Records) -> Refused:
        return refused(records, refusal, verb="http", by=by, now=now)

    return (await door.uow.run("http.refused", work)).refusal


def account_of(claims: Claims, named: Iterable[object]) -> AccountId:
    """The account for new calls: the named one where the token has it, else the token's first, else the
    tenant's own for this door. Raises Refusal `account_forbidden`."""
    allowed = claims.account_ids or {AccountId(f"{claims.tenant}:{OWN_ACCOUNT}")}
    account = min(allowed)
    for each in named:
        if not isinstance(each, str) or each not in allowed:
            raise Refusal(
                Code.ACCOUNT_FORBIDDEN,
                "The token does not cover this account. Leave the account out, or use a token that names it.",
            )
        account = AccountId(each)
    return account


def _check(claims: Claims, tenants: Iterable[object], people: Iterable[object]) -> None:
    if any(each != claims.tenant for each in tenants) or any(each != claims.person for each in people):
        raise Refusal(
            Code.CLAIM_MISMATCH,
            "The request names another team or person than its token. The token alone says who calls.",
        )


def _said(request: web.Request, names: tuple[str, str]) -> list[str]:
    header, query = names
    return [*request.headers.getall(header, []), *request.query.getall(query, [])]


def _principal(records: Records, claims: Claims, *, now: datetime) -> Principal:
    """The person of the claims with the role of today. Raises Refusal for a token of ours that was revoked,
    or that we do not know."""
    if claims.token_id is not None:
        token = records.tokens.get(claims.token_id)
        if token is None or token.revoked_at is not None or token.expires_at <= now:
            raise unauthenticated()
        accounts = None if token.account_ids is None else frozenset(token.account_ids)
        issued = (token.person_id, token.tenant_id, accounts)
        if issued != (claims.person, claims.tenant, claims.account_ids):
            raise unauthenticated()
    role = records.people.role(claims.tenant, claims.person)
    return Principal(
        person=claims.person,
        tenant=claims.tenant,
        roles=frozenset() if role is None else frozenset({role}),
        channel=Channel.API,
        account_ids=claims.account_ids,
    )
