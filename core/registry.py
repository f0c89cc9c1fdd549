"""The tools that exist, the validation of their input, and what was measured of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from core.digest import Json
from core.errors import Code, InvalidInput, Refusal
from core.lifecycle import Status
from core.model import Risk
from core.tool import Tool, ToolInput

REMEMBERED: Final = 4096


@dataclass(slots=True)
class ToolMetrics:
    """Counts of one tool's executions since the process started. Durations in milliseconds."""

    executions: int = 0
    by_status: dict[Status, int] = field(default_factory=dict)
    total_ms: int = 0
    slowest_ms: int = 0

    @property
    def success_rate(self) -> float | None:
        """The share of executions that completed, from 0 to 1; None before the first."""
        return self.by_status.get(Status.COMPLETED, 0) / self.executions if self.executions else None


class Remembered(dict[tuple[str, str, str], Risk]):
    """The risk of (tool, digest of its arguments, currency), for a while: the oldest is forgotten."""

    def __setitem__(self, key: tuple[str, str, str], risk: Risk) -> None:
        if len(self) >= REMEMBERED:
            del self[next(iter(self))]
        super().__setitem__(key, risk)


class ToolRegistry:
    """Tools by name. Registering a name twice is a mistake and raises ValueError."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._hashes: dict[str, str] = {}
        self.metrics: dict[str, ToolMetrics] = {}
        self.risks = Remembered()
        for tool in tools:
            self.register(tool)

    def register(self, tool: Tool) -> None:
        """Adds a tool. Raises ValueError for a name or a command that is taken, and for what cannot be."""
        if tool.name in self._tools:
            raise ValueError(f"tool {tool.name!r} is registered already")
        if tool.command and any(other.command == tool.command for other in self):
            raise ValueError(f"command /{tool.command} is taken already")
        if tool.retry is not None and not tool.idempotent:
            raise ValueError(f"tool {tool.name!r} is not idempotent, so it cannot be tried again by itself")
        self._tools[tool.name] = tool
        self._hashes[tool.name] = tool.definition_hash
        self.metrics[tool.name] = ToolMetrics()

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def find(self, name: str) -> Tool | None:
        """The tool of this exact name, or None."""
        return self._tools.get(name)

    def get(self, name: str) -> Tool:
        """The tool of this exact name. Raises Refusal `tool_not_found`."""
        tool = self._tools.get(name)
        if tool is None:
            raise Refusal(Code.TOOL_NOT_FOUND, f"There is no tool named {name!r} here.", tool=name)
        return tool

    def definition_hash(self, name: str) -> str:
        """The definition hash of a registered tool, computed once."""
        return self._hashes[self.get(name).name]

    def observe(self, name: str, *, status: Status, duration_ms: int) -> None:
        """Counts one execution of a registered tool."""
        metrics = self.metrics[name]
        metrics.executions += 1
        metrics.by_status[status] = metrics.by_status.get(status, 0) + 1
        metrics.total_ms += duration_ms
        metrics.slowest_ms = max(metrics.slowest_ms, duration_ms)


def validate(tool: Tool, arguments: Mapping[str, Json]) -> ToolInput:
    """The typed input for a tool. Raises InvalidInput naming the first field that does not fit."""
    try:
        return tool.input.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "input"
        given = "nothing" if first["type"] == "missing" else _shown(first["input"])
        raise InvalidInput(field=name, given=given, allowed=_remedy(tool, first["msg"])) from None


def _shown(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # an integer of thousands of digits has no text
        return "a number that is far too long"


def _remedy(tool: Tool, message: str) -> str:
    plain = message.removeprefix("Value error, ").removeprefix("Input should be ")
    if message.startswith("Extra inputs"):
        return f"{tool.name} knows only {', '.join(tool.input.model_fields)}"
    if message == "Field required":
        return "it is required"
    return f"it should be {plain}" if message.startswith("Input should be") else plain
