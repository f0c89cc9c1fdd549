"""The main job as its users do it: message, card, tap, executed once, recorded, answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.bootstrap import Countersign
from tests.e2e.phone import Phones, labels, running_demo

Demo = tuple[Phones, Countersign]


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def test_a_small_expense_is_done_at_once_and_can_be_undone(demo: Demo) -> None:
    phones, _ = demo
    await phones.say("member", "expense 12.50 EUR coffee")
    line = await phones.see("member", "12.50")
    assert any("Undo" in label for label in labels(line))
    assert "Approve" not in " ".join(labels(line))
    answer = await phones.tap("member", line, "Undo")
    assert answer["answered"]
    await phones.see("member", lambda m: m["message_id"] == line["message_id"] and "ndone" in m["text"])
    await phones.say("member", "/expenses")
    await phones.see("member", lambda m: "o expenses" in m["text"])


async def test_a_large_expense_needs_an_approver_who_is_not_the_requester(demo: Demo) -> None:
    phones, _ = demo
    await phones.say("member", "expense 900 EUR new laptop")
    card = await phones.see("member", "900.00")
    assert {"Approve", "Deny"} <= {label.split()[-1] for label in labels(card)}
    own = await phones.tap("member", card, "Approve")
    assert own["answered"]
    assert own["alert"]
    assert "somebody else" in own["text"]
    copy = await phones.see("approver", "900.00")
    assert (await phones.tap("approver", copy, "Approve"))["answered"]
    done = await phones.see("member", lambda m: m["message_id"] == card["message_id"] and "Done" in m["text"])
    assert "Paul" in done["text"]
    assert "Approve" not in " ".join(labels(done))
    await phones.see("approver", lambda m: m["message_id"] == copy["message_id"] and "Done" in m["text"])
    late = await phones.tap("approver", copy, data=_data(copy, "Approve"))
    assert late["alert"]
    assert "already" in late["text"]


async def test_a_denial_is_told_and_changes_nothing(demo: Demo) -> None:
    phones, _ = demo
    await phones.say("member", "expense 900 EUR new laptop")
    copy = await phones.see("approver", "900.00")
    await phones.tap("approver", copy, "Deny")
    denied = await phones.see("member", "Denied")
    assert any("Ask again" in label for label in labels(denied))
    await phones.say("member", "/expenses")
    await phones.see("member", lambda m: "o expenses" in m["text"])


async def test_a_task_is_listed_completed_and_undone(demo: Demo) -> None:
    phones, _ = demo
    await phones.say("member", "create task: review the budget")
    line = await phones.see("member", "review the budget")
    await phones.say("member", "what's on my list")
    await phones.see(
        "member", lambda m: m["message_id"] > line["message_id"] and "review the budget" in m["text"]
    )
    await phones.tap("member", line, "Undo")
    await phones.see("member", lambda m: m["message_id"] == line["message_id"] and "ndone" in m["text"])


async def test_a_missing_argument_is_asked_for(demo: Demo) -> None:
    phones, _ = demo
    await phones.say("member", "/expense")
    question = await phones.see("member", lambda m: m["from"]["is_bot"] and "?" in m["text"])
    await phones.say("member", "12.50", reply_to=question["message_id"])
    await phones.see("member", lambda m: m["message_id"] > question["message_id"] and m["from"]["is_bot"])
    await phones.say("member", "coffee")
    await phones.see("member", "12.50")


async def test_unknown_text_gets_the_nearest_tools_and_help(demo: Demo) -> None:
    phones, _ = demo
    await phones.say("member", "colourless green ideas sleep furiously")
    await phones.see("member", "/help")


async def test_the_admin_reads_history_call_and_audit(demo: Demo) -> None:
    phones, product = demo
    await phones.say("member", "expense 900 EUR new laptop")
    copy = await phones.see("approver", "900.00")
    await phones.tap("approver", copy, "Approve")
    done = await phones.see("member", "Done")
    short = done["text"].split("#")[1][:6]
    await phones.say("admin", "/history")
    await phones.see("admin", short)
    await phones.say("admin", f"/call {short}")
    await phones.see("admin", "new laptop")
    await phones.say("admin", f"/audit {short}")
    await phones.see("admin", lambda m: "done by" in m["text"])
    await phones.say("member", f"/audit {short}")
    head = await product.db.reader.read(lambda records: records.audit.head(product.home))
    assert head[0] > 0


async def test_strangers_have_no_access(demo: Demo) -> None:
    phones, _ = demo
    added = await phones.post("people", key="stranger", action="add", name="Sam Stranger")
    assert added
    await phones.say("stranger", "/start")
    await phones.see("stranger", "no access")
    await phones.say("stranger", "expense 5 EUR sweets")
    await phones.see("stranger", "no access", times=2)


async def test_an_invite_brings_somebody_in_with_a_role(demo: Demo) -> None:
    phones, _ = demo
    await phones.post("people", key="newcomer", action="add", name="Nora New")
    await phones.say("admin", "/invite approver")
    invited = await phones.see("admin", "start=")
    code = json.dumps(invited).split("start=")[1][:10]
    await phones.say("newcomer", f"/start {code}")
    await phones.see("newcomer", "approver")
    await phones.say("member", "expense 900 EUR new laptop")
    copy = await phones.see("newcomer", "900.00")
    assert (await phones.tap("newcomer", copy, "Approve"))["answered"]
    await phones.see("member", "Done")


def _data(message: dict[str, object], label: str) -> str:
    rows = message["buttons"]
    assert isinstance(rows, list)
    return str(next(b["data"] for row in rows for b in row if label in b["text"]))
