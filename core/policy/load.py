"""Reading a policy from TOML. Every mistake is named with its place; a text with one gives no policy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar

from core.digest import sha256_hex
from core.errors import CountersignError
from core.model import Channel, PolicyDecision, Risk, Role
from core.policy.conditions import Condition, ConditionError, meant, read_condition
from core.policy.places import Place, Places
from core.policy.rules import Policy, Rule

E = TypeVar("E", bound=StrEnum)

_KEYS: Final = (
    "name",
    "tool",
    "risk",
    "role",
    "chat",
    "channel",
    "when",
    "decision",
    "reason",
    "approvers",
    "count",
    "denials",
    "self_approval",
    "expires_after",
    "remind_after",
    "escalate_to",
    "cards_to",
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CHAT: Final = re.compile(r"-?\d{1,20}")


class PolicyError(CountersignError):
    """A policy text cannot be used: `line` and `column` count from 1, and the message says what would be
    right."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"policy, line {place.line}, column {place.column}: {problem}")
        self.line = place.line
        self.column = place.column


def load_policy(text: str, *, tools: Sequence[str]) -> Policy:
    """The policy that `text` spells. `tools` are the names that rules may match.

    Raises PolicyError for the first mistake.
    """
    places = Places(text)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+), column (\d+)", str(error))
        place = Place(int(found[1]), int(found[2])) if found else places.end
        raise PolicyError(place, str(error).partition(" (at ")[0]) from None
    except (RecursionError, ValueError):
        problem = "it is nested too deeply, or holds a number that is far too long"
        raise PolicyError(Place(1), problem) from None
    for key in document:
        if key != "rule":
            problem = f"{key!r} is not known here; only [[rule]] tables are"
            raise PolicyError(places.of(0, key), problem)
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise PolicyError(places.of(0, "rule"), "rules are written as [[rule]] tables")
    rules = tuple(_rule(_Table(places, number, table), tools) for number, table in enumerate(tables, start=1))
    _refuse_repeated(places, rules)
    _refuse_covered(places, rules, tools)
    return Policy(rules=rules, version=sha256_hex(text.encode())[:12])


class _Table:
    """One rule as it is written, and where."""

    def __init__(self, places: Places, number: int, written: Mapping[str, Any]) -> None:
        self._places = places
        self.number = number
        self.written = written

    def get(self, key: str) -> Any:
        """The value of a key; None where it is not given."""
        return self.written.get(key)

    def error(self, key: str, problem: str) -> PolicyError:
        """A mistake at this key, or (key "") in the rule as a whole."""
        return PolicyError(self._places.of(self.number, key), problem)

    def error_inside(self, key: str, problem: str, place: Place) -> PolicyError:
        """A mistake at a place inside the text of this key."""
        return PolicyError(self._places.inside(self.number, key, place), problem)


def _rule(table: _Table, tools: Sequence[str]) -> Rule:
    for key in table.written:
        if key not in _KEYS:
            raise table.error(key, f"{key!r} is not known; a rule has {', '.join(_KEYS)}{meant(key, _KEYS)}")
    if "decision" not in table.written:
        raise table.error("", "decision is missing; it is allow, requires_approval or deny")
    approvers, names = _approvers(table)
    rule = Rule(
        name=_text(table, "name") or f"rule {table.number}",
        decision=_one(table, "decision", table.get("decision"), PolicyDecision),
        reason=_text(table, "reason"),
        tool=_tool(table, tools),
        risks=_some(table, "risk", Risk),
        roles=_some(table, "role", Role),
        chat=_chat(table, "chat", ("private", "group")),
        channels=_some(table, "channel", Channel),
        when=_when(table),
        approvers=approvers,
        names=names,
        count=_count(table, "count"),
        denials=_count(table, "denials"),
        self_approval=_flag(table, "self_approval"),
        expires_after_s=_duration(table, "expires_after"),
        remind_after_s=_duration(table, "remind_after"),
        escalate_to=_role(table, "escalate_to"),
        cards_to=_chat(table, "cards_to", ("requester", "approvers")),
    )
    _refuse_contradictions(table, rule)
    return rule


def _refuse_contradictions(table: _Table, rule: Rule) -> None:
    if rule.names and rule.count is not None and rule.count > len(rule.names):
        raise table.error("count", f"count = {rule.count} is more than the {len(rule.names)} who are named")
    if rule.expires_after_s and rule.remind_after_s and rule.remind_after_s >= rule.expires_after_s:
        raise table.error("remind_after", "remind_after should be shorter than expires_after")
    if rule.escalate_to and not rule.names and (rule.approvers or Role.APPROVER).includes(rule.escalate_to):
        raise table.error(
            "escalate_to", f"escalate_to = '{rule.escalate_to}' asks nobody besides those who sign anyway"
        )


def _text(table: _Table, key: str) -> str:
    value = table.written.get(key, "")
    if not isinstance(value, str):
        raise table.error(key, f"{key} = {value!r} should be a text in quotes")
    return value.strip()


def _tool(table: _Table, tools: Sequence[str]) -> str:
    glob = _text(table, "tool") or "*"
    if glob != "*" and not _matched(glob, tools):
        there = ", ".join(sorted(tools))
        raise table.error("tool", f"no tool is named {glob!r}; there are {there}{meant(glob, tools)}")
    return glob


def _when(table: _Table) -> Condition | None:
    if "when" not in table.written:
        return None
    source = table.get("when")
    if not isinstance(source, str):
        raise table.error("when", f"when = {source!r} should be a condition in quotes")
    try:
        return read_condition(source)
    except ConditionError as error:
        raise table.error_inside("when", f"when: {error.message}", Place(error.line, error.column)) from None


def _one(table: _Table, key: str, value: object, kind: type[E]) -> E:
    try:
        return kind(value)  # type: ignore[arg-type]
    except ValueError:
        allowed = [member.value for member in kind]
        problem = f"{key} = {value!r} is not known; it is one of {', '.join(allowed)}"
        raise table.error(key, problem + meant(str(value), allowed)) from None


def _some(table: _Table, key: str, kind: type[E]) -> frozenset[E]:
    value = table.written.get(key, [])
    listed = value if isinstance(value, list) else [value]
    return frozenset(_one(table, key, item, kind) for item in listed)


def _chat(table: _Table, key: str, words: tuple[str, str]) -> str:
    value = table.written.get(key, "")
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else "?"
    if text not in ("", *words) and not _CHAT.fullmatch(text):
        raise table.error(key, f'{key} = {value!r} should be "{words[0]}", "{words[1]}" or a chat id')
    return text


def _role(table: _Table, key: str) -> Role | None:
    value = table.get(key)
    return None if value is None else _one(table, key, value, Role)


def _approvers(table: _Table) -> tuple[Role | None, tuple[str, ...]]:
    value = table.get("approvers")
    if value is None or isinstance(value, str):
        return _role(table, "approvers"), ()
    if isinstance(value, list) and value and all(isinstance(name, str) and name.strip() for name in value):
        return None, tuple(name.strip() for name in value)
    raise table.error("approvers", "approvers is a role in quotes, or a list of members' names")


def _count(table: _Table, key: str) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 20:
        raise table.error(key, f"{key} = {value!r} should be a whole number from 1 to 20")
    return value


def _flag(table: _Table, key: str) -> bool | None:
    value = table.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise table.error(key, f"{key} = {value!r} should be true or false")


def _duration(table: _Table, key: str) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,6})\s*([smhd])", value) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise table.error(key, f'{key} = {value!r} should be like "30m", "24h" or "7d"')
    return int(found[1]) * _UNITS[found[2]]


def _refuse_repeated(places: Places, rules: Sequence[Rule]) -> None:
    names = [rule.name for rule in rules]
    for number, name in enumerate(names, start=1):
        if names.index(name) + 1 != number:
            raise PolicyError(places.of(number, "name"), f"a rule named {name!r} stands above already")


def _refuse_covered(places: Places, rules: Sequence[Rule], tools: Sequence[str]) -> None:
    """A rule that can never speak, since one above takes all that it matches, is a mistake of some kind."""
    matched = {rule.tool: _matched(rule.tool, tools) for rule in rules}
    for number, rule in enumerate(rules, start=1):
        for earlier in rules[: number - 1]:
            if earlier.when is not None:
                continue
            if matched[earlier.tool] >= matched[rule.tool] and _covers(earlier, rule):
                raise PolicyError(
                    places.of(number),
                    f"the rule {rule.name!r} never decides: {earlier.name!r} above takes all that it matches",
                )


def _covers(earlier: Rule, rule: Rule) -> bool:
    """Whether all but the tool of the later rule is within the earlier one's plain fields."""
    return (
        earlier.chat in ("", rule.chat)
        and _within(rule.risks, earlier.risks, Risk)
        and _within(rule.roles, earlier.roles, Role)
        and _within(rule.channels, earlier.channels, Channel)
    )


def _within(inner: frozenset[E], outer: frozenset[E], kind: type[E]) -> bool:
    everything = frozenset(kind)
    return (inner or everything) <= (outer or everything)


def _matched(glob: str, tools: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name in tools if fnmatchcase(name, glob))
