"""The file of schedules: read at the start, and again whenever it changes, without a restart.

    [[schedule]]
    name = "monday report"
    cron = "0 9 * * mon"            # or at = "2026-12-24T18:00", for once
    timezone = "Europe/Berlin"      # by default the team's
    tool = "list_expenses"
    args = { }
    as = "Ann"                      # whose calls they are: a member's name or id
    chat = -1001234                 # where they show; by default the private chat of that member
    missed = "skip"                 # or "once", the default

An entry that is new makes a schedule, one that says something else changes it, one that is gone ends it. A
file that cannot be used changes nothing, and admins are told why.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct

from core.digest import Json
from core.errors import ConfigError, InvalidInput, Refusal
from core.model import Missed
from core.policy.conditions import meant
from core.registry import ToolRegistry, validate
from core.schedule_rules import read_rule, zone_of

T = TypeVar("T")

_KEYS: Final = ("name", "cron", "at", "timezone", "tool", "args", "as", "chat", "missed")
_HEADER: Final = re.compile(r"\s*\[\[\s*schedule\s*\]\]")
_NAME_MOST: Final = 80


class ScheduleError(ConfigError):
    """A file of schedules cannot be used: the message names line and column, and what would be right."""


class Entry(Struct, frozen=True, kw_only=True):
    """One schedule as the file spells it. `timezone` "": the team's; `chat` None: the member's own."""

    name: str
    rule: str
    timezone: str
    tool: str
    arguments: Mapping[str, Json]
    member: str
    chat: int | None
    missed: Missed


def load_schedules(path: Path | None, registry: ToolRegistry) -> tuple[Entry, ...]:
    """The schedules of a file; none where none is named. Raises ConfigError for the first mistake."""
    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = f"schedules.file = {path} cannot be read: {error}. See config.example.toml."
        raise ConfigError(told) from None
    try:
        return read_schedules(text, registry)
    except ScheduleError as error:
        raise ScheduleError(f"{path}: {error.message}") from None


def read_schedules(text: str, registry: ToolRegistry) -> tuple[Entry, ...]:
    """The schedules that a text spells. Raises ScheduleError for the first mistake."""
    document = _document(text)
    for key in document:
        if key != "schedule":
            raise _error(text, 0, key, f"{key!r} is not known here; only [[schedule]] tables are")
    tables = document.get("schedule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _error(text, 0, "schedule", "schedules are written as [[schedule]] tables")
    found: list[Entry] = []
    for number, table in enumerate(tables, start=1):
        entry = _Table(text, number, table).entry(registry)
        if entry.name in {each.name for each in found}:
            problem = f"a schedule named {entry.name!r} stands above already"
            raise _error(text, number, "name", problem)
        found.append(entry)
    return tuple(found)


class _Table:
    """One entry as it is written, and where."""

    def __init__(self, text: str, number: int, written: Mapping[str, Any]) -> None:
        self._text = text
        self._number = number
        self._written = written

    def entry(self, registry: ToolRegistry) -> Entry:
        """The entry, checked as far as that can be done without the records."""
        for key in self._written:
            if key not in _KEYS:
                raise self._wrong(key, f"{key!r} is not known; it has {', '.join(_KEYS)}{meant(key, _KEYS)}")
        name = self._word("name")
        if len(name) > _NAME_MOST:
            raise self._wrong("name", f"name has {len(name)} characters; {_NAME_MOST} are enough")
        timezone = self._word("timezone", required=False)
        if timezone:
            self._checked("timezone", lambda: zone_of(timezone))
        return Entry(
            name=name,
            rule=self._rule(),
            timezone=timezone,
            tool=self._tool(registry),
            arguments=self._arguments(registry),
            member=self._word("as"),
            chat=self._chat(),
            missed=self._missed(),
        )

    def _rule(self) -> str:
        given = [key for key in ("cron", "at") if key in self._written]
        if len(given) != 1:
            raise self._wrong(
                given[-1] if given else "", 'give one of cron = "0 9 * * mon" and at = "2026-12-24T18:00"'
            )
        key = given[0]
        value = self._written[key]
        if key == "at" and isinstance(value, datetime):
            value = value.isoformat(timespec="minutes")
        if not isinstance(value, str):
            raise self._wrong(key, f"{key} = {value!r} should be a text in quotes")
        rule = f"{key} {value.strip()}"
        self._checked(key, lambda: read_rule(rule))
        return rule

    def _tool(self, registry: ToolRegistry) -> str:
        name = self._word("tool")
        if registry.find(name) is None:
            names = sorted(tool.name for tool in registry)
            raise self._wrong(
                "tool", f"no tool is named {name!r}; there are {', '.join(names)}{meant(name, names)}"
            )
        return name

    def _arguments(self, registry: ToolRegistry) -> Mapping[str, Json]:
        value = self._written.get("args", {})
        if not isinstance(value, dict):
            raise self._wrong("args", "args are a table of names and values")
        given: dict[str, Json] = {name: _plain(each) for name, each in value.items()}
        tool = registry.get(self._word("tool"))
        typed = self._checked("args", lambda: validate(tool, given))
        arguments: dict[str, Json] = typed.model_dump(mode="json")
        return arguments

    def _chat(self) -> int | None:
        value = self._written.get("chat")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self._wrong("chat", f"chat = {value!r} should be a chat's id: a whole number")
        return value

    def _missed(self) -> Missed:
        value = self._written.get("missed", Missed.ONCE.value)
        try:
            return Missed(value)
        except ValueError:
            raise self._wrong("missed", f'missed = {value!r} should be "once" or "skip"') from None

    def _word(self, key: str, *, required: bool = True) -> str:
        value = self._written.get(key, "")
        if isinstance(value, int) and not isinstance(value, bool) and key == "as":
            value = str(value)
        if not isinstance(value, str):
            raise self._wrong(key, f"{key} = {value!r} should be a text in quotes")
        if required and not value.strip():
            raise self._wrong(key, f"{key} is missing")
        return value.strip()

    def _checked(self, key: str, check: Callable[[], T]) -> T:
        try:
            return check()
        except InvalidInput as problem:
            raise self._wrong(key, problem.message) from None
        except Refusal as problem:
            raise self._wrong(key, problem.message) from None

    def _wrong(self, key: str, problem: str) -> ScheduleError:
        return _error(self._text, self._number, key, problem)


def _document(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+), column (\d+)", str(error))
        line, column = (int(found[1]), int(found[2])) if found else (len(text.splitlines()) or 1, 1)
        told = str(error).partition(" (at ")[0]
        raise ScheduleError(f"line {line}, column {column}: {told}") from None
    except (RecursionError, ValueError):
        problem = "it is nested too deeply, or holds a number that is far too long"
        raise ScheduleError(f"line 1, column 1: {problem}") from None


def _error(text: str, number: int, key: str, problem: str) -> ScheduleError:
    line, column = _place(text, number, key)
    return ScheduleError(f"line {line}, column {column}: {problem}")


def _place(text: str, number: int, key: str) -> tuple[int, int]:
    """Where a key stands in the entry of this number (0: anywhere), or else that entry's header."""
    seen, header = 0, (1, 1)
    for row, line in enumerate(text.split("\n"), start=1):
        if _HEADER.match(line):
            seen += 1
            if seen == number:
                header = (row, line.index("[") + 1)
        named = re.match(rf"\s*\[*\s*[\"']?(?={re.escape(key)}\b)", line) if key else None
        if named is not None and number in (0, seen):
            return row, len(named.group().rstrip("\"'")) + 1
    return header


def _plain(value: Any) -> Json:
    """TOML's dates and times as text: arguments are JSON."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
