"""A whole product with both doors open, taps in Telegram's sandbox and HTTP, and what to drive them with."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bot.bootstrap import Countersign
from core.engine import Refused
from core.ids import CallId, PersonId
from core.model import SYSTEM, Channel, Role
from core.ports import Records
from tests.e2e.ledger import effects
from tests.e2e.lives import settled
from tests.e2e.phone import Phones, Seen
from tests.e2e.talk import card_at
from tests.security.stage import token_of


@dataclass
class Doors:
    """A product with both doors open, and what to drive them with."""

    phones: Phones
    product: Countersign
    session: aiohttp.ClientSession
    folder: Path

    async def person(self, key: str) -> PersonId:
        """Who a phone is to the product."""
        chats = await self.phones.get("state")
        number = next(one["id"] for one in chats["people"] if one["key"] == key)
        found = await self.product.db.reader.read(
            lambda records: records.people.identity(Channel.TELEGRAM, str(number))
        )
        assert found is not None
        return found.person_id

    async def http(
        self,
        path: str,
        body: Any = None,
        *,
        by: str | None = "member",
        tenant: str = "main",
        method: str = "POST",
    ) -> tuple[int, Mapping[str, Any]]:
        """A request as this phone's person; without one, without a token."""
        assert self.product.http is not None
        headers = {}
        if by is not None:
            headers["Authorization"] = f"Bearer {token_of(await self.person(by), tenant)}"
        url = self.product.http.url + path
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def asked(self, paper: str = "paper") -> tuple[CallId, Seen]:
        """A stamp that the member asks for in chat, and the approver's card."""
        await self.phones.say("member", f"/stamp {paper}")
        card = await card_at(self.phones, "approver", f"{paper}\n")
        return CallId(self.sql("SELECT id FROM tool_calls ORDER BY id DESC LIMIT 1")[0][0]), card

    async def manual(self, *, signed: bool = True) -> CallId:
        """A stamp that the member asks for over HTTP, which only `execute` starts; signed in chat."""
        body = {"tool": "stamp", "args": {"text": "manual"}, "start_mode": "manual"}
        status, answer = await self.http("/v1/proposals", body)
        assert status == 201, answer
        if signed:
            card = await card_at(self.phones, "approver", "manual\n")
            await self.phones.tap("approver", card, "Approve")
            await settled(self.product)
        return CallId(answer["call_id"])

    async def start(self, call: CallId) -> str:
        """The code with which the dispatcher is refused."""
        answer = await self.product.executor.execute(call, SYSTEM)
        assert isinstance(answer, Refused), answer
        return answer.refusal.code.value

    async def unit(self, work: Callable[[Records], None]) -> None:
        await self.product.db.writer.run("test", work)

    async def role(self, key: str, role: Role | None) -> None:
        person = await self.person(key)
        now = self.product.clock.now()
        await self.unit(lambda records: records.people.set_role(self.product.home, person, role, now=now))

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "data" / "countersign.sqlite3", timeout=30) as connection:
            return connection.execute(statement, values).fetchall()

    def refusals(self) -> list[tuple[str, str]]:
        """The door and the code of every refusal in the audit, in order."""
        rows = self.sql("SELECT content FROM audit_events WHERE kind = 'refused' ORDER BY at, seq")
        return [(each["channel"], each["code"]) for each in map(json.loads, (row[0] for row in rows))]

    def effects(self) -> int:
        return sum(effects(self.folder / "ledger").values())


Guard = Callable[[Doors], Awaitable[None]]
