"""T31: bad tokens prove nothing, each for a reason of its own; and what is in one is all that counts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import jwt
import pytest

from bot.http.auth import sign
from core.engine.members import at_machine
from core.engine.tokens import Issued, issue, revoke
from core.ids import AccountId, PersonId, TenantId, TokenId
from core.model import ApiToken
from core.ports import Records
from tests.kit.world import World, code_of, principal
from tests.security.stage import KEY, Api, claims_of, settings, token_of


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged(header: Any, claims: Any, *, key: bytes = KEY.encode()) -> str:
    """A token put together by hand, rightly signed with HMAC-SHA-256 whatever its header says."""
    signed = f"{encoded(header)}.{encoded(claims)}"
    mark = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


def tampered() -> str:
    head, _, mark = token_of().split(".")
    return f"{head}.{encoded(claims_of('cat'))}.{mark}"


NOW: Final = int(time.time())
BAD: Final[dict[str, Callable[[], str]]] = {
    "alg none": lambda: f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims_of())}.e30",
    "alg none with our signature": lambda: forged({"alg": "none"}, claims_of()),
    "alg RS256, signed with our key": lambda: forged({"alg": "RS256"}, claims_of()),
    "alg HS512": lambda: jwt.encode(claims_of(), KEY * 2, algorithm="HS512"),
    "alg in small letters": lambda: forged({"alg": "hs256"}, claims_of()),
    "alg a list": lambda: forged({"alg": ["HS256"]}, claims_of()),
    "wrong key": lambda: jwt.encode(claims_of(), "another-key-that-is-as-long-as-the-first-one"),
    "wrong issuer": lambda: token_of(iss="https://evil.test"),
    "no issuer": lambda: token_of(iss=None),
    "wrong audience": lambda: token_of(aud="somebody-else"),
    "no audience": lambda: token_of(aud=None),
    "expired": lambda: token_of(exp=NOW - 60),
    "not yet valid": lambda: token_of(nbf=NOW + 3600),
    "no exp": lambda: token_of(exp=None),
    "exp no number": lambda: token_of(exp="tomorrow"),
    "exp without end": lambda: forged({"alg": "HS256"}, claims_of(exp=float("inf"))),
    "no person": lambda: token_of(sub=None),
    "empty person": lambda: token_of(""),
    "a person that is no text": lambda: forged({"alg": "HS256"}, {**claims_of(), "sub": 7}),
    "no tenant": lambda: token_of(tenant_id=None),
    "list of tenants": lambda: token_of(tenant_id=["acme"]),
    "two tenants": lambda: token_of(tenant_id=["acme", "umbrella"]),
    "empty tenant": lambda: token_of(tenant_id=""),
    "blank tenant": lambda: token_of(tenant_id=" "),
    "tenant with a space": lambda: token_of(tenant_id="acme "),
    "tenant with a NUL": lambda: token_of(tenant_id="acme\x00"),
    "accounts that are no list": lambda: token_of(account_ids="acme:api"),
    "accounts null": lambda: forged({"alg": "HS256"}, {**claims_of(), "account_ids": None}),
    "no account in the list": lambda: token_of(account_ids=[]),
    "accounts that are no texts": lambda: token_of(account_ids=[7]),
    "kid injection, a path": lambda: forged({"alg": "HS256", "kid": "/dev/null"}, claims_of(), key=b""),
    "kid injection, SQL": lambda: forged(
        {"alg": "HS256", "kid": "x' UNION SELECT 'key"}, claims_of(), key=b"key"
    ),
    "brings its own key": lambda: forged(
        {"alg": "HS256", "jwk": {"kty": "oct", "k": encoded("k")}}, claims_of(), key=b"k"
    ),
    "names its own key set": lambda: forged(
        {"alg": "RS256", "kid": "1", "jku": "http://127.0.0.1:1/jwks"}, claims_of()
    ),
    "a critical extension": lambda: forged({"alg": "HS256", "crit": ["exp"]}, claims_of()),
    "tampered": tampered,
    "cut short": lambda: token_of()[:-4],
    "claims that are a list": lambda: forged({"alg": "HS256"}, [claims_of()]),
    "header that is a list": lambda: forged([], claims_of()),
    "ours, without a jti": lambda: token_of(iss="countersign"),
    "ours, with a jti that is not known": lambda: token_of(iss="countersign", jti="nope"),
    "ours, with a jti that is no text": lambda: token_of(iss="countersign", jti=[1]),
}
WHY: Final = "more than the fifteen of the catalogue"


@pytest.mark.parametrize("name", BAD)
async def test_t31_a_bad_token_proves_nothing(api: Api, name: str) -> None:
    assert len(BAD) >= 15, WHY
    call = await api.propose()
    for method, path in (("GET", f"/v1/calls/{call.id}"), ("POST", "/v1/proposals")):
        answer = await api.send(method, path, by=None, headers={"Authorization": f"Bearer {BAD[name]()}"})
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert "claim" not in answer.body["detail"], "why is for the log"


async def test_t31_the_good_ones_next_to_them_count(api: Api) -> None:
    for token in (
        token_of(),
        token_of(nbf=int(time.time()) + 10),  # these two within the leeway of 30 seconds
        token_of(exp=int(time.time()) - 5),
        token_of(aud=["other", "countersign"]),
        token_of(account_ids=["acme:api", "acme:other"]),
        forged({"alg": "HS256", "kid": "whatever"}, claims_of()),
    ):
        assert (await api.get("/v1/calls", by=token)).status == 200
    print(f"T31: {len(BAD)}/{len(BAD)} bad tokens, a test each; the good ones next to them count")


async def issued(api: Api, **changes: Any) -> ApiToken:
    now = api.server._door.clock.real()
    fields: dict[str, Any] = {
        "id": TokenId(api.world.new_id()),
        "tenant_id": TenantId("acme"),
        "person_id": PersonId("ann"),
        "name": "report",
        "account_ids": None,
        "created_at": now,
        "expires_at": now + timedelta(days=1),
    }
    token = ApiToken(**(fields | changes))
    by = at_machine(token.tenant_id)
    answer = await api.world.unit(lambda records: issue(records, token, by=by, now=now))
    assert isinstance(answer, Issued), answer
    return answer.token


async def test_t31_a_token_of_ours_counts_until_it_is_revoked(both_api: Api) -> None:
    api = both_api
    token = await issued(api)
    text = sign(settings(), token)
    assert (await api.get("/v1/calls", by=text)).status == 200
    by = at_machine(token.tenant_id)

    def end(records: Records) -> object:
        return revoke(records, token.id, by=by, now=api.world.clock.now())

    await api.world.unit(end)
    answer = await api.get("/v1/calls", by=text)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    kinds = [event.kind for event in api.world.chain()]
    assert {"token.issued", "token.revoked"} <= set(kinds)
    text_of_chain = "".join(event.content for event in api.world.chain())
    assert text.rsplit(".", 1)[1] not in text_of_chain


async def test_t31_a_token_of_ours_is_for_whom_it_was_issued(api: Api) -> None:
    """Somebody with the key signs what was never issued: another person, another team, a longer life."""
    token = await issued(api, account_ids=(AccountId("acme:api"),))
    expired = await issued(api, expires_at=api.server._door.clock.real() - timedelta(hours=1))
    for claims in (
        claims_of("cat", "acme", iss="countersign", jti=token.id),
        claims_of("ann", "umbrella", iss="countersign", jti=token.id),
        claims_of("ann", "acme", iss="countersign", jti=expired.id),
        claims_of("ann", "acme", iss="countersign", jti=token.id),  # without its limit to accounts
        claims_of("ann", "acme", iss="countersign", jti=token.id, account_ids=["acme:api", "acme:b"]),
    ):
        answer = await api.get("/v1/calls", by=jwt.encode(claims, KEY))
        assert (answer.status, answer.code) == (401, "unauthenticated"), claims
    assert (await api.get("/v1/calls", by=sign(settings(), token))).status == 200


async def test_only_the_machine_issues_and_revokes(sqlite_world: World) -> None:
    world, now = sqlite_world, sqlite_world.clock.now()
    token = ApiToken(
        id=TokenId("1"),
        tenant_id=TenantId("acme"),
        person_id=PersonId("ann"),
        name="x",
        account_ids=None,
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    machine = at_machine(TenantId("acme"))
    refused = await world.unit(lambda r: issue(r, token, by=principal("dan"), now=now))
    assert code_of(refused) == "not_admin"
    elsewhere = await world.unit(lambda r: issue(r, token, by=at_machine(TenantId("umbrella")), now=now))
    assert code_of(elsewhere) == "tenant_mismatch"
    assert isinstance(await world.unit(lambda r: issue(r, token, by=machine, now=now)), Issued)
    for by, code in ((principal("dan"), "not_admin"), (at_machine(TenantId("umbrella")), "not_found")):
        denied = await world.unit(lambda r, by=by: revoke(r, token.id, by=by, now=now))  # type: ignore[misc]
        assert code_of(denied) == code
