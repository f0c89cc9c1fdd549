"""The guard table (SPEC 2) through both doors of a whole product: taps in Telegram's sandbox, and HTTP.

What a tap signs the dispatcher starts, as everything that is asked for in a chat; the rows from 7 on are
looked at there. No row lets the tool take effect, and each refusal is in the audit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from msgspec.structs import force_setattr, replace

from bot.bootstrap import Countersign
from core.ids import CallId, PersonId, TenantId
from core.model import Role, Tenant
from core.policy import load_policy
from core.ports import Records, Waiting
from tests.e2e.ledger import stamp
from tests.e2e.lives import settled
from tests.e2e.phone import Seen, running_demo
from tests.e2e.rounds import FULL
from tests.e2e.talk import data, joins, stranger_in_group
from tests.security.doors import Doors, Guard
from tests.security.moments import guard_13_paused, guard_14_under_limits, guard_15_adapter_available
from tests.security.stage import ISSUER, KEY, token_of

DENY_ALL: Final = '[[rule]]\nname = "none"\ntool = "stamp"\ndecision = "deny"\nreason = "closed"\n'


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    config = tmp_path / "config.toml"
    config.write_text(f'[http]\nenabled = true\nport = 0\nkey = "{KEY}"\nissuer = "{ISSUER}"\n')
    stamps = replace(stamp(tmp_path / "ledger"), adapter="stamper")
    async with (
        running_demo(tmp_path / "data", config=config, extra=[stamps]) as (phones, product),
        aiohttp.ClientSession() as session,
    ):
        yield Doors(phones=phones, product=product, session=session, folder=tmp_path)


async def both_ways(doors: Doors, call: CallId, card: Seen, *, status: int, code: str) -> None:
    """A tap and a request, both to approve: both refused with this code."""
    before = len(doors.refusals())
    told = await doors.phones.tap("approver", card, "Approve")
    assert told["text"], told
    answer = await doors.http(f"/v1/calls/{call}/approve", {"revision": 1}, by="approver")
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert doors.refusals()[before:] == [("telegram", code), ("api", code)]


async def guard_1_authenticated(doors: Doors) -> None:
    """Telegram says who taps, so nobody is nobody there: who it does not know is no member (5)."""
    call, _ = await doors.asked()
    answer = await doors.http(f"/v1/calls/{call}/execute", by=None)
    assert (answer[0], answer[1]["code"]) == (401, "unauthenticated")
    stranger = await stranger_in_group(doors.phones)
    await doors.phones.say("member", "/stamp shared", chat="group")
    card = await doors.phones.see("group", lambda m: "shared\n" in m["text"] and m["buttons"])
    await doors.phones.tap(stranger, card, "Approve", chat="group")
    assert doors.refusals()[-1][0] == "telegram"
    assert doors.refusals()[-1][1] in {"not_a_member", "not_found"}


async def guard_2_tenant_given(doors: Doors) -> None:
    """The chat's team is the bot's; a token without one is none."""
    call, _ = await doors.asked()
    person = await doors.person("approver")
    assert doors.product.http is not None
    token = token_of(person, tenant_id=None)
    async with doors.session.post(
        f"{doors.product.http.url}/v1/calls/{call}/execute", headers={"Authorization": f"Bearer {token}"}
    ) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (401, "unauthenticated")


async def guard_3_tenant_known(doors: Doors) -> None:
    """A bot's own team is made when it starts; a token may name one that never was."""
    call, _ = await doors.asked()
    answer = await doors.http(f"/v1/calls/{call}/execute", tenant="nowhere")
    assert (answer[0], answer[1]["code"]) == (400, "tenant_unknown")
    assert doors.refusals()[-1] == ("api", "tenant_unknown")


async def guard_4_tenant_active(doors: Doors) -> None:
    call, card = await doors.asked()
    doors.sql("UPDATE tenants SET active = 0")
    await both_ways(doors, call, card, status=403, code="tenant_inactive")
    answer = await doors.http(f"/v1/calls/{call}/execute")
    assert (answer[0], answer[1]["code"]) == (403, "tenant_inactive")
    assert await doors.start(call) == "tenant_inactive"


async def guard_5_member(doors: Doors) -> None:
    call, card = await doors.asked()
    await doors.role("approver", None)
    await both_ways(doors, call, card, status=403, code="not_a_member")
    answer = await doors.http(f"/v1/calls/{call}/execute", by="approver")
    assert (answer[0], answer[1]["code"]) == (403, "not_a_member")


async def guard_6_found(doors: Doors) -> None:
    """Another member, who brings the button's data from elsewhere, or the call's id."""
    call, card = await doors.asked()
    await joins(doors.phones, "nora", "member")
    hers = await doors.phones.see("nora", lambda m: m["from"]["is_bot"])
    await doors.phones.tap("nora", hers, data=data(card, "Approve"))
    assert doors.refusals()[-1] == ("telegram", "not_found")
    for verb, body in (("approve", {"revision": 1}), ("execute", None)):
        answer = await doors.http(f"/v1/calls/{call}/{verb}", body, by="nora")
        assert (answer[0], answer[1]["code"]) == (404, "not_found")
    assert doors.refusals()[-1] == ("api", "not_found")


async def guard_7_pending(doors: Doors) -> None:
    call, _ = await doors.asked()
    answer = await doors.http(f"/v1/calls/{call}/execute")
    assert (answer[0], answer[1]["code"], answer[1]["current_status"]) == (400, "not_pending", "proposed")
    assert await doors.start(call) == "not_pending"
    assert doors.refusals()[-2:] == [("api", "not_pending"), ("system", "not_pending")]


async def guard_8_owner(doors: Doors) -> None:
    """In a group another member sees the card, and may not withdraw it. Over HTTP nobody is shown anything,
    so that 6 answers first. An approver may start what somebody else asked for, and is named as who did."""
    await joins(doors.phones, "nora", "member")
    await doors.phones.post("members", chat="group", action="add", key="nora")
    await doors.phones.say("member", "/stamp shared", chat="group")
    card = await doors.phones.see("group", lambda m: "shared\n" in m["text"] and m["buttons"])
    await doors.phones.tap("nora", card, "Cancel", chat="group")
    assert doors.refusals()[-1] == ("telegram", "not_owner")
    call = await doors.manual()
    answer = await doors.http(f"/v1/calls/{call}/execute", by="nora")
    assert (answer[0], answer[1]["code"]) == (404, "not_found")
    assert doors.effects() == 0
    answer = await doors.http(f"/v1/calls/{call}/execute", by="approver")
    assert (answer[0], answer[1]["ok"]) == (200, True)
    actor = doors.sql("SELECT actor FROM audit_events WHERE call_id = ? AND kind = 'call.running'", call)
    assert actor == [(await doors.person("approver"),)]
    (doors.folder / "ledger").unlink()


async def guard_9_same_tenant(doors: Doors) -> None:
    """An approver of two teams, with a token for the other one."""
    call = await doors.manual()
    person, now = await doors.person("approver"), doors.product.clock.now()
    other = Tenant(id=TenantId("other"), name="Other", active=True, currency="EUR", timezone="UTC")

    def join(records: Records) -> None:
        records.people.add_tenant(other, now=now)
        records.people.set_role(other.id, person, Role.ADMIN, now=now)

    await doors.unit(join)
    answer = await doors.http(f"/v1/calls/{call}/execute", by="approver", tenant="other")
    assert (answer[0], answer[1]["code"]) == (403, "tenant_mismatch")
    assert doors.refusals()[-1] == ("api", "tenant_mismatch")


async def guard_10_tool_known(doors: Doors) -> None:
    call = await doors.manual()
    chat_call, card = await doors.asked()
    del doors.product.registry._tools["stamp"]
    answer = await doors.http(f"/v1/calls/{call}/execute")
    assert (answer[0], answer[1]["code"]) == (400, "tool_not_found")
    await doors.phones.tap("approver", card, "Approve")
    await settled(doors.product)
    assert doors.refusals()[-2:] == [("api", "tool_not_found"), ("system", "tool_not_found")]
    assert doors.sql("SELECT DISTINCT status FROM tool_calls WHERE id IN (?, ?)", call, chat_call) == [
        ("denied",)
    ]


async def guard_11_policy(doors: Doors) -> None:
    call = await doors.manual()
    chat_call, card = await doors.asked()
    stricter = load_policy(DENY_ALL, tools=["stamp"])
    force_setattr(doors.product.env, "policy", lambda: stricter)
    answer = await doors.http(f"/v1/calls/{call}/execute")
    assert (answer[0], answer[1]["code"]) == (403, "policy_forbids")
    await doors.phones.tap("approver", card, "Approve")
    await settled(doors.product)
    assert doors.refusals()[-2:] == [("api", "policy_forbids"), ("system", "policy_forbids")]
    assert doors.sql("SELECT DISTINCT status FROM tool_calls WHERE id IN (?, ?)", call, chat_call) == [
        ("denied",)
    ]


async def guard_12_quorum(doors: Doors) -> None:
    """Who signed loses the right before it starts: back to be signed, through both doors."""
    call = await doors.manual()
    chat_call, card = await doors.asked()
    async with held_up(doors.product):
        await doors.phones.tap("approver", card, "Approve")
        await doors.role("approver", Role.MEMBER)
    await settled(doors.product)
    assert doors.refusals()[-1] == ("system", "approval_invalid")
    answer = await doors.http(f"/v1/calls/{call}/execute")
    assert (answer[0], answer[1]["code"]) == (403, "approval_invalid")
    assert doors.sql(
        "SELECT DISTINCT status, revision FROM tool_calls WHERE id IN (?, ?)", call, chat_call
    ) == [("proposed", 2)]


@asynccontextmanager
async def held_up(product: Countersign) -> AsyncIterator[None]:
    """Meanwhile every slot of the executor is taken, and nothing starts."""
    turns, nobody = product.executor._turns, Waiting(CallId(""), product.home, PersonId(""), "")
    for _ in range(product.settings.workers.concurrency):
        turns.take(nobody)
    try:
        yield
    finally:
        for _ in range(product.settings.workers.concurrency):
            turns.done(nobody)


TABLE: Final[Mapping[int, Guard]] = {
    1: guard_1_authenticated,
    2: guard_2_tenant_given,
    3: guard_3_tenant_known,
    4: guard_4_tenant_active,
    5: guard_5_member,
    6: guard_6_found,
    7: guard_7_pending,
    8: guard_8_owner,
    9: guard_9_same_tenant,
    10: guard_10_tool_known,
    11: guard_11_policy,
    12: guard_12_quorum,
    13: guard_13_paused,
    14: guard_14_under_limits,
    15: guard_15_adapter_available,
}


@pytest.mark.parametrize("number", TABLE)
async def test_each_guard_holds_at_both_doors(doors: Doors, number: int) -> None:
    await TABLE[number](doors)
    assert doors.effects() == 0


async def test_every_guard_that_there_is_has_a_row() -> None:
    from core.guards import GUARDS  # noqa: PLC0415

    assert set(TABLE) == set(range(1, len(GUARDS) + 1))


ROUNDS: Final = 200 if FULL else 20


async def test_t03_both_doors_decide_at_once_and_one_does(doors: Doors) -> None:
    """The approver's tap and the admin's request for or against it, at one moment: one decision, and what it
    was is what happens."""
    expected = 0
    for number in range(ROUNDS):
        call, card = await doors.asked(f"paper-{number}")
        verb = "deny" if number % 2 else "approve"
        tapped, answer = await asyncio.gather(
            doors.phones.tap("approver", card, "Approve"),
            doors.http(f"/v1/calls/{call}/{verb}", {"revision": 1}, by="admin"),
        )
        votes = doors.sql("SELECT vote FROM approvals WHERE call_id = ?", call)
        assert len(votes) == 1, (number, votes, tapped, answer)
        assert (answer[0] == 200) == (
            doors.sql("SELECT channel FROM approvals WHERE call_id = ?", call) == [("api",)]
        ), answer
        assert answer[0] == 200 or answer[1]["code"] == "already_decided"
        expected += votes == [("approved",)]
        await settled(doors.product)
    assert doors.effects() == expected
    print(f"T3: {ROUNDS}/200 rounds over two doors, {ROUNDS} decisions, {expected} effects")
