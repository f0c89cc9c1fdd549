"""The rows of the guard table that are about the moment: what they refuse waits, and goes on afterwards."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from core.ids import CallId
from core.model import Breaker, BreakerState
from core.ports import Records
from core.resilience import breaker as rules
from tests.security.doors import Doors


async def guard_13_paused(doors: Doors) -> None:
    """Both doors are told why; both calls wait, the card says so, and they go on afterwards."""
    call = await doors.manual()
    chat_call, card = await doors.asked()
    status, switch = await doors.http("/v1/switches", {"reason": "deploy freeze", "for_s": 3600}, by="admin")
    assert status == 201, switch
    answer = await doors.http(f"/v1/calls/{call}/execute")
    assert (answer[0], answer[1]["code"], answer[1]["reason"]) == (503, "paused", "deploy freeze")
    told = await doors.phones.tap("approver", card, "Approve")
    assert "It waits: paused by Ada Admin: deploy freeze" in told["text"]
    await doors.phones.see("approver", lambda m: "paused by Ada Admin: deploy freeze, until" in m["text"])
    await doors.product.executor.idle()  # the worker's own try is over, and in the audit
    assert doors.refusals()[-2:] == [("api", "paused"), ("system", "paused")]
    await still_waiting(doors, call, chat_call)
    assert (await doors.http(f"/v1/calls/{call}", method="GET"))[1]["held"]["why"].startswith("paused by")
    status, _ = await doors.http(f"/v1/switches/{switch['id']}", method="DELETE", by="admin")
    assert status == 200
    await ends(doors, chat_call)


async def guard_14_under_limits(doors: Doors) -> None:
    """The tool takes one an hour: the second waits, through either door, and says when to try again."""
    known = doors.product.registry.get("stamp")
    doors.product.registry._tools["stamp"] = replace(known, limit="1/hour")
    first, call = await doors.manual(), await doors.manual()
    chat_call, card = await doors.asked()
    assert (await doors.http(f"/v1/calls/{first}/execute"))[0] == 200
    (doors.folder / "ledger").unlink()
    answer = await doors.http(f"/v1/calls/{call}/execute")
    assert (answer[0], answer[1]["code"], answer[1]["limit"]) == (429, "rate_limited", "1/hour")
    await doors.phones.tap("approver", card, "Approve")
    await doors.phones.see("approver", lambda m: "the limit of 1/hour for this tool is reached" in m["text"])
    await doors.product.executor.idle()  # the worker's own try is over, and in the audit
    assert doors.refusals()[-2:] == [("api", "rate_limited"), ("system", "rate_limited")]
    await still_waiting(doors, call, chat_call)
    await doors.phones.post("clock", advance_s=3600)
    await ends(doors, chat_call)


async def guard_15_adapter_available(doors: Doors) -> None:
    """What carries the tool is cut off: both doors are told when to try again, both calls wait and go on."""
    real = doors.product.clock.real()
    shut = rules.new("stamper", now=real)
    down = replace(
        shut, state=BreakerState.OPEN, failures=5, opened_at=real, retry_at=real + timedelta(hours=1)
    )
    call = await doors.manual()
    chat_call, card = await doors.asked()
    await doors.unit(lambda records: _put(records, None, down))
    answer = await doors.http(f"/v1/calls/{call}/execute")
    assert (answer[0], answer[1]["code"], answer[1]["adapter"]) == (503, "adapter_unavailable", "stamper")
    await doors.phones.tap("approver", card, "Approve")
    await doors.phones.see("approver", lambda m: "stamper does not answer" in m["text"])
    await doors.product.executor.idle()  # the worker's own try is over, and in the audit
    assert doors.refusals()[-2:] == [("api", "adapter_unavailable"), ("system", "adapter_unavailable")]
    await still_waiting(doors, call, chat_call)
    now = await doors.product.db.reader.read(lambda records: records.breakers.get("stamper"))
    assert now is not None
    await doors.unit(lambda records: _put(records, now, replace(shut, version=now.version + 1)))
    await ends(doors, chat_call)


def _put(records: Records, before: Breaker | None, after: Breaker) -> None:
    assert records.breakers.put(before, after)


async def still_waiting(doors: Doors, *calls: CallId) -> None:
    """All of them are pending, and none took effect."""
    marks = ", ".join("?" * len(calls))
    assert doors.sql(f"SELECT DISTINCT status FROM tool_calls WHERE id IN ({marks})", *calls) == [
        ("pending",)
    ]
    assert doors.effects() == 0


async def ends(doors: Doors, call: CallId) -> None:
    """The dispatcher takes what it was refused before; its effect is the only one."""
    short = doors.sql("SELECT short_id FROM tool_calls WHERE id = ?", call)[0][0]
    await doors.phones.see("approver", lambda m: f"#{short}" in m["text"] and "🟢" in m["text"])
    assert doors.effects() == 1
    (doors.folder / "ledger").unlink()
