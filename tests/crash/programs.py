"""Programs that act for the people of a stage, through its HTTP door."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import aiohttp
import jwt

from tests.crash.cases import Trigger
from tests.crash.stage import Stage
from tests.crash.victim import DOOR, ISSUER, KEY

_CHATS = {"member": "1001", "approver": "1002", "admin": "1003"}
_ONE = "SELECT count(*) FROM tool_calls WHERE arguments LIKE ?"


def sending(
    stage: Stage,
    person: str,
    path: str,
    body: dict[str, Any],
    *,
    word: str = "",
    method: str = "POST",
    **headers: str,
) -> Trigger:
    """One request of a program that acts for this person. Nobody may live long enough to answer it; once it
    is answered, exactly one call has the word."""

    async def trigger() -> None:
        assert stage.life is not None
        url = next(told for told in stage.life.heard if told.startswith(DOOR)).removeprefix(DOOR)
        given = {"Authorization": f"Bearer {token_of(stage, person)}", **headers}
        with suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession() as session,
                session.request(method, url + path, json=body, headers=given) as answer,
            ):
                assert answer.status < 500, await answer.text()
                assert not word or stage.seen.number(_ONE, f"%{word}%") == 1

    return trigger


def token_of(stage: Stage, person: str) -> str:
    """A token of theirs, as an issuer gives it that the door was told to believe."""
    ((person_id, tenant),) = stage.seen.rows(
        "SELECT m.person_id, m.tenant_id FROM memberships m JOIN identities i ON i.person_id = m.person_id "
        "WHERE i.channel = 'telegram' AND i.subject = ?",
        _CHATS[person],
    )
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "countersign", "iat": now, "exp": now + 24 * 3600}
    return jwt.encode({**claims, "sub": person_id, "tenant_id": tenant}, KEY, algorithm="HS256")
