"""What a grant covers, and why one does not count. What it does: tests/integration/test_grants.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.digest import Json
from core.grants import grantable, offer_of, scope_fields, scope_of, why_not
from core.ids import AccountId, CallId, ConversationId, GrantId, PersonId, TenantId
from core.lifecycle import Status
from core.model import Grant, Risk, Role, ToolCall
from core.tool import Tool, ToolInput
from tests.kit.clock import NOON
from tests.kit.records import ALLOWS, ASKS, CALL, DENIES, call
from tests.kit.tools import tool


class Nothing(ToolInput):
    """Takes nothing."""


class Words(ToolInput):
    """Takes words, and no amount."""

    text: str


SCOPED = tool(scope=("text",))
HASH = "d" * 64


def grant(**changes: Any) -> Grant:
    """Cat's grant of Ann's notes of tea, up to 5."""
    fields: dict[str, Any] = {
        "id": GrantId("g"),
        "tenant_id": TenantId("acme"),
        "account_id": AccountId("main"),
        "tool": "note",
        "definition_hash": HASH,
        "requester_id": PersonId("ann"),
        "scope": {"text": "tea", "amount": 5},
        "conversation_id": None,
        "granted_by": PersonId("cat"),
        "granted_by_name": "Cat",
        "call_id": CallId("c"),
        "created_at": NOON,
        "expires_at": NOON + timedelta(hours=1),
    }
    return Grant(**(fields | changes))


def fault(made: Grant, asked: ToolCall, **changes: Any) -> str:
    facts: dict[str, Any] = {"risk": Risk.HIGH, "role": Role.APPROVER} | changes
    return why_not(made, asked, facts.pop("tool", SCOPED), facts.pop("verdict", ASKS), **facts)


# --------------------------------------------------------------------------- scope


@pytest.mark.parametrize(
    ("of", "fields"),
    [
        (SCOPED, ("text", "amount")),
        (tool(scope=("amount", "text")), ("amount", "text")),
        (tool(input=Words, scope=("text",)), ("text",)),
        (tool(), None),
        (tool(input=Words), None),
        (tool(input=Nothing), ()),
    ],
)
def test_what_a_grant_is_bound_to(of: Tool, fields: tuple[str, ...] | None) -> None:
    assert scope_fields(of) == fields


def test_the_scope_of_arguments_has_every_field() -> None:
    assert scope_of(SCOPED, {"amount": 3, "text": "tea", "more": 1}) == {"text": "tea", "amount": 3}
    assert scope_of(SCOPED, {"text": "tea"}) == {"text": "tea", "amount": None}
    assert scope_of(tool(), {"text": "tea"}) == {}


@pytest.mark.parametrize(
    ("verdict", "of", "risk", "expected"),
    [
        (ASKS, SCOPED, Risk.LOW, True),
        (ASKS, SCOPED, Risk.HIGH, True),
        (ASKS, SCOPED, Risk.CRITICAL, False),
        (replace(ASKS, count=2), SCOPED, Risk.HIGH, False),
        (ALLOWS, SCOPED, Risk.HIGH, False),
        (DENIES, SCOPED, Risk.HIGH, False),
        (ASKS, tool(), Risk.HIGH, False),
        (ASKS, tool(input=Nothing), Risk.HIGH, True),
        (ASKS, None, Risk.HIGH, False),
    ],
)
def test_what_a_grant_can_stand_for(verdict: Any, of: Tool | None, risk: Risk, expected: bool) -> None:
    assert grantable(verdict, of, risk=risk) is expected


@pytest.mark.parametrize(
    ("change", "person", "role", "expected"),
    [
        ({}, "cat", Role.APPROVER, True),
        ({}, "ann", Role.ADMIN, False),
        ({"verdict": replace(ASKS, self_approval=True)}, "ann", Role.MEMBER, True),
        ({}, "bob", Role.MEMBER, False),
        ({}, "cat", None, False),
        ({}, None, None, True),
        ({"risk": Risk.CRITICAL}, None, None, False),
        ({"risk": Risk.CRITICAL}, "cat", Role.APPROVER, False),
        ({"status": Status.PENDING}, "cat", Role.APPROVER, False),
        ({"undo_of": CallId("x")}, "cat", Role.APPROVER, False),
        ({"verdict": replace(ASKS, count=2)}, "cat", Role.APPROVER, False),
    ],
)
def test_who_is_offered_one(
    change: dict[str, Any], person: str | None, role: Role | None, expected: bool
) -> None:
    asked = call(**{"status": Status.PROPOSED} | change)
    who = None if person is None else PersonId(person)
    assert offer_of(asked, SCOPED, person=who, role=role) is expected


# --------------------------------------------------------------------------- covering


def test_the_same_again_is_covered() -> None:
    assert fault(grant(), call()) == ""


NOT_COVERED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"tool": "other"}, {}),
    ({"definition_hash": "e" * 64}, {}),
    ({"requester_id": PersonId("bob")}, {}),
    ({"tenant_id": TenantId("umbrella")}, {}),
    ({"conversation_id": ConversationId("elsewhere")}, {}),
    ({"scope": {"text": "Tea", "amount": 5}}, {}),
    ({"scope": {"text": "tea"}}, {}),  # the tool has got an amount since
    ({"scope": {"text": "tea", "amount": 5, "place": "home"}}, {}),
    ({"scope": {}}, {}),
    ({}, {"arguments": {"text": "tea", "amount": 6}}),
    ({}, {"arguments": {"text": "tea"}}),
    ({}, {"arguments": {}}),
    ({}, {"undo_of": CALL}),
]


@pytest.mark.parametrize(("of_grant", "of_call"), NOT_COVERED)
def test_anything_else_is_not_covered(of_grant: dict[str, Any], of_call: dict[str, Any]) -> None:
    assert fault(grant(**of_grant), call(**of_call)) == "The grant by Cat does not cover this."


def test_in_its_conversation_it_counts() -> None:
    assert fault(grant(conversation_id=call().conversation_id), call()) == ""


def covers(granted: Json, asked: Json) -> bool:
    made = grant(scope={"text": "tea", "amount": granted})
    return fault(made, call(arguments={"text": "tea", "amount": asked})) == ""


@pytest.mark.parametrize(
    ("granted", "asked", "expected"),
    [
        ("25.00", "25.00", True),
        ("25.00", "24.99", True),
        ("25.00", "25.01", False),
        ("25.00", "9.00", True),
        ("9.00", "25.00", False),
        ("25.00", "-1.00", False),
        ("25.00", "0", True),
        (25, 24.5, True),
        (25, "24", True),
        (True, 0, False),
        (1, True, False),
        (1, False, False),
        ("NaN", "1", False),
        ("Infinity", "1", False),
        (25, "NaN", False),
        (25, "much", False),
        ("much", "much", True),
        ("much", 1, False),
        (None, None, True),
        (25, None, False),
        (None, 25, False),
        ({"value": 25}, {"value": 24}, False),
        ([25], [24], False),
        (-5, -5, True),
        (-5, -6, False),
        (-5, -4, False),
    ],
)
def test_an_amount_is_a_ceiling(granted: Json, asked: Json, expected: bool) -> None:
    assert covers(granted, asked) is expected


@given(st.integers(0, 10**15), st.integers(-(10**15), 10**15))
def test_no_amount_above_the_granted_one_is_covered(granted: int, asked: int) -> None:
    assert covers(granted, asked) is (0 <= asked <= granted)


@given(st.sampled_from([1, 1.0, True, "1", None, [1], {"a": 1}]), st.sampled_from([1, True, "1", None, [1]]))
def test_other_fields_are_the_very_same(granted: Json, asked: Json) -> None:
    """Python holds 1 and True for the same; JSON does not."""
    made = grant(scope={"text": granted, "amount": 1})
    found = fault(made, call(arguments={"text": asked, "amount": 1}))
    same = granted == asked and isinstance(granted, bool) is isinstance(asked, bool)
    assert (found == "") is same


# --------------------------------------------------------------------------- counting today


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-1, False), (0, True), (3599, True), (3600, False), (9000, False)]
)
def test_it_counts_for_what_was_asked_for_while_it_was_valid(seconds: int, expected: bool) -> None:
    told = fault(grant(), call(created_at=NOON + timedelta(seconds=seconds)))
    assert told == ("" if expected else "The grant by Cat was not valid when this was asked for.")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"role": None}, "Cat, who granted this, may not sign it any more."),
        ({"role": Role.MEMBER}, "Cat, who granted this, may not sign it any more."),
        ({"verdict": replace(ASKS, named=(PersonId("dan"),))}, "Cat, who granted this, may not sign it"),
        ({"verdict": replace(ASKS, count=2)}, "is not enough any more: policy asks for 2 signatures now."),
        ({"risk": Risk.CRITICAL}, "is not enough any more: it is of critical risk now."),
    ],
)
def test_it_counts_only_as_far_as_its_maker_may_sign_today(change: dict[str, Any], words: str) -> None:
    assert words in fault(grant(), call(), **change)


def test_revoked_it_does_not_count_for_what_it_let_through() -> None:
    told = fault(grant(revoked_at=NOON + timedelta(minutes=5)), call())
    assert told == "The grant by Cat that let it through was revoked."


def test_a_tool_that_is_no_longer_narrowed_is_not_covered() -> None:
    assert fault(grant(), call(), tool=tool()) == "The grant by Cat does not cover this."


def test_a_tool_without_arguments_is_covered_whole() -> None:
    bare = tool(input=Nothing)
    assert fault(grant(scope={}), call(arguments={}), tool=bare) == ""
