"""system_health_check: whether the bot itself is well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from core.model import Risk
from core.tool import Effect, Preview, Run, Tool, ToolContext, ToolInput, ToolResult
from tools.wording import counted


class HealthItem(Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `detail` is a few plain words, such as "0.3 ms" or what is wrong."""

    name: str
    ok: bool
    detail: str


class HealthReport(Struct, frozen=True, kw_only=True):
    """All that was looked at, in the order to show it."""

    items: tuple[HealthItem, ...]

    @property
    def problems(self) -> int:
        """How many things are not well."""
        return sum(not item.ok for item in self.items)


HealthProbe = Callable[[], Awaitable[HealthReport]]
"""Looks at everything now. A thing that cannot be looked at is a problem in the report, not an exception."""


class HealthInput(ToolInput):
    """Takes nothing."""


def report_text(report: HealthReport) -> str:
    """The report for people: how it is overall, then a line for each thing."""
    return "\n".join([_overall(report), *(_line(item) for item in report.items)])


def _overall(report: HealthReport) -> str:
    if not report.items:
        return "\u26a0\ufe0f PROBLEM: nothing could be checked"
    if report.problems:
        return f"\u26a0\ufe0f PROBLEM: {report.problems} of {counted(len(report.items), 'check')} failed"
    return f"\u2705 All ok: {counted(len(report.items), 'check')} passed"


def _line(item: HealthItem) -> str:
    state = "\u2705 ok" if item.ok else "\u26a0\ufe0f PROBLEM"
    return f"{state}: {item.name}" + (f", {item.detail}" if item.detail else "")


def _run(probe: HealthProbe) -> Run:
    async def run(_: HealthInput, context: ToolContext) -> ToolResult:
        report = await probe()
        items = [{"name": item.name, "ok": item.ok, "detail": item.detail} for item in report.items]
        well = bool(items) and not report.problems
        return ToolResult(text=report_text(report), data={"ok": well, "items": items})

    return run


def _preview(_: HealthInput) -> Preview:
    return Preview(title="Check the bot's health")


def system_health_check(probe: HealthProbe) -> Tool:
    """The tool, over this probe. Its result's data: {"ok", "items": [{"name", "ok", "detail"}]}."""
    return Tool(
        name="system_health_check",
        title="Check the bot's health",
        version="1",
        description="Checks whether the bot itself works as it should.",
        input=HealthInput,
        risk=Risk.LOW,
        effects=frozenset({Effect.READS}),
        run=_run(probe),
        preview=_preview,
        idempotent=True,
        command="health",
        examples=_EXAMPLES,
    )


_EXAMPLES: Final = (
    "health",
    "how are you doing",
    "how are you",
    "how are you feeling",
    "are you ok",
    "are you okay",
    "are you well",
    "are you alive",
    "is everything ok",
    "health check",
    "check health",
    "check your health",
    "run a health check",
    "system health",
    "system health check",
    "system status",
)
