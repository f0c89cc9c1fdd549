"""Conditions of rules: CEL expressions over what policy may look at. Whatever goes wrong in one denies.

The library has no timeout, holds the interpreter while it works, and ends the process over values that are
nested some ten thousand deep. So a source is short, shallow, has one loop at most and names only what there
is, and arguments beyond all measure are refused before the library sees them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, Final, NoReturn, cast

from core.digest import Json
from core.errors import CountersignError
from core.policy.facts import VARIABLES, Facts, variables

MOST_CHARACTERS: Final = 1_000
MOST_DEEP: Final = 20
MOST_VALUES: Final = 1_000
"""Of the arguments of one call, in all lists and objects: a loop over 20,000 takes minutes."""

MACROS: Final = ("all", "exists", "exists_one", "map", "filter")
FUNCTIONS: Final = frozenset(
    "size contains startsWith endsWith matches int uint double string timestamp duration getFullYear "
    "getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds".split()
)
_TEXT: Final = re.compile(
    r"""(?<!\w)(?:[rR][bB]?|[bB][rR])(?:"[^"\n]*"|'[^'\n]*')"""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|//[^\n]*"""
)
_LOOP: Final = re.compile(rf"\b(?:{'|'.join(MACROS)})\b")
_BOUND: Final = re.compile(rf"\b(?:{'|'.join(MACROS)})\s*\(\s*(\w+)\s*,")
_FIELD: Final = re.compile(r"(?<![\w.])(user|tenant|call)\s*\.\s*(\w+)")
_FAULT: Final = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")
_TOLD: Final = 160


class ConditionError(CountersignError):
    """A source that is no condition: what is wrong with it, and where, both counted from 1."""

    def __init__(self, problem: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(problem)
        self.line = line
        self.column = column


class ConditionFailed(CountersignError):
    """A condition came to no answer for this call. The message says why."""


class Scene:
    """What conditions see of one call: made once, and only as far as they ask for it."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def showing(self, names: Iterable[str]) -> Any:
        """The library's own form of it, with these variables. Raises ConditionFailed for arguments beyond all
        measure."""
        for name in names:
            if name in self._unseen:
                self._context.add_variable(name, self._unseen.pop(name))
        return self._context

    @cached_property
    def _unseen(self) -> dict[str, Any]:
        _refuse_beyond_measure(self._facts.arguments)
        return variables(self._facts)

    @cached_property
    def _context(self) -> Any:
        return _library().Context({})


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. Two of the same source are the same."""

    source: str
    _program: Any = field(repr=False, compare=False)
    _names: frozenset[str] = field(repr=False, compare=False)

    def holds(self, scene: Scene) -> bool:
        """Whether it is true of this call; never anything between. Raises ConditionFailed where it is
        neither true nor false, or cannot be told."""
        try:
            found = self._program.execute(scene.showing(self._names))
        except (KeyboardInterrupt, SystemExit, ConditionFailed):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of the library is no Exception
            raise ConditionFailed(_told(error)) from None
        if found is not True and found is not False:
            raise ConditionFailed("it is neither true nor false")
        return found is True


def read_condition(source: str) -> Condition:
    """The condition that `source` spells. Raises ConditionError with the place of the first mistake."""
    code = _checked(source)
    try:
        program = _library().compile(source)
        named = program.references()
    except BaseException as error:  # noqa: BLE001 - a panic of the library is no Exception
        raise _unreadable(str(error)) from None
    bound = _BOUND.findall(code)
    for name in named["functions"]:
        if name[0].isalpha() and name not in FUNCTIONS:
            _refuse_name(code, name, "function", FUNCTIONS.union(MACROS, {"has"}))
    for name in named["variables"]:
        if name not in VARIABLES and name not in bound:
            _refuse_name(code, name, "variable", VARIABLES)
    for found in _FIELD.finditer(code):
        if found[1] not in bound and found[2] not in VARIABLES[found[1]]:
            _refuse_field(code, found)
    return Condition(source, program, frozenset(VARIABLES.keys() & named["variables"]))


def _checked(source: str) -> str:
    """The source with all texts and comments blanked, every character in its place."""
    if len(source) > MOST_CHARACTERS:
        raise ConditionError(
            f"a condition has at most {MOST_CHARACTERS:,} characters, this has {len(source):,}"
        )
    for quotes in ('"""', "'''"):
        if quotes in source:
            raise _at(source, source.index(quotes), "texts in it stand in single quotes, 'like this'")
    code = _TEXT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)
    loops = list(_LOOP.finditer(code))
    if len(loops) > 1:
        raise _at(code, loops[1].start(), f"only one of {', '.join(MACROS)} may stand in a condition")
    _refuse_nested(code)
    return code


def _refuse_nested(code: str) -> None:
    deep = 0
    for at, character in enumerate(code):
        deep += (character in "([{") - (character in ")]}")
        if deep > MOST_DEEP:
            raise _at(code, at, f"brackets are nested more than {MOST_DEEP} deep")


def _refuse_name(code: str, name: str, kind: str, known: Iterable[str]) -> NoReturn:
    found = re.search(rf"\b{re.escape(name)}\b", code)
    there = ", ".join(sorted(known))
    raise _at(
        code,
        found.start() if found else 0,
        f"there is no {kind} {name!r}; there are {there}{meant(name, known)}",
    )


def _refuse_field(code: str, found: re.Match[str]) -> NoReturn:
    known = VARIABLES[found[1]]
    raise _at(
        code,
        found.start(2),
        f"{found[1]} has no {found[2]!r}; it has {', '.join(known)}{meant(found[2], known)}",
    )


def meant(word: str, known: Iterable[str]) -> str:
    """ ", did you mean 'x'?" for the nearest known word; "" where none is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _at(source: str, offset: int, problem: str) -> ConditionError:
    before = source[:offset]
    line = before.count("\n") + 1
    return ConditionError(problem, line=line, column=offset - (before.rfind("\n") + 1) + 1)


def _unreadable(told: str) -> ConditionError:
    found = _FAULT.search(told)
    line, column, problem = found.groups() if found else (1, 1, told)
    words = problem.partition(" expecting ")[0].replace("'<EOF>'", "the end")[:_TOLD]
    return ConditionError(f"it cannot be read: {words}", line=max(1, int(line)), column=max(1, int(column)))


def _told(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]}"
    first = str(error).partition("\n")[0]
    return first.partition(". ")[0][:_TOLD].rstrip(".") or type(error).__name__


def _refuse_beyond_measure(arguments: object) -> None:
    """Level by level, since what is nested too deep for the library is so for a recursion as well."""
    level: list[Json] = [arguments]
    count = 0
    for _ in range(MOST_DEEP):
        inner = [each for value in level for each in _inside(value)]
        count += len(inner)
        if count > MOST_VALUES:
            raise ConditionFailed(f"its arguments are more than {MOST_VALUES:,} values")
        if not inner:
            return
        level = inner
    raise ConditionFailed(f"its arguments are nested more than {MOST_DEEP} deep")


def _inside(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


@lru_cache(maxsize=1)
def _library() -> Any:
    """The native half of `cel` alone, loaded with the first condition: the package itself would load its
    command line, which takes longer than all else at start."""
    package = cast(ModuleSpec, find_spec("cel"))
    spec = cast(ModuleSpec, PathFinder.find_spec("cel.cel", package.submodule_search_locations))
    module = module_from_spec(spec)
    # Known under its name before it runs: made a second time it would end in a panic.
    sys.modules["cel.cel"] = module
    cast(Loader, spec.loader).exec_module(module)
    return module
