"""A run in a file, TOML or JSON: read whole, every mistake with its place and what would be right.

title = "Close the month"
on_failure = "stop"             # or "continue"; stop is the default

[[step]]
tool = "create_expense"
args = { amount = "12.00", currency = "EUR", description = "taxi" }

[[step]]
tool = "expense_report"
needs = [1]                     # by default each step needs the one before; [] for none
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from core.digest import Json
from core.engine.runs import checked_order
from core.errors import ConfigError, InvalidInput
from core.model import OnFailure

_KEYS: Final = ("title", "on_failure", "step")
_STEP_KEYS: Final = ("tool", "args", "needs")
_TITLE_MOST: Final = 200
_HEADER: Final = re.compile(r"\s*\[\[\s*step\s*\]\]")
_FIELD: Final = re.compile(r"step (?P<step>\d+), (?P<field>[^:]*)")


class PlanError(ConfigError):
    """A plan cannot be used: the message names the file, the line where it is known, and what would be
    right."""


class PlanStep(Struct, frozen=True, kw_only=True):
    """One call to propose."""

    tool: str
    arguments: Mapping[str, Json]


class Plan(Struct, frozen=True, kw_only=True):
    """A run as a file spells it; `needs` is given for every step."""

    path: Path
    text: str
    title: str
    on_failure: OnFailure
    steps: tuple[PlanStep, ...]
    needs: Mapping[int, tuple[int, ...]]

    def error(self, problem: str) -> PlanError:
        """A mistake found later, with its line if the problem begins with "step 2, field"."""
        found = _FIELD.match(problem)
        line = _line_of(self.text, int(found["step"]), found["field"].split(".")[0]) if found else None
        return _error(self.path, line, problem)


def read_plan(path: Path) -> Plan:
    """The plan of a file; its name ends with .toml or .json. Raises PlanError for the first mistake."""
    if path.suffix.lower() not in {".toml", ".json"}:
        raise _error(path, None, "a plan is a TOML or JSON file; its name ends with .toml or .json")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path} cannot be read: {error}.") from None
    document = _document(path, text)
    for key in document:
        if key not in _KEYS:
            told = f"{key!r} is not known; a plan has {', '.join(_KEYS)}"
            raise _error(path, _line_of(text, 0, key), told)
    listed = document.get("step", [])
    if not isinstance(listed, list) or not listed:
        raise _error(path, _line_of(text, 0, "step"), "a plan needs steps: one [[step]] table for each")
    steps = tuple(_step(path, text, number, each) for number, each in enumerate(listed, start=1))
    return Plan(
        path=path,
        text=text,
        title=_title(path, text, document.get("title", path.stem)),
        on_failure=_on_failure(path, text, document.get("on_failure", OnFailure.STOP.value)),
        steps=steps,
        needs=_needs(path, text, listed),
    )


def _document(path: Path, text: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        raise _error(path, int(found[1]) if found else len(text.splitlines()) or 1, str(error)) from None
    except json.JSONDecodeError as error:
        raise _error(path, error.lineno, f"{error.msg} (column {error.colno})") from None
    except (RecursionError, ValueError):
        told = "it is nested too deeply, or holds a number that is far too long"
        raise _error(path, None, told) from None
    if not isinstance(document, dict):
        raise _error(path, 1, 'a plan is an object with "title" and "step"')
    return document


def _step(path: Path, text: str, number: int, table: object) -> PlanStep:
    def wrong(key: str, problem: str) -> PlanError:
        return _error(path, _line_of(text, number, key), f"step {number}, {problem}")

    if not isinstance(table, dict):
        raise wrong("", "it is a table with tool, args and needs")
    for key in table:
        if key not in _STEP_KEYS:
            raise wrong(key, f"{key!r} is not known; a step has {', '.join(_STEP_KEYS)}")
    tool, arguments = table.get("tool"), table.get("args", {})
    if not isinstance(tool, str) or not tool.strip():
        raise wrong("tool", "tool: it is required, as the name of a tool in quotes")
    if not isinstance(arguments, dict):
        raise wrong("args", "args: they are a table of names and values")
    return PlanStep(tool=tool.strip(), arguments={name: _plain(value) for name, value in arguments.items()})


def _plain(value: Any) -> Json:
    """TOML's dates and times as text: arguments are JSON."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _title(path: Path, text: str, value: object) -> str:
    if isinstance(value, str) and 1 <= len(value.strip()) <= _TITLE_MOST:
        return value.strip()
    raise _error(path, _line_of(text, 0, "title"), f"title: it is a text of 1 to {_TITLE_MOST} characters")


def _on_failure(path: Path, text: str, value: object) -> OnFailure:
    try:
        return OnFailure(str(value))
    except ValueError:
        told = f'on_failure: {value!r} is not known; it is "stop" or "continue"'
        raise _error(path, _line_of(text, 0, "on_failure"), told) from None


def _needs(path: Path, text: str, listed: list[dict[str, Any]]) -> dict[int, tuple[int, ...]]:
    given: dict[int, list[int]] = {}
    for number, table in enumerate(listed, start=1):
        if "needs" not in table:
            continue
        value = table["needs"]
        if not isinstance(value, list) or not all(type(one) is int for one in value):
            told = f"step {number}, needs: it is a list of the numbers of earlier steps, such as [1, 2]"
            raise _error(path, _line_of(text, number, "needs"), told)
        given[number] = value
    try:
        return checked_order(len(listed), given)
    except InvalidInput as problem:
        found = _FIELD.match(problem.message)
        line = _line_of(text, int(found["step"]), "needs") if found else None
        raise _error(path, line, problem.message) from None


def _error(path: Path, line: int | None, problem: str) -> PlanError:
    where = str(path) if line is None else f"{path}, line {line}"
    return PlanError(f"{where}: {problem.rstrip('.')}.")


def _line_of(text: str, step: int, key: str) -> int | None:
    """The line of `key` in the step of this number (0: outside of steps), or else of that step's header; None
    where the text has no such headers (JSON)."""
    seen, header = 0, None
    for number, line in enumerate(text.splitlines(), start=1):
        if _HEADER.match(line):
            seen += 1
            header = number if seen == step else header
        if (
            key
            and seen == step
            and re.search(rf"(?:^|[{{,\[.])\s*[\"']?{re.escape(key)}[\"']?\s*[=\]]", line)
        ):
            return number
    return header
