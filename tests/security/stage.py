"""The HTTP door, really listening, over the small world; and the tokens that open it, or should not."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import aiohttp
import jwt

from bot.clock import SystemClock
from bot.config_http import HttpSettings
from bot.http.app import HttpServer, fetch
from bot.http.door import Door
from bot.http.keys import Keys
from bot.workers.executor import Executor, RecordsToolStore
from core.ids import CallId
from core.model import ToolCall
from storage.pages import SqlPages
from tests.kit.world import PEOPLE, World

KEY: Final = "a-key-of-the-tests-that-is-long-enough-for-hs256"
ISSUER: Final = "https://id.test"


def claims_of(person: str = "ann", tenant: str = "", **changes: Any) -> dict[str, Any]:
    """The claims of a good token of this person, in their (first) team; None takes a claim out."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": "countersign",
        "sub": person,
        "tenant_id": tenant or next(iter(PEOPLE.get(person, {})), "acme"),
        "iat": int(time.time()),
        "exp": int(time.time()) + 600,
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def token_of(person: str = "ann", tenant: str = "", **changes: Any) -> str:
    """A token signed with the key that the door has."""
    return jwt.encode(claims_of(person, tenant, **changes), KEY, algorithm="HS256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The code of the problem that this must be: a document of its form, without a trace of our code."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self
        assert self.body["status"] == self.status
        assert {"type", "title", "status", "code", "detail"} <= set(self.body)
        assert "Traceback" not in str(self.body)
        code: str = self.body["code"]
        return code


@dataclass
class Api:
    """A client of the door. `by` is a person, or a whole token."""

    world: World
    server: HttpServer
    executor: Executor
    session: aiohttp.ClientSession

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: str | None = "ann",
        raw: bytes | BytesIO | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, and its whole answer."""
        token = token_of(by) if by is not None and "." not in by else by
        sent = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self.session.request(
            method,
            self.server.url + path,
            headers={**sent, **(headers or {})},
            **({"data": raw} if raw is not None else {} if body is None else {"json": body}),
        ) as answer:
            return Answer(
                status=answer.status,
                body=await answer.json(content_type=None),
                headers=dict(answer.headers),
            )

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.send("POST", path, body, **more)

    async def propose(self, tool: str = "high_once", *, by: str = "ann", **more: Any) -> ToolCall:
        """A call that was proposed over HTTP, started by `execute` only."""
        body = {"tool": tool, "args": {"text": "tea"}, "start_mode": "manual", **more}
        answer = await self.post("/v1/proposals", body, by=by)
        assert answer.status == 201, answer
        return await self.world.call(CallId(answer.body["call_id"]))

    async def approve(self, call: ToolCall, *, by: str = "cat", **more: Any) -> Answer:
        return await self.post(f"/v1/calls/{call.id}/approve", {"revision": call.revision, **more}, by=by)

    async def approved(self, tool: str = "high_once") -> ToolCall:
        """A call that waits for its `execute`."""
        call = await self.propose(tool)
        answer = await self.approve(call)
        assert answer.status == 200, answer
        return await self.world.call(call)

    async def execute(self, call: ToolCall, *, by: str = "ann", **more: Any) -> Answer:
        return await self.post(f"/v1/calls/{call.id}/execute", by=by, **more)

    def codes(self) -> list[str]:
        """The codes of all refusals in the audit, of all tenants."""
        return [
            event
            for (event,) in self.world.sql(
                "SELECT content FROM audit_events WHERE kind = 'refused' ORDER BY tenant_id, seq"
            )
        ]


def settings(**changes: Any) -> HttpSettings:
    """The door's settings in these tests: a shared key, on a free port."""
    given = {"enabled": True, "port": 0, "key": KEY, "issuer": ISSUER, "leeway": "30s"}
    return HttpSettings.model_validate({**given, **changes})


@asynccontextmanager
async def open_api(world: World, given: HttpSettings | None = None, **more: Any) -> AsyncIterator[Api]:
    """The door over this world, with an executor that takes what waits; closed cleanly."""
    clock = SystemClock(lambda: world.clock.now().timestamp())
    executor = Executor(
        uow=world.db.writer,
        reader=world.db.reader,
        runner=world.runner,
        store=RecordsToolStore(world.db.writer, world.db.reader),
        env=world.env,
        clock=clock,
        worker="test",
        sole=True,
        concurrency=4,
    )
    world.db.writer.listen("pending", executor.offer)
    given = given or settings()
    server = HttpServer(
        Door(
            settings=given,
            keys=Keys(given, fetch=fetch),
            uow=world.db.writer,
            reader=world.db.reader,
            pages=SqlPages(lambda: world.db.pages),
            env=world.env,
            clock=clock,
            execute=executor.execute,
            storage_errors=world.db.backend.errors,
            **more,
        )
    )
    await server.start()
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield Api(world=world, server=server, executor=executor, session=session)
    finally:
        await server.stop()
        await executor.drain(5)
