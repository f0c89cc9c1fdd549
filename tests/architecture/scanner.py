"""Finds every place where tool code could be called, in the syntax tree rather than in the text.

Tool code is what a Tool carries as `run` and in its `undo`. The scanner is told whose `run` is something
else; any other `run` counts as a tool's, whatever the variable is named.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Final, get_args

# Things with a `run` of their own: the last name before `.run`, without leading underscores.
OTHER_RUNS: Final = frozenset(
    {"asyncio", "subprocess", "self", "Parser", "V2"}  # Python's, and classes of the sandbox
    | {"uow", "writer", "session", "mirror"}  # storage
    | {
        "runner",
        "telegram",
        "inbox",
        "product",
        "reports",
        "start",
        "webhooks",
    }  # ToolRunner itself, and what bot.bootstrap composes
)
CATALOG: Final = "tools.catalog"
_BY_NAME: Final = frozenset({"getattr", "attrgetter", "methodcaller"})
_Telling = ast.Attribute | ast.Call | ast.Subscript | ast.MatchClass | ast.Import | ast.ImportFrom
_TELLING: Final = get_args(_Telling)


def findings(source: str, *, module: str) -> list[str]:
    """What this module does that only the runner may do, as `line: what`."""
    nodes = list(_telling(ast.parse(source)))
    given = _tool_functions(nodes)
    found = [
        f"{node.lineno}: {what}"
        for node in nodes
        for what in (*_of_run(node), *_of_imports(node, module), *_of_given(node, given))
    ]
    return sorted(found, key=lambda line: int(line.partition(":")[0]))


def _telling(tree: ast.Module) -> Iterator[_Telling]:
    """The nodes that a finding can begin with: ast.walk, without a generator for each node on the way."""
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, _TELLING):
            yield node
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                left += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST) and value._fields:
                left.append(value)


def _of_run(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Attribute(attr="run", value=base, ctx=ast.Load()) if _last_name(base) not in OTHER_RUNS:
            yield f"takes {ast.unparse(node)}"
        case ast.Call(func=func, args=args) if _last_name(func) in _BY_NAME:
            if any(isinstance(arg, ast.Constant) and arg.value in ("run", "undo.run") for arg in args):
                yield f"takes run by name: {ast.unparse(node)}"
        case ast.Subscript(slice=ast.Constant(value="run"), ctx=ast.Load()):
            yield f"takes run by name: {ast.unparse(node)}"
        case ast.MatchClass(kwd_attrs=names) if "run" in names:
            yield "takes run by a pattern"


def _of_imports(node: ast.AST, module: str) -> Iterator[str]:
    """Outside `tools`, nobody gets at a tool's functions; inside, no tool takes another's private ones."""
    inside = module.split(".", maxsplit=1)[0] == "tools"
    match node:
        case ast.ImportFrom(module=str(name), names=names, level=0) if name.split(".")[0] == "tools":
            private = [alias.name for alias in names if alias.name.startswith("_") or alias.name == "*"]
            if private:
                yield f"imports {', '.join(private)} from {name}"
            elif not inside and any(_is_function(alias.name) for alias in names) and name != CATALOG:
                yield f"imports a function from {name}"
        case ast.Import(names=names) if not inside:
            yield from (f"imports {alias.name}" for alias in names if alias.name.split(".")[0] == "tools")
        case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if _last_name(func) in (
            "import_module",
            "import__",
        ):
            if name.split(".")[0] == "tools":
                yield f"imports {name} by name"


def _of_given(node: ast.AST, given: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in given:
        yield f"calls {node.func.id}, which is a tool's run or undo"


def _tool_functions(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """Names of functions of this module that are handed to a Tool, an Undo or a Fallback as `run`."""
    return frozenset(
        keyword.value.id
        for node in nodes
        if isinstance(node, ast.Call) and _last_name(node.func) in ("Tool", "Undo", "Fallback")
        for keyword in node.keywords
        if keyword.arg == "run" and isinstance(keyword.value, ast.Name)
    )


def _is_function(name: str) -> bool:
    """By the house's spelling: classes and constants begin with a capital."""
    return name[:1].islower()


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_")
        case ast.Call(func=func):
            return _last_name(func)
        case ast.Await(value=value) | ast.Subscript(value=value):
            return _last_name(value)
    return ""
