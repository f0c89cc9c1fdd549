from __future__ import annotations

from typing import Any

import pytest

from core.errors import Code, InvalidInput, Refusal
from core.lifecycle import Status
from core.model import Risk
from core.registry import ToolMetrics, ToolRegistry, validate
from core.tool import AssessContext, Effect, ToolInput
from tests.kit.tools import Note, assess, tool

EUR = AssessContext(currency="EUR")


def test_tools_are_found_by_exact_name() -> None:
    registry = ToolRegistry([tool("a"), tool("b")])
    assert [each.name for each in registry] == ["a", "b"]
    assert registry.find("a") is registry.get("a")
    assert registry.find("A") is None


def test_an_unknown_tool_is_a_refusal() -> None:
    with pytest.raises(Refusal) as raised:
        ToolRegistry().get("nope")
    assert raised.value.code is Code.TOOL_NOT_FOUND
    assert raised.value.details == {"tool": "nope"}


def test_a_name_or_a_command_is_registered_once() -> None:
    registry = ToolRegistry([tool("a", command="go")])
    with pytest.raises(ValueError, match="'a' is registered already"):
        registry.register(tool("a"))
    with pytest.raises(ValueError, match="/go is taken already"):
        registry.register(tool("b", command="go"))
    registry.register(tool("c"))
    registry.register(tool("d"))  # no command twice is no clash


def test_metrics_before_and_after() -> None:
    assert ToolMetrics().success_rate is None
    registry = ToolRegistry([tool("a")])
    registry.observe("a", status=Status.COMPLETED, duration_ms=10)
    registry.observe("a", status=Status.FAILED, duration_ms=30)
    registry.observe("a", status=Status.COMPLETED, duration_ms=20)
    metrics = registry.metrics["a"]
    assert (metrics.executions, metrics.total_ms, metrics.slowest_ms) == (3, 60, 30)
    assert metrics.by_status == {Status.COMPLETED: 2, Status.FAILED: 1}
    assert metrics.success_rate == pytest.approx(2 / 3)


class Other(ToolInput):
    text: str
    amount: int = 1
    more: bool = False


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"input": Other},
        {"risk": Risk.HIGH},
        {"effects": frozenset({Effect.SENDS})},
        {"idempotent": True},
        {"adapter": "http"},
    ],
)
def test_the_definition_hash_follows_what_people_consented_to(change: dict[str, Any]) -> None:
    before, after = ToolRegistry([tool()]), ToolRegistry([tool(**change)])
    assert before.definition_hash("note") != after.definition_hash("note")
    assert after.definition_hash("note") == ToolRegistry([tool(**change)]).definition_hash("note")


@pytest.mark.parametrize("change", [{"title": "x"}, {"timeout_s": 1.0}, {"examples": ("x {text}",)}])
def test_the_definition_hash_does_not_follow_words(change: dict[str, Any]) -> None:
    assert tool().definition_hash == tool(**change).definition_hash


def test_arguments_may_only_raise_the_declared_risk() -> None:
    assert tool(risk=Risk.MEDIUM).risk_of(Note(text="x"), EUR) is Risk.MEDIUM
    assert tool(risk=Risk.MEDIUM, assess=assess).risk_of(Note(text="x", amount=1), EUR) is Risk.MEDIUM
    assert tool(risk=Risk.LOW, assess=assess).risk_of(Note(text="x", amount=900), EUR) is Risk.HIGH


def test_valid_input_is_typed() -> None:
    assert validate(tool(), {"text": " tea ", "amount": "3"}) == Note(text="tea", amount=3)


@pytest.mark.parametrize(
    ("arguments", "field", "given", "allowed"),
    [
        ({}, "text", "nothing", "it is required"),
        ({"text": "tea", "amount": "many"}, "amount", "many", "it should be a valid integer"),
        ({"text": "tea", "sugar": 2}, "sugar", "2", "note knows only text, amount"),
        ({"text": ""}, "text", "", "at least 1 character"),
        ({"text": 5}, "text", "5", "it should be a valid string"),
    ],
)
def test_bad_input_names_the_field_what_was_given_and_what_would_be_right(
    arguments: dict[str, Any], field: str, given: str, allowed: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        validate(tool(), arguments)
    error = raised.value
    assert (error.field, error.given, error.code) == (field, given, Code.INVALID_INPUT)
    assert allowed in error.allowed
    assert error.http_status == 400
    assert field in error.message


def test_a_number_of_thousands_of_digits_is_bad_input_like_any_other() -> None:
    with pytest.raises(InvalidInput) as raised:
        validate(tool(), {"text": 10**5000})
    assert raised.value.given == "a number that is far too long"


def test_what_was_given_is_shown_shortly() -> None:
    with pytest.raises(InvalidInput) as raised:
        validate(tool(), {"text": "tea", "amount": "x" * 500})
    assert len(raised.value.given) == 80
