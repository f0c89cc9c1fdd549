"""T39, and what else a client meets: keys for trying again, sizes, a database that is away, broken rows."""

from __future__ import annotations

import asyncio
import io
import json
import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.rounds import rounds
from tests.kit.faults import everything, fill, give_space
from tests.kit.world import open_world
from tests.security.stage import Api, open_api, token_of
from tests.security.test_t30 import ROWS

BODY = {"tool": "low_once", "args": {"text": "tea"}, "start_mode": "manual"}


async def test_t39_one_key_fifty_times_at_once_is_one_call(both_api: Api) -> None:
    api = both_api
    sent = [api.post("/v1/proposals", BODY, headers={"Idempotency-Key": "k-1"}) for _ in range(50)]
    answers = await asyncio.gather(*sent)
    assert sorted(answer.status for answer in answers) == [200] * 49 + [201]
    assert len({answer.body["call_id"] for answer in answers}) == 1
    assert api.world.place.number("SELECT count(*) FROM tool_calls") == 1
    print(f"T39: {len(answers)}/50 requests with one key, 1 call")


async def test_t39_the_same_key_with_another_body_is_a_conflict(both_api: Api) -> None:
    api = both_api
    key = {"Idempotency-Key": "k-2"}
    first = await api.post("/v1/proposals", BODY, headers=key)
    for other in (
        {**BODY, "args": {"text": "coffee"}},
        {**BODY, "start_mode": "auto"},
        {**BODY, "args": {"text": "tea", "amount": 1}},  # the same call, and yet another body
        {"text": "gibberish"},
    ):
        answer = await api.post("/v1/proposals", other, headers=key)
        assert (answer.status, answer.code) == (409, "idempotency_conflict"), other
    shuffled = dict(reversed(BODY.items()))
    again = await api.post("/v1/proposals", shuffled, headers=key)
    assert (again.status, again.body["call_id"]) == (200, first.body["call_id"])
    assert api.world.place.number("SELECT count(*) FROM tool_calls") == 1


async def test_t39_a_key_is_its_persons_own(api: Api) -> None:
    key = {"Idempotency-Key": "k-3"}
    answers = [await api.post("/v1/proposals", BODY, by=by, headers=key) for by in ("ann", "bob", "zoe")]
    assert [answer.status for answer in answers] == [201] * 3
    assert len({answer.body["call_id"] for answer in answers}) == 3


async def test_t39_a_text_is_the_same_body_the_next_day(api: Api) -> None:
    """What its words mean has moved on meanwhile; the client tries the same request again all the same."""
    key, body = {"Idempotency-Key": "k-4"}, {"text": 'low_once text="x"', "start_mode": "manual"}
    first = await api.post("/v1/proposals", body, headers=key)
    api.world.clock.advance(hours=30)
    again = await api.post("/v1/proposals", body, headers=key)
    assert (again.status, again.body["call_id"]) == (200, first.body["call_id"])


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "schlüssel"])
async def test_a_key_that_cannot_be_one_is_told(api: Api, key: str) -> None:
    answer = await api.post("/v1/proposals", BODY, headers={"Idempotency-Key": key})
    assert (answer.status, answer.code, answer.body["field"]) == (400, "invalid_input", "Idempotency-Key")


async def test_a_body_takes_one_megabyte(api: Api) -> None:
    big = json.dumps({"tool": "low_once", "args": {"text": "x" * 1024 * 1024}}).encode()
    for size in (big, big * 5):
        answer = await api.post("/v1/proposals", raw=io.BytesIO(size))
        assert (answer.status, answer.code) == (413, "payload_too_large")
    fits = json.dumps({"tool": "low_once", "args": {"text": "x" * 900_000}}).encode()
    assert (await api.post("/v1/proposals", raw=io.BytesIO(fits))).code == "invalid_input"


async def test_a_database_that_cannot_be_written_is_told_with_when_to_come_back(both_api: Api) -> None:
    api = both_api
    call, signed = await api.propose(), await api.approved()
    before = everything(api.world.place)
    sent = (
        ("/v1/proposals", {"tool": "low_once", "args": {"text": "x" * 5000}}),
        (f"/v1/calls/{call.id}/approve", {"revision": 1}),
        (f"/v1/calls/{call.id}/edit", {"revision": 1, "changes": {"text": "y" * 5000}}),
        (f"/v1/calls/{signed.id}/execute", None),
    )
    with api.world.place.forbidding("INSERT", "audit_events"):
        for path, body in sent:
            answer = await api.post(path, body, by="cat")
            assert (answer.status, answer.code) == (503, "persist_failed"), path
            assert int(answer.headers["Retry-After"]) > 0
        assert everything(api.world.place) == before
    assert (await api.approve(call)).status == 200
    assert (await api.execute(signed)).body["ok"]
    assert api.world.ledger.effects == {signed.id: 1}


async def test_a_full_disk_is_told_with_when_to_come_back(api: Api) -> None:
    await fill(api.world.db)
    body = {"tool": "low_once", "args": {"text": "x" * 10_000}, "start_mode": "manual"}
    answers = [await api.post("/v1/proposals", body) for _ in range(3)]  # a free page or two may be left
    assert (answers[-1].status, answers[-1].code) == (503, "persist_failed")
    assert (await api.get("/v1/calls")).status == 200
    await give_space(api.world.db)
    assert (await api.post("/v1/proposals", body)).status == 201


async def test_a_row_that_cannot_be_read_is_the_one_500_and_is_set_aside(both_api: Api) -> None:
    api = both_api
    call = await api.approved()
    api.world.change(call, "arguments", "{broken")
    for answer in (await api.get(f"/v1/calls/{call.id}"), await api.execute(call)):
        assert (answer.status, answer.code) == (500, "corrupt_record")
        assert "broken" not in str(answer.body)
    assert api.world.place.number("SELECT count(*) FROM quarantine") == 1
    assert [event.kind for event in api.world.chain("_system")] == ["record.corrupt"]
    assert not api.world.ledger.effects


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["text", "tool", "args", "start_mode", "revision", "comment", "changes", "account_id", "tenant_id", "x"]
)
BODIES = JSON | st.dictionaries(FIELDS, JSON | st.sampled_from(["low_once", "spend", 1, "auto"]), max_size=5)
HEADERS = st.dictionaries(
    st.sampled_from(["Idempotency-Key", "Prefer", "X-Tenant-ID", "X-Account-ID", "Content-Type"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    max_size=2,
)
QUERIES = st.dictionaries(
    st.sampled_from(["limit", "status", "tool", "next_token", "account_id"]), st.text(max_size=12), max_size=2
)
ROUTES = sorted(ROWS)


@settings(
    max_examples=rounds(normal=60, full=150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(data=st.data())
def test_no_request_makes_an_accidental_error(alone: Any, data: st.DataObject) -> None:
    """Whatever the body, the query and the headers: an answer below 500, in JSON, or a problem document."""
    api, run, call_id = alone
    method, path = data.draw(st.sampled_from(ROUTES))
    where = data.draw(st.sampled_from([call_id, str(UUID(int=1)), "x"]) | st.text(max_size=8))
    body, headers = data.draw(BODIES), data.draw(HEADERS)
    query = data.draw(QUERIES)

    async def send() -> None:
        address = api.server.url + path.replace("{id}", re.sub(r"[/?#%\\.]", "_", where) or "_")
        async with api.session.request(
            method,
            address,
            params=query,
            json=body,
            headers={**headers, "Authorization": f"Bearer {token_of('dan')}"},
        ) as answer:
            meant = path == "/readyz" and answer.status == 503  # nobody works for this world
            assert meant or answer.status < 500, (answer.status, await answer.text())
            kind = "application/problem+json" if answer.status >= 400 and not meant else "application/json"
            assert answer.content_type == kind

    run(send())


@pytest.fixture
def alone(tmp_path: Any) -> Any:
    """The door on a loop of its own, since hypothesis calls its test as a plain function."""
    loop = asyncio.new_event_loop()
    world = open_world(tmp_path)
    opened = loop.run_until_complete(world.__aenter__())
    door = open_api(opened)
    api = loop.run_until_complete(door.__aenter__())
    call = loop.run_until_complete(api.propose())
    yield api, loop.run_until_complete, call.id
    loop.run_until_complete(door.__aexit__(None, None, None))
    loop.run_until_complete(world.__aexit__(None, None, None))
    loop.close()
