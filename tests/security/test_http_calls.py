"""A call's whole life over HTTP, as a program sees it."""

from __future__ import annotations

import asyncio
import sys

import pytest

from core.errors import ConfigError, ToolError
from core.ids import CallId
from core.lifecycle import Status
from core.tool import Retry, ToolContext, ToolResult
from tests.kit.tools import Note, tool
from tests.kit.world import World
from tests.security.stage import Api, open_api, settings, token_of


async def test_a_low_call_is_proposed_in_words_runs_and_is_read(both_api: Api) -> None:
    api = both_api
    answer = await api.post("/v1/proposals", {"text": 'low_once text="two words"'})
    assert (answer.status, answer.body["policy"]["decision"], answer.body["ok"]) == (201, "allow", True)
    assert answer.body["proposed"] == {
        "tool": "low_once",
        "input": {"text": "two words", "amount": 1},
        "risk_level": "low",
    }
    call_id = CallId(answer.body["call_id"])
    assert answer.headers["Location"] == f"/v1/calls/{call_id}"
    while (task := api.executor._running.get(call_id)) is not None:
        await task
    found = await api.get(f"/v1/calls/{call_id}")
    assert (found.status, found.body["status"], found.body["phase"]) == (200, "completed", "COMPLETED")
    assert found.body["formatted"] == "Noted: two words"
    assert found.body["tool_result"] == {"attempt": 1}
    assert found.body["execution"]["attempt_count"] == 1
    assert api.world.ledger.effects == {call_id: 1}


async def test_a_high_call_is_signed_and_executed_once(both_api: Api) -> None:
    api = both_api
    call = await api.propose()
    assert (await api.execute(call)).code == "not_pending"
    signed = await api.approve(call, comment="fine")
    assert (signed.status, signed.body["status"], signed.body["phase"]) == (200, "pending", "PENDING")
    assert signed.body["approval"]["decision"] == "approved"
    assert (signed.body["approval"]["approved_by"], signed.body["approval"]["comment"]) == ("Cat", "fine")
    done = await api.execute(call)
    assert (done.status, done.body["ok"], done.body["status"]) == (200, True, "completed")
    assert done.body["result_summary"] == {"success": True, "formatted": "Noted: tea", "error": None}
    again = await api.execute(call)
    assert (again.status, again.code, again.body["current_status"]) == (400, "not_pending", "completed")
    assert "has already been executed" in again.body["detail"]
    assert api.world.ledger.effects == {call.id: 1}
    status = await api.get(f"/v1/calls/{call.id}/status", by="cat")
    assert status.body["external_object_refs"] == {"path": "ledger"}
    assert status.body["attempt_count"] == 1


async def test_a_tool_that_fails_is_executed_all_the_same(api: Api) -> None:
    call = await api.propose("fails")
    answer = await api.execute(call)
    assert (answer.status, answer.body["ok"], answer.body["status"]) == (200, False, "failed")
    assert answer.body["result_summary"] == {"success": False, "formatted": "", "error": "no paper"}
    status = await api.get(f"/v1/calls/{call.id}/status")
    assert (status.body["error_class"], status.body["error_message"]) == ("paper", "no paper")


async def test_an_end_that_nobody_saw_is_told_as_interrupted(api: Api) -> None:
    call = await api.propose("unclear")
    answer = await api.execute(call)
    assert (answer.body["status"], answer.body["phase"], answer.body["ok"]) == (
        "interrupted",
        "INTERRUPTED",
        False,
    )
    assert answer.body["result_summary"]["success"] is False


async def test_who_does_not_wait_is_told_where_to_look(api: Api) -> None:
    call = await api.approved()
    answer = await api.execute(call, headers={"Prefer": "respond-async, wait=10"})
    assert (answer.status, answer.body["status"]) == (202, "running")
    assert answer.headers["Preference-Applied"] == "respond-async"
    while (task := api.executor._running.get(call.id)) is not None:
        await task
    status = await api.get(answer.headers["Location"])
    assert (status.body["status"], status.body["result_summary"]["success"]) == ("completed", True)


async def test_who_waits_for_a_call_that_is_tried_again_later_is_told_where_to_look(world: World) -> None:
    async def later(_arguments: Note, _context: ToolContext) -> ToolResult:
        raise ToolError("busy", transient=True, retry_after_s=3600.0)

    retry = Retry(attempts=3, within_s=7200.0)
    world.registry.register(tool("later", run=later, idempotent=True, retry=retry, timeout_s=0.5))
    async with open_api(world, patience_s=0.0) as api:
        call = await api.propose("later")
        async with asyncio.timeout(10):
            answer = await api.execute(call)
        assert (answer.status, answer.body["status"], answer.body["ok"]) == (202, "running", True)
        assert "Preference-Applied" not in answer.headers
        status = await api.get(answer.headers["Location"])
        assert (status.body["status"], status.body["attempt_count"]) == ("running", 2)


async def test_a_denial_with_its_reason(api: Api) -> None:
    call = await api.propose()
    answer = await api.post(f"/v1/calls/{call.id}/deny", {"revision": 1, "comment": "too dear"}, by="cat")
    assert (answer.status, answer.body["status"], answer.body["ok"]) == (200, "denied", False)
    assert (answer.body["approval"]["decision"], answer.body["approval"]["comment"]) == ("denied", "too dear")
    late = await api.approve(call)
    assert (late.status, late.code, late.body["current_status"]) == (409, "already_decided", "denied")


async def test_an_edit_is_a_new_revision_that_nobody_signed(api: Api) -> None:
    call = await api.propose()
    answer = await api.post(f"/v1/calls/{call.id}/edit", {"revision": 1, "changes": {"text": "coffee"}})
    assert (answer.status, answer.body["revision"]) == (200, 2)
    assert answer.body["proposed"]["input"]["text"] == "coffee"
    stale = await api.approve(call)
    assert (stale.status, stale.code, stale.body["current_revision"]) == (412, "stale_revision", 2)
    found = await api.get(f"/v1/calls/{call.id}")
    assert found.body["edits"][0]["changes"] == [{"field": "text", "before": "tea", "after": "coffee"}]


async def test_policy_says_no_and_why(api: Api) -> None:
    api.world.rules('[[rule]]\nname = "never"\ntool = "high_once"\ndecision = "deny"\nreason = "not here"\n')
    answer = await api.post("/v1/proposals", {"tool": "high_once", "args": {"text": "x"}})
    assert (answer.status, answer.body["ok"], answer.body["status"]) == (201, False, "denied")
    assert answer.body["policy"] == {"decision": "deny", "reason": "not here", "rule": "never"}


async def test_lists_are_narrowed_and_paged(api: Api) -> None:
    mine = [await api.propose("low_once") for _ in range(3)]
    await api.propose("high_once", by="bob")
    page = await api.get("/v1/calls?limit=2")
    assert [row["call_id"] for row in page.body["calls"]] == [mine[2].id, mine[1].id]
    rest = await api.get(f"/v1/calls?limit=2&next_token={page.body['next_token']}")
    assert ([row["call_id"] for row in rest.body["calls"]], rest.body["next_token"]) == ([mine[0].id], None)
    admins = await api.get("/v1/calls?status=proposed,completed&tool=high_once", by="dan")
    assert [row["status"] for row in admins.body["calls"]] == ["proposed"]
    for query, code in (
        ("limit=0", "invalid_limit"),
        ("limit=101", "invalid_limit"),
        ("limit=x", "invalid_limit"),
        ("status=nope", "invalid_input"),
        ("next_token=nope", "invalid_input"),
        ("tool=%00", "invalid_input"),
    ):
        assert (await api.get(f"/v1/calls?{query}")).code == code, query


async def test_what_waits_for_my_signature(api: Api) -> None:
    mine = [await api.propose(), await api.propose(by="bob")]
    await api.propose(by="cat")
    await api.propose("low_once")
    listed = await api.get("/v1/calls?waiting=me", by="cat")
    assert [row["call_id"] for row in listed.body["calls"]] == [call.id for call in mine]
    assert (await api.get("/v1/calls?waiting=me")).body["calls"] == []
    limited = token_of("cat", account_ids=["acme:other"])
    assert (await api.get("/v1/calls?waiting=me", by=limited)).body["calls"] == []
    assert (await api.get("/v1/calls?waiting=you", by="cat")).code == "invalid_input"
    assert (await api.get("/v1/calls?waiting=me", by=token_of("eve", "acme"))).code == "not_a_member"


async def test_what_waits_is_paged_and_of_the_tokens_accounts(both_api: Api) -> None:
    """A page is full though others' calls lie before it, and the one after the last is none."""
    api, other = both_api, token_of("bob", account_ids=["acme:bob"])
    for _ in range(3):
        await api.propose()
    theirs = [(await api.propose(by=other)).id for _ in range(4)]
    assert await waiting(api, by=token_of("cat", account_ids=["acme:bob"])) == [theirs[:2], theirs[2:]]
    everybodys = await waiting(api, by="cat")
    assert [len(page) for page in everybodys] == [2, 2, 2, 1]
    assert len({call for page in everybodys for call in page}) == 7
    assert (await api.get("/v1/calls?waiting=me&next_token=nope", by="cat")).code == "invalid_input"
    assert (await api.get("/v1/calls?waiting=me&limit=101", by="cat")).code == "invalid_limit"


async def waiting(api: Api, *, by: str) -> list[list[str]]:
    """All pages of what waits for this person, two calls on each."""
    pages: list[list[str]] = []
    token: str | None = ""
    while token is not None:
        page = (await api.get(f"/v1/calls?waiting=me&limit=2{token and '&next_token='}{token}", by=by)).body
        pages.append([row["call_id"] for row in page["calls"]])
        token = page["next_token"]
    return pages


async def test_what_is_not_used_is_not_loaded() -> None:
    """A bot without the door starts as fast as before there was one."""
    code = "import sys, bot.bootstrap; print({'jwt', 'aiohttp.web', 'bot.http.app'} & set(sys.modules))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert told.decode().strip() == "set()"


async def test_a_port_that_is_taken_ends_the_start(api: Api) -> None:
    port = int(api.server.url.rsplit(":", 1)[1])
    with pytest.raises(ConfigError, match=r"http\.port"):
        async with open_api(api.world, settings(port=port)):
            pass


async def test_a_proposal_that_cannot_be_told_names_the_field(api: Api) -> None:
    for body, field in (
        ({}, "text"),
        ({"text": "x", "tool": "low_once"}, "text"),
        ({"text": "x", "args": {}}, "text"),
        ({"text": ""}, "text"),
        ({"text": "gibberish of no kind"}, "text"),
        ({"tool": "low_once", "args": {}}, "text"),
        ({"tool": "low_once", "args": {"text": "x", "amount": "many"}}, "amount"),
        ({"tool": "low_once", "args": [1]}, "args"),
        ({"tool": "low_once", "surprise": 1}, "surprise"),
        ({"tool": "low_once", "args": {"text": "x"}, "start_mode": "after"}, "start_mode"),
    ):
        answer = await api.post("/v1/proposals", body)
        assert (answer.status, answer.code, answer.body["field"]) == (400, "invalid_input", field), body
        assert {"given", "allowed"} <= set(answer.body)
    unknown = await api.post("/v1/proposals", {"tool": "nope", "args": {}})
    assert (unknown.status, unknown.code, unknown.body["tool"]) == (400, "tool_not_found", "nope")


async def test_what_is_no_json_object_is_refused(api: Api) -> None:
    for raw in (b"{", b"[]", b'"x"', b"\xff", b'{"text": NaN}', b'{"text": "\\u0000"}', b"[" * 100_000):
        answer = await api.post("/v1/proposals", raw=raw)
        assert (answer.status, answer.code) == (400, "invalid_json"), raw[:20]


async def test_health_needs_no_token_and_addresses_and_methods_are_told(api: Api) -> None:
    assert (await api.get("/healthz", by=None)).body == {"status": "ok"}
    nowhere = await api.get("/v1/nowhere")
    assert (nowhere.status, nowhere.code) == (404, "not_found")
    wrong = await api.send("DELETE", "/v1/proposals")
    assert (wrong.status, wrong.code, wrong.headers["Allow"]) == (405, "method_not_allowed", "POST")


async def test_a_status_is_of_the_one_table(api: Api) -> None:
    call = await api.propose()
    found = await api.get(f"/v1/calls/{call.id}", by="dan")
    assert Status(found.body["status"]) is Status.PROPOSED
    assert "tool_result" not in found.body


async def test_what_waits_is_withdrawn_and_what_runs_is_asked_to_stop(api: Api) -> None:
    call = await api.propose()
    gone = await api.post(f"/v1/calls/{call.id}/cancel")
    assert (gone.status, gone.body["status"], gone.body["phase"]) == (200, "cancelled", "CANCELLED")
    again = await api.post(f"/v1/calls/{call.id}/cancel")
    assert (again.status, again.code, again.body["current_status"]) == (400, "not_pending", "cancelled")
    signed = await api.approved()
    await api.world.started(signed, worker="another")
    asked = await api.post(f"/v1/calls/{signed.id}/cancel", by="cat")
    assert (asked.status, asked.body["status"], asked.body["asked_to_stop_by"]) == (202, "running", "Cat")
    assert asked.headers["Location"] == f"/v1/calls/{signed.id}/status"
    assert (await api.post(f"/v1/calls/{signed.id}/cancel")).status == 202
    assert api.world.kinds(signed).count("call.stop_asked") == 1
    assert not api.world.ledger.effects
