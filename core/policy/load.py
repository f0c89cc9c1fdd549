"""Reading a policy from TOML. Every mistake is named with its line; a text with a mistake gives no policy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from core.digest import sha256_hex
from core.errors import CountersignError
from core.model import PolicyDecision, Risk, Role
from core.policy.rules import Policy, Rule

E = TypeVar("E", bound=StrEnum)

_KEYS: Final = (
    "name",
    "tool",
    "risk",
    "role",
    "chat",
    "decision",
    "reason",
    "approvers",
    "count",
    "self_approval",
    "expires_after",
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_HEADER: Final = re.compile(r"^\s*\[\[\s*rule\s*\]\]")


class PolicyError(CountersignError):
    """A policy text cannot be used: `line` counts from 1, and the message says what would be right."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"policy, line {line}: {problem}")
        self.line = line


def load_policy(text: str, *, tools: Sequence[str]) -> Policy:
    """The policy that `text` spells. `tools` are the names that rules may match.

    Raises PolicyError for the first mistake.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        raise PolicyError(int(found[1]) if found else _lines(text), str(error)) from None
    for key in document:
        if key != "rule":
            raise PolicyError(_line_of(text, 0, key), f"{key!r} is not known here; only [[rule]] tables are")
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise PolicyError(_line_of(text, 0, "rule"), "rules are written as [[rule]] tables")
    rules = tuple(_rule(text, number, table, tools) for number, table in enumerate(tables, start=1))
    _refuse_repeated(text, rules)
    return Policy(rules=rules, version=sha256_hex(text.encode())[:12])


def _rule(text: str, number: int, table: Mapping[str, Any], tools: Sequence[str]) -> Rule:
    at = _Place(text, number)
    for key in table:
        if key not in _KEYS:
            raise at.error(key, f"{key!r} is not known; a rule has {', '.join(_KEYS)}")
    if "decision" not in table:
        raise at.error("", "decision is missing; it is allow, requires_approval or deny")
    approvers, names = _approvers(at, table.get("approvers"))
    rule = Rule(
        name=_text(at, table, "name") or f"rule {number}",
        decision=_one(at, "decision", table["decision"], PolicyDecision),
        reason=_text(at, table, "reason"),
        tool=_text(at, table, "tool") or "*",
        risks=_some(at, "risk", table.get("risk", []), Risk),
        roles=_some(at, "role", table.get("role", []), Role),
        chat=_chat(at, table.get("chat", "")),
        approvers=approvers,
        names=names,
        count=_count(at, table.get("count")),
        self_approval=_flag(at, table.get("self_approval")),
        expires_after_s=_duration(at, table.get("expires_after")),
    )
    if not any(
        rule.matches(tool=name, risk=risk, role=role, chat=rule.chat, private=rule.chat == "private")
        for name in tools
        for risk in Risk
        for role in Role
    ):
        raise at.error("tool", f"no tool is named {rule.tool!r}; there are {', '.join(sorted(tools))}")
    return rule


class _Place:
    """Where a rule stands in the text."""

    def __init__(self, text: str, number: int) -> None:
        self._text = text
        self._number = number

    def error(self, key: str, problem: str) -> PolicyError:
        return PolicyError(_line_of(self._text, self._number, key), problem)


def _lines(text: str) -> int:
    return max(1, len(text.splitlines()))


def _line_of(text: str, rule: int, key: str) -> int:
    """The line of `key` in the `rule`-th [[rule]] (0: anywhere), or else of that rule's header."""
    seen, header = 0, 1
    for number, line in enumerate(text.splitlines(), start=1):
        if _HEADER.match(line):
            seen, header = seen + 1, number if seen + 1 <= rule else header
        inside = rule in (0, seen)
        if key and inside and re.match(rf"\s*\[*\s*[\"']?{re.escape(key)}\b", line):
            return number
    return header


def _text(at: _Place, table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise at.error(key, f"{key} = {value!r} should be a text in quotes")
    return value.strip()


def _one(at: _Place, key: str, value: object, kind: type[E]) -> E:
    try:
        return kind(value)  # type: ignore[arg-type]
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise at.error(key, f"{key} = {value!r} is not known; it is one of {allowed}") from None


def _some(at: _Place, key: str, value: object, kind: type[E]) -> frozenset[E]:
    listed = value if isinstance(value, list) else [value]
    return frozenset(_one(at, key, item, kind) for item in listed)


def _chat(at: _Place, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise at.error("chat", f'chat = {value!r} should be "private", "group" or a chat id')
    text = str(value).strip()
    if text not in ("", "private", "group") and not re.fullmatch(r"-?\d{1,20}", text):
        raise at.error("chat", f'chat = {value!r} should be "private", "group" or a chat id')
    return text


def _approvers(at: _Place, value: object) -> tuple[Role | None, tuple[str, ...]]:
    if value is None:
        return None, ()
    if isinstance(value, str):
        return _one(at, "approvers", value, Role), ()
    if isinstance(value, list) and value and all(isinstance(name, str) and name.strip() for name in value):
        return None, tuple(name.strip() for name in value)
    raise at.error("approvers", "approvers is a role in quotes, or a list of members' names")


def _count(at: _Place, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 20:
        raise at.error("count", f"count = {value!r} should be a whole number from 1 to 20")
    return value


def _flag(at: _Place, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise at.error("self_approval", f"self_approval = {value!r} should be true or false")


def _duration(at: _Place, value: object) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,6})\s*([smhd])", value) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise at.error("expires_after", f'expires_after = {value!r} should be like "30m", "24h" or "7d"')
    return int(found[1]) * _UNITS[found[2]]


def _refuse_repeated(text: str, rules: Sequence[Rule]) -> None:
    names = [rule.name for rule in rules]
    for number, name in enumerate(names, start=1):
        if names.index(name) + 1 != number:
            raise PolicyError(_line_of(text, number, "name"), f"a rule named {name!r} stands above already")
