"""What a token proves. Nothing else that a request says of who it is from is believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jwt
from msgspec import Struct

from bot.config_http import OURS, HttpSettings
from bot.http.keys import SHARED, Keys
from bot.logs import get_logger
from core.errors import Code, Refusal
from core.ids import AccountId, PersonId, TenantId, TokenId
from core.model import ApiToken

log = get_logger(__name__)

REQUIRED: Final = ["exp", "aud", "iss", "sub", "tenant_id"]
LONGEST_WORD: Final = 200
MOST_ACCOUNTS: Final = 100


class Claims(Struct, frozen=True, kw_only=True):
    """One person in exactly one tenant. `token_id` is set for our own tokens, which can be revoked."""

    person: PersonId
    tenant: TenantId
    account_ids: frozenset[AccountId] | None
    token_id: TokenId | None


def unauthenticated() -> Refusal:
    """The one answer to all that is wrong with a token; what it was stands in the log."""
    return Refusal(
        Code.UNAUTHENTICATED,
        "A valid token is needed, sent as `Authorization: Bearer …`. `countersign token create` makes one.",
    )


async def read_token(token: str, *, keys: Keys, settings: HttpSettings) -> Claims:
    """What this token proves now. Raises Refusal `unauthenticated` for one that proves nothing, and
    `adapter_unavailable` where the keys to tell cannot be had."""
    try:
        trusted = await keys.named(jwt.get_unverified_header(token))
        payload = jwt.decode(
            token,
            trusted.key,
            algorithms=[trusted.algorithm],
            audience=settings.audience,
            issuer=trusted.issuers,
            leeway=settings.leeway,
            options={"require": REQUIRED, "enforce_minimum_key_length": True},
        )
        return _claims(payload)
    except Refusal:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a hostile token brings out of the library
        log.info("a token was not believed", why=type(error).__name__)
        raise unauthenticated() from None


def sign(settings: HttpSettings, token: ApiToken) -> str:
    """The text of a token of ours. Raises ConfigError where there is no key."""
    claims: dict[str, Any] = {
        "iss": OURS,
        "aud": settings.audience,
        "sub": token.person_id,
        "tenant_id": token.tenant_id,
        "jti": token.id,
        "iat": int(token.created_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
    }
    if token.account_ids is not None:
        claims["account_ids"] = list(token.account_ids)
    return jwt.encode(claims, settings.required_key(), algorithm=SHARED)


def _claims(payload: Mapping[str, Any]) -> Claims:
    """Raises ValueError for claims of any other form: a list of tenants, nobody, accounts in no list."""
    token_id = TokenId(_word(payload.get("jti"))) if payload["iss"] == OURS else None
    accounts = None
    if "account_ids" in payload:
        accounts = payload["account_ids"]
        if not isinstance(accounts, list) or not 0 < len(accounts) <= MOST_ACCOUNTS:
            raise ValueError("account_ids")
    return Claims(
        person=PersonId(_word(payload["sub"])),
        tenant=TenantId(_word(payload["tenant_id"])),
        account_ids=None if accounts is None else frozenset(AccountId(_word(one)) for one in accounts),
        token_id=token_id,
    )


def _word(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_WORD:
        raise ValueError("no word")
    if value != value.strip() or not value.isprintable():
        raise ValueError("no word")
    return value
