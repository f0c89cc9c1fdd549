"""T30: every route of the running router for those who may not: no guard is skipped, nothing is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import pytest
from msgspec.structs import force_setattr

from core.model import ToolCall
from tests.kit.databases import Place
from tests.kit.people import ACME
from tests.security.stage import Answer, Api, token_of

ABSENT: Final = (
    str(UUID(int=7 << 76 | 2 << 62 | 1 << 40)),
    str(UUID(int=0)),
    "nope",
    "A7F3Q2",
    "%00",
    "..%2f..%2fetc",
    "1' OR '1'='1",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a route is sent. `approved`: it is about a call that was signed already."""

    body: Mapping[str, Any] | None = None
    open: bool = False
    approved: bool = False


ROWS: Final[Mapping[tuple[str, str], Row]] = {
    ("GET", "/healthz"): Row(open=True),
    ("GET", "/readyz"): Row(open=True),
    ("GET", "/metrics"): Row(open=True),  # for a token of its own: see test_watched.py
    ("POST", "/v1/proposals"): Row(body={"tool": "low_once", "args": {"text": "x"}}),
    ("GET", "/v1/calls"): Row(),
    ("GET", "/v1/calls/{id}"): Row(),
    ("GET", "/v1/calls/{id}/status"): Row(),
    ("POST", "/v1/calls/{id}/approve"): Row(body={"revision": 1}),
    ("POST", "/v1/calls/{id}/deny"): Row(body={"revision": 1}),
    ("POST", "/v1/calls/{id}/edit"): Row(body={"revision": 1, "changes": {"text": "gold"}}),
    ("POST", "/v1/calls/{id}/execute"): Row(approved=True),
    ("GET", "/v1/switches"): Row(),
    ("POST", "/v1/switches"): Row(body={"reason": "deploy freeze"}),
    ("DELETE", "/v1/switches/{switch}"): Row(),
    ("POST", "/v1/calls/{id}/cancel"): Row(),
}
"""Every route that there is. A new one without a row here fails the first test."""
CLOSED: Final = [route for route, row in ROWS.items() if not row.open]
OF_A_CALL: Final = [route for route in CLOSED if "{id}" in route[1]]


async def send(api: Api, route: tuple[str, str], call: str = ABSENT[0], **more: Any) -> Answer:
    method, path = route
    body = ROWS[route].body
    filled = path.replace("{id}", call).replace("{switch}", ABSENT[0])
    return await api.send(method, filled, body, **more)


async def subject(api: Api, route: tuple[str, str]) -> ToolCall:
    """A call of Ann's, as far as the route needs it."""
    return await (api.approved() if ROWS[route].approved else api.propose())


def state(place: Place) -> tuple[object, ...]:
    """All that a refused request must leave as it is."""
    tables = "tool_calls approvals edits attempts outcomes cards outbox conversations switches"
    return tuple(sorted(map(str, place.rows(f"SELECT * FROM {table}"))) for table in tables.split())


async def test_t30_every_route_has_a_row(api: Api) -> None:
    there = {
        (route.method, resource.canonical)
        for resource in api.server.app.router.resources()
        for route in resource
        if route.method != "HEAD"
    }
    assert there == set(ROWS)
    print(f"T30: {len(ROWS)}/{len(there)} routes, those that need a token asked by whoever may not")


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_t30_without_a_token_nothing_is_answered(both_api: Api, route: tuple[str, str]) -> None:
    api = both_api
    call = await subject(api, route)
    before = state(api.world.place)
    for headers in (
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer x.y"},
        {"Authorization": f"Basic {token_of()}"},
        {"Authorization": f"Bearer {token_of()} {token_of()}"},
        {"X-Tenant-ID": "acme", "X-User-ID": "cat"},
    ):
        answer = await send(api, route, call.id, by=None, headers=headers)
        assert (answer.status, answer.code) == (401, "unauthenticated"), headers
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert state(api.world.place) == before
    assert not api.world.ledger.effects


@pytest.mark.parametrize("route", OF_A_CALL, ids=" ".join)
async def test_t30_foreign_and_absent_calls_are_answered_alike(both_api: Api, route: tuple[str, str]) -> None:
    """By another team's admin, by a member whose call it is not, by somebody limited to other accounts, and
    for ids that never were: one answer, word for word."""
    api = both_api
    call = await subject(api, route)
    before = state(api.world.place)
    limited = token_of("dan", account_ids=["acme:other"])
    answers = [await send(api, route, call.id, by=by) for by in ("zoe", "bob", limited)]
    answers += [await send(api, route, absent, by="dan") for absent in ABSENT]
    assert {(answer.status, answer.code) for answer in answers} == {(404, "not_found")}
    assert len({str(answer.body) for answer in answers}) == 1
    assert len({tuple(sorted(set(answer.headers) - {"Date"})) for answer in answers}) == 1
    assert state(api.world.place) == before
    assert not api.world.ledger.effects


@pytest.mark.parametrize("route", OF_A_CALL, ids=" ".join)
async def test_t30_somebody_of_both_teams_is_told_which_one_it_is(api: Api, route: tuple[str, str]) -> None:
    call = await subject(api, route)
    before = state(api.world.place)
    answer = await send(api, route, call.id, by=token_of("gus", "umbrella"))
    assert (answer.status, answer.code) == (403, "tenant_mismatch")
    assert state(api.world.place) == before


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_t30_the_entry_guards_hold_on_every_route(api: Api, route: tuple[str, str]) -> None:
    call = await subject(api, route)
    before = state(api.world.place)
    for by, status, code in (
        (token_of("eve", "acme"), 403, "not_a_member"),
        (token_of("nobody", "acme"), 403, "not_a_member"),
        (token_of("zoe", "acme"), 403, "not_a_member"),
        (token_of("ann", "nowhere"), 400, "tenant_unknown"),
    ):
        answer = await send(api, route, call.id, by=by)
        assert (answer.status, answer.code) == (status, code)
    api.world.sql("UPDATE tenants SET active = false WHERE id = 'acme'")
    answer = await send(api, route, call.id)
    assert (answer.status, answer.code) == (403, "tenant_inactive")
    assert state(api.world.place) == before
    assert not api.world.ledger.effects


async def test_t30_only_admins_see_pause_and_resume_and_only_their_own_team(both_api: Api) -> None:
    api = both_api
    force_setattr(api.world.env, "home", ACME)
    made = await api.post("/v1/switches", {"reason": "deploy freeze", "for_s": 60}, by="dan")
    assert (made.status, made.headers["Location"]) == (201, f"/v1/switches/{made.body['id']}")
    before = state(api.world.place)
    for by, status, code in (("ann", 403, "not_admin"), ("cat", 403, "not_admin"), ("zoe", 404, "not_found")):
        answer = await api.send("DELETE", f"/v1/switches/{made.body['id']}", by=by)
        assert (answer.status, answer.code) == (status, code)
    limited = token_of("dan", account_ids=["acme:other"])
    body = {"reason": "x"}
    for who, sent, code in (
        ("ann", body, "not_admin"),
        ("cat", body, "not_admin"),
        ("zoe", {**body, "everywhere": True}, "not_admin"),
        (limited, body, "account_forbidden"),
    ):
        answer = await api.post("/v1/switches", sent, by=who)
        assert (answer.status, answer.code) == (403, code)
    for absent in ABSENT[:4]:
        answer = await api.send("DELETE", f"/v1/switches/{absent}", by="dan")
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await api.get("/v1/switches", by="ann")).code == "not_admin"
    assert (await api.get("/v1/switches", by="zoe")).body == {"switches": []}
    (seen,) = (await api.get("/v1/switches", by="dan")).body["switches"]
    assert (seen["id"], seen["by"], seen["reason"]) == (made.body["id"], "Dan", "deploy freeze")
    assert state(api.world.place) == before
    for field, wrong in (
        ("reason", {}),
        ("until", {"reason": "x", "until": "soon"}),
        ("for_s", {"reason": "x", "for_s": 60, "until": "2100-01-01T00:00Z"}),
        ("until", {"reason": "x", "until": "2100-01-01T00:00Z"}),
        ("until", {"reason": "x", "until": "9999-12-31T23:59:59-12:00"}),
        ("until", {"reason": "x", "until": "0001-01-01T00:00:00+12:00"}),
    ):
        answer = await api.post("/v1/switches", wrong, by="dan")
        assert (answer.code, answer.body["field"]) == ("invalid_input", field), wrong
    assert (await api.send("DELETE", f"/v1/switches/{made.body['id']}", by="dan")).status == 200
    assert (await api.get("/v1/switches", by="dan")).body == {"switches": []}


@pytest.mark.parametrize("verb", ["approve", "deny"])
async def test_t30_a_low_role_signs_nothing(api: Api, verb: str) -> None:
    call = await api.propose()
    answer = await api.post(f"/v1/calls/{call.id}/{verb}", {"revision": 1})
    if verb == "approve":
        assert (answer.status, answer.code) == (403, "self_approval")
        assert api.world.sql("SELECT count(*) FROM approvals")[0][0] == 0
        assert "self_approval" in "".join(api.codes())


async def test_t30_others_see_none_of_it_in_lists(api: Api) -> None:
    await api.propose()
    for by in ("zoe", "bob", token_of("gus", "umbrella"), token_of("dan", account_ids=["acme:other"])):
        assert (await api.get("/v1/calls", by=by)).body == {"calls": [], "next_token": None}
    assert len((await api.get("/v1/calls", by="dan")).body["calls"]) == 1


async def test_t30_a_role_that_was_taken_away_is_gone_at_the_next_request(api: Api) -> None:
    call = await api.propose()
    token = token_of("cat")
    assert (await api.get(f"/v1/calls/{call.id}", by=token)).status == 200
    await api.world.role("cat", None)
    answer = await api.approve(call, by=token)
    assert (answer.status, answer.code) == (403, "not_a_member")
