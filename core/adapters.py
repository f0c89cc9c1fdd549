"""Adapters: what carries tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from msgspec import Struct

from core.model import Breaker
from core.tool import PYTHON, Tool

Check = Callable[[], Awaitable[None]]
"""Returns where the adapter works, and raises whatever says why where it does not."""


class Adapter(Struct, frozen=True, kw_only=True):
    """What one or several tools reach their other side by: a mail server, a shell, an API, a person.

    This is all that an adapter must be: a name that tools give as theirs, and perhaps a `check` that asks,
    without any effect, whether it works. How it carries a tool is that tool's own `run`, which an adapter for
    commands, HTTP, people or MCP makes from its declaration; it raises ToolError with `transient` where the
    other side was not reached. Cutting it off while it fails, and trying it again, is the engine's.
    """

    name: str
    check: Check | None = None


class Carrier(Struct, frozen=True, kw_only=True):
    """The adapter that carries a call; `probe` is its breaker where the call is to be the probe."""

    adapter: str
    probe: Breaker | None = None


class Unavailable(Struct, frozen=True, kw_only=True):
    """All adapters of a call are cut off; the first of them, and when one may be tried next."""

    adapter: str
    retry_after_s: float


class Adapters:
    """Adapters by name. One that a tool names and nobody declared has no check.

    `clean` are those whose breaker was last seen closed without a failure, which every start looks at: of
    them a success is written nowhere.
    """

    def __init__(self, declared: Iterable[Adapter] = (), *, tools: Iterable[Tool] = ()) -> None:
        named = {name: Adapter(name=name) for tool in tools for name in carriers(tool)}
        self._adapters: Mapping[str, Adapter] = {**named, **{one.name: one for one in declared}}
        self._clean: set[str] = set()

    def checked(self) -> Iterable[Adapter]:
        """Those with a check of their own, by name."""
        return [one for name, one in sorted(self._adapters.items()) if one.check is not None]

    def names(self) -> list[str]:
        """All that can be cut off, by name."""
        return sorted(name for name in self._adapters if guarded(name))

    def clean(self, name: str) -> bool:
        """Whether its breaker is known to be closed without a failure."""
        return name in self._clean

    def found(self, name: str, *, clean: bool) -> None:
        """Remembers how its breaker was found."""
        if clean:
            self._clean.add(name)
        else:
            self._clean.discard(name)


def carriers(tool: Tool) -> tuple[str, ...]:
    """The adapters that may carry this tool, in the order in which they are asked."""
    return (tool.adapter,) if tool.fallback is None else (tool.adapter, tool.fallback.adapter)


def guarded(name: str) -> bool:
    """Whether this adapter has a breaker. Our own process has none: there is no other side that could be
    down, and one bad tool must not stop all others."""
    return name != PYTHON
