"""The list of controls that `make sabotage` takes out follows the code: none gets lost from it unnoticed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache, lru_cache

from tests.architecture.files import ROOT
from tests.sabotage.control import Control
from tests.sabotage.controls import CONTROLS
from tests.sabotage.scratch import Lost, found_once


@cache
def names_of_tests(file: str) -> frozenset[str]:
    """The functions of a test file that pytest would run."""
    return frozenset(
        node.name
        for node in within(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def within(node: ast.Module | ast.ClassDef) -> Iterator[ast.stmt]:
    """What stands in a module, also in its classes."""
    for inner in node.body:
        yield inner
        if isinstance(inner, ast.ClassDef):
            yield from within(inner)


def complaint_about(control: Control) -> str:
    """Why taking this control out of its file would show nothing, if so."""
    try:
        text = found_once(control)
        without = ast.parse(text.replace(control.old, control.new))
    except (Lost, SyntaxError) as error:
        return f"{control.name}: {error}"
    return f"{control.name}: taken out, nothing changes" if same(without, parsed(text)) else ""


@lru_cache(maxsize=4)
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def same(one: object, other: object) -> bool:
    """Whether two syntax trees say the same. It ends with the first difference; a dump of each would not."""
    if isinstance(one, ast.AST):
        return type(one) is type(other) and all(
            same(getattr(one, field, None), getattr(other, field, None)) for field in one._fields
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_each_control_is_where_the_list_says() -> None:
    found = [complaint for control in CONTROLS if (complaint := complaint_about(control))]
    assert not found, "\n".join(found)


def test_only_another_meaning_is_a_change() -> None:
    assert same(ast.parse("def f():\n    x\n"), ast.parse("def f(): x  # why"))
    for one, other in (("f(1)", "f(True)"), ("f(a)", "f(a, b)"), ("a < b", "a <= b"), ("x = 1", "x: A = 1")):
        assert not same(ast.parse(one), ast.parse(other))


def test_the_tests_that_should_miss_it_exist() -> None:
    for control in CONTROLS:
        assert control.tests, control.name
        for wanted in control.tests:
            file, _, name = wanted.partition("::")
            found = names_of_tests(file)
            assert name in found if name else found, f"{control.name}: {file} has no {name or 'tests'}"


def test_controls_are_told_apart_by_their_names() -> None:
    assert len({control.name for control in CONTROLS}) == len(CONTROLS)
