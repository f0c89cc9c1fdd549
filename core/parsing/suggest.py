"""Which tools a text that was not understood may be about. Suggestions only: they never call anything."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Final

from core.parsing.index import Index
from core.parsing.language import ENGLISH
from core.parsing.text import Words, plain

_MOST: Final = 3
_CUTOFF: Final = 80
_LOOKED_AT: Final = 400
_NAME: Final = re.compile(r"/?([^\s@]{1,64})")


def nearest(said: str, index: Index) -> tuple[str, ...]:
    """At most three tool names: those whose command or name is spelt nearly so, then those that share the
    rarest words."""
    text = plain(said[:_LOOKED_AT]).strip().lower()
    found = _NAME.match(text)
    spelt = _spelt(found[1], index) if found else []
    return tuple(dict.fromkeys([*spelt, *([] if text.startswith("/") else _sharing(text, index))]))[:_MOST]


def _spelt(name: str, index: Index) -> list[str]:
    from rapidfuzz import fuzz, process  # noqa: PLC0415 - 3 MB, for texts that were not understood

    known = {command: one.tool.name for command, one in index.commands.items()}
    known.update({tool: tool for tool in index.tools})
    found = process.extract(name, list(known), scorer=fuzz.ratio, score_cutoff=_CUTOFF, limit=_MOST)
    return [known[choice] for choice, _score, _place in found]


def _sharing(text: str, index: Index) -> list[str]:
    words = Words(text)
    scores: defaultdict[str, float] = defaultdict(float)
    for word in dict.fromkeys(words.folded(0, len(words))):
        if word not in ENGLISH.stop:
            tools = index.topics.get(word, frozenset())
            for name in tools:
                scores[name] += 1 / len(tools)
    return sorted(scores, key=lambda name: (-scores[name], name))
