"""Public keys: from a PEM file, a JWKS in a file, and one that is fetched; each serves its own algorithm."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from bot.config_http import HttpSettings
from bot.http.app import fetch
from bot.http.keys import ASKED_AGAIN_S, KEPT_S, Keys
from core.errors import Code, ConfigError, Refusal
from tests.kit.world import World
from tests.security.stage import KEY, claims_of, open_api, settings, token_of
from tests.security.test_t31 import forged

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def pem(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


def jwks(**keys: Any) -> bytes:
    """A JWKS with these keys by kid."""
    found = []
    for kid, key in keys.items():
        kind = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
        found.append({**json.loads(kind.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
    return json.dumps({"keys": found}).encode()


def signed(key: Any, algorithm: str, kid: str | None = None, **changes: Any) -> str:
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims_of(**changes), key, algorithm=algorithm, headers=headers)


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256")])
async def test_a_public_key_in_a_file(sqlite_world: World, tmp_path: Path, key: Any, algorithm: str) -> None:
    (tmp_path / "key.pem").write_bytes(pem(key))
    given = settings(key=None, public_key_file=tmp_path / "key.pem")
    async with open_api(sqlite_world, given) as api:
        assert (await api.get("/v1/calls", by=signed(key, algorithm))).status == 200
        for bad in (
            forged({"alg": "HS256"}, claims_of(), key=pem(key)),  # the public key as if it were a secret
            forged({"alg": algorithm}, claims_of(), key=pem(key)),
            signed(RSA if key is EC else EC, "ES256" if algorithm == "RS256" else "RS256"),
            signed(key, algorithm, iss="countersign", jti="x"),
            token_of(),
        ):
            assert (await api.get("/v1/calls", by=bad)).code == "unauthenticated"


async def test_with_both_each_key_signs_for_its_own_issuer(sqlite_world: World, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(RSA))
    async with open_api(sqlite_world, settings(public_key_file=tmp_path / "key.pem")) as api:
        assert (await api.get("/v1/calls", by=signed(RSA, "RS256"))).status == 200
        assert (await api.get("/v1/calls", by=token_of())).code == "unauthenticated"
        ours = signed(RSA, "RS256", iss="countersign", jti="x")
        assert (await api.get("/v1/calls", by=ours)).code == "unauthenticated"


async def test_a_jwks_in_a_file(sqlite_world: World, tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(one=RSA, two=EC, small=SMALL))
    given = settings(key=None, jwks_file=tmp_path / "jwks.json")
    async with open_api(sqlite_world, given) as api:
        assert (await api.get("/v1/calls", by=signed(RSA, "RS256", "one"))).status == 200
        assert (await api.get("/v1/calls", by=signed(EC, "ES256", "two"))).status == 200
        for bad in (
            signed(RSA, "RS256"),  # without a kid nobody knows which
            signed(RSA, "RS256", "two"),
            signed(RSA, "RS256", "../jwks.json"),
            signed(RSA, "RS512", "one"),
            signed(RSA, "PS256", "one"),
            forged({"alg": "HS256", "kid": "one"}, claims_of(), key=pem(RSA)),
            forged({"alg": "RS256", "kid": ["one"]}, claims_of()),
        ):
            assert (await api.get("/v1/calls", by=bad)).code == "unauthenticated"
        keys = Keys(given, fetch=fetch)
        with pytest.raises(ValueError, match="no key"):
            await keys.named({"alg": "ES256", "kid": "one"})
        with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
            weak = signed(SMALL, "RS256", "small")
        assert (await api.get("/v1/calls", by=weak)).code == "unauthenticated"


@asynccontextmanager
async def served(answers: list[bytes | int]) -> AsyncIterator[str]:
    """An issuer that gives these answers, one a request, the last one for ever."""

    async def give(_request: web.Request) -> web.Response:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.Response(status=answer) if isinstance(answer, int) else web.Response(body=answer)

    async with listening(give) as url:
        yield url


@asynccontextmanager
async def listening(give: Handler) -> AsyncIterator[str]:
    """A server on this machine that answers so."""
    app = web.Application()
    app.router.add_get("/jwks", give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    finally:
        await runner.cleanup()


async def test_a_jwks_is_fetched_once_and_anew_for_a_new_key(sqlite_world: World) -> None:
    answers: list[bytes | int] = [jwks(old=RSA), jwks(old=RSA, new=EC), 500]
    async with served(answers) as url:
        now = [0.0]
        keys = Keys(settings(key=None, jwks_url=url), fetch=fetch, monotonic=lambda: now[0])
        old, new = {"alg": "RS256", "kid": "old"}, {"alg": "ES256", "kid": "new"}
        await asyncio.gather(*(keys.named(old) for _ in range(20)))
        assert len(answers) == 2, "twenty at once cost one fetch"
        with pytest.raises(ValueError, match="no key"):
            await keys.named(new)
        assert len(answers) == 2, "not asked again at once"
        now[0] += ASKED_AGAIN_S + 1
        assert (await keys.named(new)).algorithm == "ES256"
        now[0] += KEPT_S + 1
        assert (await keys.named(old)).algorithm == "RS256", "the issuer is away; what we have is used on"


async def test_a_jwks_that_comes_in_pieces_is_read_to_its_end() -> None:
    whole = jwks(one=RSA, two=EC)
    async with pieces([whole[:40], whole[40:]]) as url:
        assert await fetch(url) == whole
    async with pieces([b"x" * 700_000, b"x" * 700_000]) as url:
        with pytest.raises(OSError, match="longer than 1 MB"):
            await fetch(url)


@asynccontextmanager
async def pieces(sent: list[bytes]) -> AsyncIterator[str]:
    """An issuer whose answer comes in pieces, with time between them."""

    async def give(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for piece in sent:
            await answer.write(piece)
            await asyncio.sleep(0.05)
        return answer

    async with listening(give) as url:
        yield url


async def _is_not_asked_at_every_request() -> None:
    asked: list[float] = []
    clock = [100.0]

    async def away(_: str) -> bytes:
        asked.append(clock[0])
        raise OSError("nobody there")

    keys = Keys(settings(key=None, jwks_url="https://id.example/"), fetch=away, monotonic=lambda: clock[0])
    for moment in (100.0, 101.0, 105.0, 106.0):
        clock[0] = moment
        with pytest.raises(Refusal) as refused:
            await keys.named({"alg": "RS256", "kid": "a"})
        assert refused.value.code is Code.ADAPTER_UNAVAILABLE
    assert asked == [100.0, 106.0]


async def test_an_issuer_that_is_away_is_told_as_such(sqlite_world: World) -> None:
    for broken in (
        500,
        b"no json",
        b"[]",
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "k": "eA", "kid": "a"}]}',
    ):
        async with served([broken]) as url:
            keys = Keys(settings(key=None, jwks_url=url), fetch=fetch)
            with pytest.raises(Refusal) as refused:
                await keys.named({"alg": "RS256", "kid": "a"})
            assert (refused.value.code, refused.value.http_status) == (Code.ADAPTER_UNAVAILABLE, 503)
    await _is_not_asked_at_every_request()
    async with open_api(sqlite_world, settings(key=None, jwks_url=url)) as api:  # nobody listens there now
        answer = await api.get("/v1/calls", by=signed(RSA, "RS256", "a"))
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (
            503,
            "adapter_unavailable",
            "5",
        )


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"]
)
def test_a_file_without_a_key_ends_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    for changes in ({"public_key_file": tmp_path / "key.pem"}, {"jwks_file": tmp_path / "key.pem"}):
        with pytest.raises(ConfigError, match="http"):
            Keys(settings(key=None, **changes), fetch=fetch)
    with pytest.raises(ConfigError, match="cannot be read"):
        Keys(settings(key=None, public_key_file=tmp_path / "absent.pem"), fetch=fetch)


def test_a_private_key_is_no_public_one(tmp_path: Path) -> None:
    text = RSA.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(text)
    with pytest.raises(ConfigError, match="no RSA or P-256 public key"):
        Keys(settings(key=None, public_key_file=tmp_path / "key.pem"), fetch=fetch)


def test_the_key_of_the_tests_is_long_enough() -> None:
    assert isinstance(settings(key=KEY), HttpSettings)
