"""The list of controls that `make sabotage` takes out follows the code: none gets lost from it unnoticed."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.files import ROOT
from tests.sabotage.control import Control
from tests.sabotage.controls import CONTROLS
from tests.sabotage.scratch import found_once


def names_of_tests(source: str) -> set[str]:
    """The functions of a test file that pytest would run."""
    return {
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_control_is_where_the_list_says(control: Control) -> None:
    text = found_once(control)
    without = text.replace(control.old, control.new)
    assert ast.dump(ast.parse(without)) != ast.dump(ast.parse(text)), "taken out, nothing changes"


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_the_tests_that_should_miss_it_exist(control: Control) -> None:
    assert control.tests
    for wanted in control.tests:
        file, _, name = wanted.partition("::")
        found = names_of_tests((ROOT / file).read_text(encoding="utf-8"))
        assert name in found if name else found, f"{file} has no {name or 'tests'}"


def test_controls_are_told_apart_by_their_names() -> None:
    assert len({control.name for control in CONTROLS}) == len(CONTROLS)
