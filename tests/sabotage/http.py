"""Controls of the HTTP door: whom a token proves, and that nothing else says who calls."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

AUTH: Final = "bot/http/auth.py"
CALLERS: Final = "bot/http/callers.py"
T30: Final = "tests/security/test_t30.py"
T31: Final = "tests/security/test_t31.py"
T32: Final = "tests/security/test_t32.py"
T39: Final = "tests/security/test_t39.py"
OPTIONS: Final = 'options={"require": REQUIRED, "enforce_minimum_key_length": True},'

HTTP: Final = (
    Control(
        name="a token is for us",
        file=AUTH,
        old=OPTIONS,
        new='options={"require": REQUIRED, "enforce_minimum_key_length": True, "verify_aud": False},',
        tests=(T31,),
    ),
    Control(
        name="a token is from whom its key is",
        file=AUTH,
        old="            issuer=trusted.issuers,\n",
        new="",
        tests=(T31,),
    ),
    Control(
        name="a token ends, and says for whom it is",
        file=AUTH,
        old=OPTIONS,
        new='options={"enforce_minimum_key_length": True},',
        tests=(T31,),
    ),
    Control(
        name="a token is for one team",
        file=AUTH,
        old='tenant=TenantId(_word(payload["tenant_id"])),',
        new='tenant=TenantId(str(payload["tenant_id"] or "acme")),',
        tests=(T31,),
    ),
    Control(
        name="a revoked token proves nothing",
        file=CALLERS,
        old="        if token is None or token.revoked_at is not None or token.expires_at <= now:",
        new="        if token is None:",
        tests=(T31,),
    ),
    Control(
        name="a token of ours is for whom it was issued",
        file=CALLERS,
        old="        if issued != (claims.person, claims.tenant, claims.account_ids):",
        new="        if not issued:",
        tests=(T31,),
    ),
    Control(
        name="headers do not say who calls",
        file=CALLERS,
        old="        _check(claims, _said(request, _TENANT), _said(request, _PERSON))\n",
        new="",
        tests=(T32,),
    ),
    Control(
        name="bodies do not say who calls",
        file=CALLERS,
        old="        _check(caller.claims, tenant, person)\n",
        new="",
        tests=(T32,),
    ),
    Control(
        name="accounts are the token's",
        file=CALLERS,
        old="        if not isinstance(each, str) or each not in allowed:",
        new="        if not isinstance(each, str):",
        tests=(T32,),
    ),
    Control(
        name="a key is for one body",
        file="bot/http/proposing.py",
        old='        if event.kind == _REQUESTED and json.loads(event.content).get("body") == digest:',
        new="        if event.kind == _REQUESTED:",
        tests=(T39,),
    ),
)
