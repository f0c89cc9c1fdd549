"""Untrusted text made safe: nothing in it is markup, nothing hides, nothing paints over its neighbours.

A character that nobody sees, or that changes how others are seen, is spelt as ⟨U+202E⟩. So is ⟨ itself, so
that a spelling is never mistaken for text and `unspelt` gives back the very characters.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from bot.telegram.render.message import units

ELLIPSIS: Final = "…"
_FLOOD: Final = 4
"""From so many blank characters in a row on they are counted instead of shown."""
_READ: Final = 50_000
"""Of a text that is cut anyway, no more than this is looked at."""
_MARKS: Final = 3
"""So many accents may sit on one letter; more would paint over other lines."""

_HIDDEN_KINDS: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp", "Zs", "Me"})
_BLANKS: Final = frozenset("\u2800\u3164\u115f\u1160\uffa0\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f\ufffc")
_OVERLAYS: Final = frozenset(map(chr, [*range(0x0334, 0x0339), *range(0x20D2, 0x20F1)]))
_SELECTORS: Final = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
_EMOJI: Final = (
    r"\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u27ff\u2900-\u2bff\u3030\u303d\u3297\u3299"
    r"\U0001f000-\U0001faff"
)
_JOINTS: Final = frozenset("\ufe0f\u200d\u20e3")
_STRAY: Final = (
    rf"(?<![{_EMOJI}0-9#*])\ufe0f|(?<=[0-9#*])\ufe0f(?!\u20e3)"  # colours no emoji, begins no keycap
    r"|(?<![0-9#*]\ufe0f)\u20e3"
    rf"|(?<![{_EMOJI}])(?<![{_EMOJI}]\ufe0f)\u200d|\u200d(?![{_EMOJI}])"  # joins no two emoji
)

_SPELT: Final = re.compile(r"⟨U\+([0-9A-F]{4,6})⟩")
_BREAK: Final = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BREAKS: Final = re.compile(rf"(?:{_BREAK.pattern})(?: *+(?:{_BREAK.pattern}))*+")
_SPACES: Final = re.compile(rf" {{{_FLOOD},}}")
_EMPTY_LINES: Final = re.compile(r"\n *+(?:\n *+){2,}+")


def visible(text: str) -> str:
    """The text on one line, everything in it seen: line breaks as ↵, floods of blanks counted (␣x60), what
    hides or disguises spelt out."""
    line = _BREAKS.sub(_folded_breaks, text)
    return spelt(_SPACES.sub(lambda found: f" ␣x{len(found[0])} ", line))


def visible_lines(text: str) -> str:
    """The same for text of several lines, which stay; more than one empty line in a row is counted (↵x20)."""
    lines = re.sub(r"\r\n?|[\v\f\x85\u2028\u2029]", "\n", text).strip("\n").replace("\t", "    ")
    folded = _EMPTY_LINES.sub(lambda found: f"\n↵x{found[0].count(chr(10))}\n", lines)
    folded = re.sub(r" {40,}", lambda found: f" ␣x{len(found[0])} ", folded)
    return "\n".join(map(spelt, folded.split("\n")))


def escape(text: str) -> str:
    """Untrusted text for the inside of an element: visible, on one line, without any markup."""
    return html.escape(visible(text))


def escape_lines(text: str) -> str:
    """Untrusted text of several lines for the inside of a blockquote, the only place for it."""
    return html.escape(visible_lines(text))


def cut(text: str, most: int) -> str:
    """`visible` of the text, ended by … where it would be longer than `most` UTF-16 units."""
    return shorten(visible(text[:_READ]) + ELLIPSIS * (len(text) > _READ), most)


def cut_lines(text: str, most: int) -> str:
    """`visible_lines` of the text, ended by … where it would be longer than `most` UTF-16 units."""
    return shorten(visible_lines(text[:_READ]) + ELLIPSIS * (len(text) > _READ), most)


def brief(text: str, most: int) -> str:
    """`cut`, escaped: untrusted text for the inside of an element that must not grow."""
    return html.escape(cut(text, most))


def spelt(text: str) -> str:
    """The text with whatever hides, disguises or paints over spelt as ⟨U+202E⟩; line breaks too."""
    return _replaced(text, _spelling)


def unspelt(text: str) -> str:
    """The text that `spelt` was given."""
    return _SPELT.sub(lambda found: chr(int(found[1], 16)), text)


def json_spelt(source: str) -> str:
    r"""JSON source, its hidden characters spelt as JSON spells them (\u202e); it parses to the same value."""
    return "\n".join(_replaced(line, _json_spelling) for line in source.split("\n"))


def _replaced(text: str, spelling: Callable[[str], str]) -> str:
    """The text with each suspect replaced, but for what is harmless where it stands: what joins and colours
    an emoji, and up to three accents on a letter."""
    odd = {char for char in set(text) if _suspect(char)}
    if not odd:
        return text
    depends = {char for char in odd if _depends(char)}
    text = text.translate({ord(char): spelling(char) for char in odd - depends})
    if not depends:
        return text
    patterns = [_STRAY] if depends & _JOINTS else []
    marks = "".join(sorted(depends - _JOINTS))
    if marks:
        spacing = "".join(sorted(char for char in set(text) if unicodedata.category(char) == "Mc"))
        base = rf"(?:[^\W_]|[{spacing}])" if spacing else r"[^\W_]"
        stacks = "".join(f"(?<!{base}{f'[{marks}]' * height})" for height in range(_MARKS))
        patterns.append(f"{stacks}[{marks}]")
    return re.sub("|".join(patterns), lambda found: spelling(found[0]), text)


@lru_cache(maxsize=4096)
def _suspect(char: str) -> bool:
    """Whether a character may have to be spelt, depending on what stands before it."""
    if " " <= char <= "~":
        return False
    if char in _BLANKS or char in _SELECTORS or char == "⟨":
        return True
    kind = unicodedata.category(char)
    if kind == "Cn":
        return not "\U0001f000" <= char <= "\U0001faff"  # emoji newer than this Python
    return kind in _HIDDEN_KINDS or kind == "Mn"


@lru_cache(maxsize=4096)
def _depends(char: str) -> bool:
    """Whether a suspect may be harmless where it stands."""
    if char in _JOINTS:
        return True
    never = char in _BLANKS or char in _SELECTORS or char in _OVERLAYS
    return unicodedata.category(char) == "Mn" and not never


def _spelling(char: str) -> str:
    return f"⟨U+{ord(char):04X}⟩"


def _json_spelling(char: str) -> str:
    if char == "⟨":
        return char
    raw = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[at : at + 2].hex()}" for at in range(0, len(raw), 2))


def _folded_breaks(found: re.Match[str]) -> str:
    breaks = len(_BREAK.findall(found[0]))
    return " ↵ " if breaks == 1 else f" ↵x{breaks} "


def shorten(seen: str, most: int) -> str:
    """Text that is visible already, ended by … where it would be longer than `most` UTF-16 units."""
    if units(seen) <= most:
        return seen
    kept = seen[:most]
    while units(kept) >= most:
        kept = kept[: len(kept) - max(1, (units(kept) - most) // 2)]
    return _SPELT_BEGUN.sub("", kept).rstrip() + ELLIPSIS


_SPELT_BEGUN: Final = re.compile(r"⟨U?\+?[0-9A-F]{0,6}$")


def lookalikes(value: object) -> str:
    """The first word in any text of a JSON value that mixes Latin letters with ones that pass for them; "" if
    there is none."""
    if isinstance(value, str):
        if value.isascii():
            return ""
        found = (word for word in value[:_READ].split() if _LATIN.search(word) and _ALIKE.search(word))
        return next(found, "")
    if isinstance(value, dict):
        inner = (lookalikes(part) for pair in value.items() for part in pair)
    elif isinstance(value, list | tuple):
        inner = (lookalikes(part) for part in value)
    else:
        return ""
    return next((found for found in inner if found), "")


_LATIN: Final = re.compile(r"[A-Za-z]")
_ALIKE: Final = re.compile(
    "[\u0391\u0392\u0395-\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"  # Greek
    "\u03b1\u03b3\u03b9\u03ba\u03bd\u03bf\u03c1\u03c5\u03c7"
    "\u0400-\u052f\u0561-\u0587\u13a0-\u13f4\uff21-\uff5a]"  # Cyrillic, Armenian, Cherokee, full width
)
