"""Tool code is called by core/runner.py and by nobody else (SPEC 4)."""

from __future__ import annotations

import pytest

from tests.architecture.files import ROOT, shown, sources
from tests.architecture.scanner import findings

RUNNER = "core/runner.py"


def scanned(name: str) -> list[str]:
    module = name.removesuffix(".py").replace("/", ".")
    return [f"{name}:{line}" for line in findings((ROOT / name).read_text(encoding="utf-8"), module=module)]


def test_nobody_but_the_runner_calls_tool_code() -> None:
    names = [shown(path) for path in sources() if shown(path) != RUNNER]
    found = [line for name in names for line in scanned(name)]
    assert not found, "only core/runner.py may do this:\n" + "\n".join(found)


def test_the_scanner_sees_the_runner_itself() -> None:
    assert len(scanned(RUNNER)) == 3, "run, fallback.run, undo.run: is the scanner blind, or the runner gone?"


@pytest.mark.parametrize(
    "source",
    [
        "await tool.run(args, context)",
        "await self._tool.run(args, context)",
        "await registry.get(name).run(args, context)",
        "await tools[name].run(args, context)",
        "await tool.undo.run(args, data, context)",
        "anything_at_all.run(1)",
        "CREATE_TASK.run(1)",
        "call = tool.run",
        "tasks.append(asyncio.create_task(tool.run(args, context)))",
        "partial(spec.run, args)",
        "getattr(tool, 'run')(args)",
        "operator.attrgetter('undo.run')(tool)",
        "vars(tool)['run'](args)",
        "match tool:\n    case Tool(run=go):\n        go()",
        "from tools.create_task import _run",
        "from tools.create_task import *",
        "from tools.print_label import print_label",
        "import tools.create_task",
        "importlib.import_module('tools.create_task')",
        "__import__('tools.create_task')",
        "async def _go(a, c): ...\nX = Tool(name='x', run=_go)\nasync def f():\n    await _go(1, 2)",
        "async def _else(a, c): ...\nX = Fallback(adapter='y', run=_else)\n"
        "async def f():\n    await _else(1, 2)",
        "async def _back(a, d, c): ...\nX = Undo(run=_back)\nasync def f():\n    await _back(1, 2, 3)",
    ],
)
def test_the_scanner_finds(source: str) -> None:
    assert findings(source, module="bot.somewhere")


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("asyncio.run(main())", "bot.cli.main"),
        ("await self._uow.run('decide', work)", "bot.telegram.inbox"),
        ("await self._runner.run(started, context)", "bot.workers.executor"),
        ("self._session.run(_INSERT, **row)", "storage.records.calls"),
        ("from tools.catalog import build_catalog", "bot.bootstrap"),
        ("from tools.create_expense import ExpenseLimits", "bot.bootstrap"),
        ("from tools.create_expense import create_expense", "tools.catalog"),
        ("async def _go(a, c): ...\nX = Tool(name='x', run=_go)", "tools.x"),
        ("tool.preview(arguments)", "bot.telegram.render"),
    ],
)
def test_the_scanner_lets_pass(source: str, module: str) -> None:
    assert findings(source, module=module) == []
