"""The places where a crash is worth trying, collected from the code itself: none can be forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bot.telegram.buttons import RunVerb, Verb
from core.model import Vote

ROOT = Path(__file__).resolve().parents[2]
_ROOMS = ("bot", "core", "storage", "tools")
_NAMED = frozenset({"boundary", "_boundary"})
_UNITS = frozenset({"run", "effect"})
_SANDBOX = ROOT / "bot" / "sandbox"  # a server of its own, with its own storage
UNREAD = "? "
_OVER = {
    "tap.{button.verb.name.lower()}": [f"tap.{verb.name.lower()}" for verb in (*Verb, *RunVerb)],
    "http.{vote}": [f"http.{vote}" for vote in Vote],
}
"""Names that are made of something, and all that they can be."""


def boundaries() -> dict[str, set[str]]:
    """Every boundary, and where in the code it is. A unit of work has two: around its commit."""
    found: dict[str, set[str]] = {}
    for name, where in _all():
        found.setdefault(name, set()).add(where)
    return {name: places for name, places in found.items() if not name.startswith(UNREAD)}


def unread() -> set[str]:
    """Calls that tell of a boundary under a name that cannot be read from the code."""
    return {name.removeprefix(UNREAD) for name, _ in _all() if name.startswith(UNREAD)}


@cache
def _all() -> list[tuple[str, str]]:
    return list(_collected())


def _collected() -> Iterator[tuple[str, str]]:
    for room in _ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if _SANDBOX in path.parents:
                continue
            names = _assigned(tree := ast.parse(path.read_text(encoding="utf-8")))
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                where = f"{path.relative_to(ROOT)}:{call.lineno}"
                yield from ((name, where) for name in _boundaries_of(call, names))


def _boundaries_of(call: ast.Call, names: dict[str, ast.expr]) -> Iterator[str]:
    attribute = call.func.attr if isinstance(call.func, ast.Attribute) else None
    plain = call.func.id if isinstance(call.func, ast.Name) else None
    if not call.args:
        return
    if attribute in _NAMED or plain in _NAMED:
        yield from _texts(call.args[0], names) or [UNREAD + ast.unparse(call)]
    elif attribute in _UNITS and len(call.args) == 2:
        units = _texts(call.args[0], names)
        if not units and isinstance(call.func, ast.Attribute) and _is_unit_of_work(call.func):
            yield UNREAD + ast.unparse(call)
        for unit in units:
            yield f"{unit}.before_commit"
            yield f"{unit}.after_commit"


def _is_unit_of_work(function: ast.Attribute) -> bool:
    return function.attr == "effect" or ast.unparse(function.value).endswith(("uow", "writer"))


def _texts(argument: ast.expr, names: dict[str, ast.expr]) -> list[str]:
    """What a literal says, also through a variable; one that is made says all that it can be."""
    if isinstance(argument, ast.Name) and argument.id in names:
        argument = names[argument.id]
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return [argument.value]
    return _OVER.get(ast.unparse(argument)[2:-1], []) if isinstance(argument, ast.JoinedStr) else []


def _assigned(tree: ast.Module) -> dict[str, ast.expr]:
    return {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
