"""What is compiled of a registry, once: templates by their first word, commands, field names, keywords."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from core.model import Risk
from core.parsing.language import ENGLISH, Language
from core.parsing.templates import Literal, Template, compile_template
from core.parsing.text import Words
from core.registry import ToolRegistry
from core.tool import SlotKind, Tool

_NAMED: Final = frozenset({SlotKind.DATE})
"""Kinds whose values a sentence may give behind a keyword at its end."""


class ToolIndex(Struct, frozen=True, kw_only=True):
    """One tool, ready to be matched. `keywords` leads to fields: words, then the field."""

    tool: Tool
    forms: tuple[Template, ...]
    examples: tuple[Template, ...]
    keywords: tuple[tuple[tuple[str, ...], str], ...]  # longest first
    pairs: re.Pattern[str]
    aliases: Mapping[str, str]  # name in a pair, lower case -> field

    @property
    def risky(self) -> bool:
        """Whether a wrong guess can hurt: high risk, or risk that depends on the arguments."""
        return self.tool.risk.rank >= Risk.HIGH.rank or self.tool.assess is not None


class Index(Struct, frozen=True, kw_only=True):
    """A registry, ready to be matched."""

    source: tuple[Tool, ...]
    tools: Mapping[str, ToolIndex]
    commands: Mapping[str, ToolIndex]
    starts: Mapping[str, tuple[Template, ...]]  # first word -> templates; "" for those that begin with a hole
    topics: Mapping[str, frozenset[str]]  # word -> tools it may be about

    def templates(self, first: str) -> tuple[Template, ...]:
        """The templates that a text with this first word may fit."""
        return (*self.starts.get(first, ()), *self.starts.get("", ()))


_cache: WeakKeyDictionary[ToolRegistry, Index] = WeakKeyDictionary()


def index_of(registry: ToolRegistry) -> Index:
    """The compiled registry; compiled again only when a tool was registered since."""
    tools = tuple(registry)
    known = _cache.get(registry)
    if known is None or len(known.source) != len(tools):
        known = _cache[registry] = _compile(tools, ENGLISH)
    return known


def _compile(tools: tuple[Tool, ...], language: Language) -> Index:
    indexed = {tool.name: _tool_index(tool, language) for tool in tools}
    starts: defaultdict[str, list[Template]] = defaultdict(list)
    for template in (t for one in indexed.values() for t in one.examples):
        first = template.parts[0]
        starts[first.words[0] if isinstance(first, Literal) else ""].append(template)
    return Index(
        source=tools,
        tools=indexed,
        commands={one.tool.command.lower(): one for one in indexed.values() if one.tool.command},
        starts={word: tuple(found) for word, found in starts.items()},
        topics=_topics(indexed.values(), language),
    )


def _tool_index(tool: Tool, language: Language) -> ToolIndex:
    aliases = {name.lower(): name for name in tool.input.model_fields}
    keywords: list[tuple[tuple[str, ...], str]] = []
    for name in tool.input.model_fields:
        slot = tool.slots.get(name)
        if (slot and slot.kind in _NAMED) or name in language.people:
            phrases = language.keywords.get(name, (name.replace("_", " "),))
            keywords.extend((tuple(phrase.split()), name) for phrase in phrases)
            aliases.update(
                {phrase: name for phrase in phrases if phrase.isidentifier() and phrase not in aliases}
            )
    names = "|".join(re.escape(name) for name in sorted(aliases, key=len, reverse=True)) or r"(?!)"
    examples = [t for example in tool.examples for t in compile_template(tool, example, language)]
    return ToolIndex(
        tool=tool,
        forms=tuple(compile_template(tool, tool.form, language)[:1]),
        examples=tuple(template for template in examples if template.literals),
        keywords=tuple(sorted(keywords, key=lambda pair: -len(pair[0]))),
        pairs=re.compile(
            rf'(?<!\S)({names})[:=](?:"((?:[^"\\]|\\.)*+)"(?!\S)|“([^”]*)”(?!\S)|(?!["“])(\S+))',
            re.IGNORECASE | re.ASCII | re.DOTALL,
        ),
        aliases=aliases,
    )


def _topics(tools: Iterable[ToolIndex], language: Language) -> Mapping[str, frozenset[str]]:
    topics: defaultdict[str, set[str]] = defaultdict(set)
    for one in tools:
        for word in _about(one):
            if word not in language.stop:
                topics[word].add(one.tool.name)
    return {word: frozenset(names) for word, names in topics.items()}


def _about(one: ToolIndex) -> Iterator[str]:
    yield from one.tool.name.lower().split("_")
    yield one.tool.command.lower()
    title = Words(one.tool.title)
    yield from title.folded(0, len(title))
    for template in one.examples:
        yield from template.literals


def required(tool: Tool, order: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The fields that must be given, those of `order` first."""
    needed = [name for name, field in tool.input.model_fields.items() if field.is_required()]
    return tuple(dict.fromkeys([*(name for name in order if name in needed), *needed]))
