"""The tools that this installation has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.adapters import Adapter
from core.registry import ToolRegistry
from core.tool import Tool
from tools.complete_task import COMPLETE_TASK
from tools.count_stock import count_stock
from tools.create_expense import ExpenseLimits, create_expense
from tools.create_task import CREATE_TASK
from tools.list_expenses import LIST_EXPENSES
from tools.list_tasks import LIST_TASKS
from tools.print_label import print_label
from tools.system_health_check import HealthProbe, system_health_check
from tools.warehouse import Warehouse, warehouse_adapter, warehouse_tools

WAREHOUSE_FILE: Final = "warehouse.json"


def demo_tools(label_file: Path) -> Sequence[Tool]:
    """What the demo has besides: a slow label printer that must not run twice, a long count, and a warehouse
    that can be made to fail."""
    warehouse = Warehouse(label_file.with_name(WAREHOUSE_FILE))
    return [print_label(label_file), count_stock(), *warehouse_tools(warehouse)]


def demo_adapters(folder: Path) -> Sequence[Adapter]:
    """What carries the demo's tools and can be asked whether it works."""
    return [warehouse_adapter(Warehouse(folder / WAREHOUSE_FILE))]


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
