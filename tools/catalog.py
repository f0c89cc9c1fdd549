"""The tools that this installation has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.registry import ToolRegistry
from core.tool import Tool
from tools.complete_task import COMPLETE_TASK
from tools.create_expense import ExpenseLimits, create_expense
from tools.create_task import CREATE_TASK
from tools.list_expenses import LIST_EXPENSES
from tools.list_tasks import LIST_TASKS
from tools.print_label import print_label
from tools.system_health_check import HealthProbe, system_health_check


def demo_tools(label_file: Path) -> Sequence[Tool]:
    """What the demo has besides: a slow label printer that must not run twice."""
    return [print_label(label_file)]


def build_catalog(*, limits: ExpenseLimits, health: HealthProbe, extra: Sequence[Tool] = ()) -> ToolRegistry:
    """A registry of all tools, and of the extra ones that a composition brings (the demo its print_label)."""
    return ToolRegistry(
        [
            CREATE_TASK,
            LIST_TASKS,
            COMPLETE_TASK,
            create_expense(limits),
            LIST_EXPENSES,
            system_health_check(health),
            *extra,
        ]
    )
