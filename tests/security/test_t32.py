"""T32: what a request says of its tenant, person or account against its token is never obeyed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.security.stage import Api, token_of
from tests.security.test_t30 import ABSENT, CLOSED, ROWS, state, subject

AGAINST: Final[dict[str, tuple[dict[str, str], str]]] = {
    "a header's tenant": ({"X-Tenant-ID": "umbrella"}, ""),
    "a header's tenant in other letters": ({"x-tenant-id": "ACME"}, ""),
    "an empty tenant": ({"X-Tenant-ID": ""}, ""),
    "a query's tenant": ({}, "?tenant_id=umbrella"),
    "a query that says both": ({}, "?tenant_id=acme&tenant_id=umbrella"),
    "a header's person": ({"X-User-ID": "cat"}, ""),
    "a query's person": ({}, "?user_id=cat"),
}
BODIES: Final[tuple[Mapping[str, Any], ...]] = (
    {"tenant_id": "umbrella"},
    {"tenant_id": ["acme"]},
    {"tenant_id": None},
    {"tenant_id": {"acme": 1}},
    {"user_id": "cat"},
    {"user_id": None},
)


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_t32_headers_and_queries_are_not_obeyed(both_api: Api, route: tuple[str, str]) -> None:
    api = both_api
    call = await subject(api, route)
    before = state(api.world.place)
    method, path = route
    for name, (headers, query) in AGAINST.items():
        answer = await api.send(
            method,
            path.replace("{id}", call.id).replace("{switch}", ABSENT[0]) + query,
            ROWS[route].body,
            by="gus",
            headers=headers,
        )
        assert (answer.status, answer.code) == (403, "claim_mismatch"), name
    assert state(api.world.place) == before
    assert sum("claim_mismatch" in content for content in api.codes()) == len(AGAINST)


@pytest.mark.parametrize("route", [route for route in CLOSED if route[0] == "POST"], ids=" ".join)
async def test_t32_bodies_are_not_obeyed(api: Api, route: tuple[str, str]) -> None:
    call = await subject(api, route)
    before = state(api.world.place)
    for said in BODIES:
        body = {**(ROWS[route].body or {}), **said}
        answer = await api.send("POST", route[1].replace("{id}", call.id), body, by="gus")
        assert (answer.status, answer.code) == (403, "claim_mismatch"), said
    for said in ({"account_id": "umbrella:api"}, {"account_id": "acme:other"}, {"account_id": ["acme:api"]}):
        body = {**(ROWS[route].body or {}), **said}
        answer = await api.send("POST", route[1].replace("{id}", call.id), body, by="gus")
        assert (answer.status, answer.code) == (403, "account_forbidden"), said
    assert state(api.world.place) == before


async def test_t32_what_agrees_is_no_contradiction(api: Api) -> None:
    body = {"tool": "low_once", "args": {"text": "x"}, "tenant_id": "acme", "user_id": "ann"}
    answer = await api.post(
        "/v1/proposals?tenant_id=acme&user_id=ann", body, headers={"X-Tenant-ID": "acme", "X-User-ID": "ann"}
    )
    assert answer.status == 201
    print(f"T32: {len(CLOSED)}/{len(CLOSED)} routes, told of other teams and people, 0 obeyed")


async def test_t32_a_tenant_among_a_tools_own_arguments_says_nothing(api: Api) -> None:
    answer = await api.post("/v1/proposals", {"tool": "low_once", "args": {"text": "x", "tenant_id": "u"}})
    assert (answer.status, answer.code, answer.body["field"]) == (400, "invalid_input", "tenant_id")


async def test_t32_accounts_come_from_the_token(both_api: Api) -> None:
    """By default the token's first account, another one of it by name, none besides; no claim reaches into
    another tenant's accounts, and another account's calls are not there."""
    api = both_api
    two = token_of("ann", account_ids=["acme:b", "acme:a"])
    body = {"tool": "low_once", "args": {"text": "x"}, "start_mode": "manual"}
    first = await api.post("/v1/proposals", body, by=two)
    assert first.body["record"]["account_id"] == "acme:a"
    for more in ({"path": "?account_id=acme:b"}, {"headers": {"X-Account-ID": "acme:b"}}, {"body": "acme:b"}):
        said = {**body, "account_id": more["body"]} if "body" in more else body
        headers = more.get("headers")
        assert headers is None or isinstance(headers, dict)
        second = await api.post(f"/v1/proposals{more.get('path', '')}", said, by=two, headers=headers)
        assert second.body["record"]["account_id"] == "acme:b", more
    for path, headers in (("?account_id=acme:c", {}), ("", {"X-Account-ID": "acme:c"})):
        answer = await api.post(f"/v1/proposals{path}", body, by=two, headers=headers)
        assert (answer.status, answer.code) == (403, "account_forbidden")
    foreign = token_of("ann", account_ids=["umbrella:api"])
    answer = await api.post("/v1/proposals", body, by=foreign)
    assert (answer.status, answer.code) == (403, "account_forbidden")
    only_b = token_of("ann", account_ids=["acme:b"])
    call_id = first.body["call_id"]
    assert (await api.get(f"/v1/calls/{call_id}", by=only_b)).code == "not_found"
    assert (await api.post(f"/v1/calls/{call_id}/execute", by=only_b)).code == "not_found"
    listed = await api.get("/v1/calls", by=only_b)
    assert {row["call_id"] for row in listed.body["calls"]}.isdisjoint({call_id})
    assert len(listed.body["calls"]) == 3
    assert (await api.get(f"/v1/calls/{call_id}")).status == 200, "a token without accounts sees all of hers"
