"""What holds for every tool of the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.tool import Effect, SlotKind, Tool
from tools.catalog import build_catalog
from tools.create_expense import ExpenseLimits
from tools.print_label import print_label
from tools.system_health_check import HealthReport


async def no_probe() -> HealthReport:
    raise AssertionError


def catalog(*extra: Tool) -> list[Tool]:
    return list(build_catalog(limits=ExpenseLimits(), health=no_probe, extra=extra))


LABELS = print_label(Path("labels"))


EVERY = pytest.mark.parametrize("tool", catalog(LABELS), ids=lambda tool: tool.name)


def test_a_composition_brings_its_own_tools_besides() -> None:
    names = {tool.name: tool.command for tool in catalog()}
    assert names == {
        "create_task": "task",
        "list_tasks": "tasks",
        "complete_task": "done",
        "create_expense": "expense",
        "list_expenses": "expenses",
        "system_health_check": "health",
    }
    assert {tool.name for tool in catalog(LABELS)} - set(names) == {"print_label"}


@EVERY
def test_a_description_is_one_sentence(tool: Tool) -> None:
    assert re.fullmatch(r"[A-Z][^.]*\.", tool.description)
    assert tool.title


@EVERY
def test_every_field_has_a_slot_and_every_required_one_a_question(tool: Tool) -> None:
    assert set(tool.slots) == set(tool.input.model_fields)
    for name, field in tool.input.model_fields.items():
        assert tool.slots[name].question.endswith(("?", ".")) or not field.is_required()


@EVERY
def test_templates_name_fields_and_fill_the_required_ones(tool: Tool) -> None:
    required = {name for name, field in tool.input.model_fields.items() if field.is_required()}
    supplied = {name for name, slot in tool.slots.items() if slot.kind is SlotKind.CURRENCY}
    assert len(set(tool.examples)) == len(tool.examples)
    for template in (*tool.examples, *([tool.form] if tool.form else [])):
        named = set(re.findall(r"\{(\w+)\??\}", template))
        assert named <= set(tool.input.model_fields)
        assert required - supplied <= named


@EVERY
def test_only_printing_cannot_be_repeated(tool: Tool) -> None:
    assert tool.idempotent is (tool.name != "print_label")
    assert set(tool.scope) <= set(tool.input.model_fields)


@EVERY
def test_what_writes_can_be_undone(tool: Tool) -> None:
    assert (tool.undo is not None) is (tool.effects == {Effect.WRITES})
