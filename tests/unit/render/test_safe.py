"""What hides is seen, what is harmless stays, and nothing is lost on the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.telegram.render import safe
from tests.unit.render.reading import length, text_of

ANY = st.text(st.characters(codec=None), max_size=200)


@pytest.mark.parametrize(
    "char",
    [
        *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",  # direction
        *"\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u034f\u115f\u1160\u3164\uffa0\u2800",  # no width, no ink
        *"\ufe00\ufe0e\ufe0f\U000e0100\U000e01ef\U000e0001\U000e0061\U000e007f",  # selectors, tags
        *"\x00\x07\x1b\x7f\x80\x9f\t",  # controls
        *"\u00a0\u2000\u2003\u2009\u202f\u205f\u3000\u1680",  # spaces
        *"\ud800\udfff\ue000\U0010ffff\ufffe\ufffc",  # no characters, or nobody's
        *"\u0336\u0338\u20dd\u20d2\u0488",  # what paints over a neighbour
    ],
)
def test_what_hides_is_spelt(char: str) -> None:
    spelling = f"⟨U+{ord(char):04X}⟩"
    assert safe.visible(f"a{char}b") == f"a{spelling}b"
    assert safe.spelt(f"a{char}b") == f"a{spelling}b"
    assert safe.visible_lines(f"a{char}b") in (f"a{spelling}b", "a    b")
    assert safe.unspelt(safe.spelt(f"a{char}b")) == f"a{char}b"


@pytest.mark.parametrize(
    "text",
    [
        "Review the budget",
        "Größe, naïve, Ελλάδα, Привет, 日本語, עברית, ไทย ที่, हिन्दी",
        "e\u0301 and a\u0302\u0301",
        "👍 ❤️ 👩‍👩‍👧 👩🏽‍🚀 🏳️‍🌈 🇩🇪 1️⃣ #️⃣ ☎️ ⚠️",
        "\U0001faea newer than this Python",
        "↵ ␣ © 42.50 € – “quoted”",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert safe.visible(text) == text
    assert safe.spelt(text) == text


def test_a_selector_or_joiner_is_harmless_only_inside_an_emoji() -> None:
    assert safe.spelt("pay\ufe0fpal") == "pay⟨U+FE0F⟩pal"
    assert safe.spelt("👩\u200dx") == "👩⟨U+200D⟩x"
    assert safe.spelt("x\u200d👩") == "x⟨U+200D⟩👩"
    assert safe.spelt("\u200d👩") == "⟨U+200D⟩👩"
    assert safe.spelt("5\ufe0f") == "5⟨U+FE0F⟩"
    assert safe.spelt("x\u20e3") == "x⟨U+20E3⟩"
    assert safe.spelt("\ufe0f") == "⟨U+FE0F⟩"


def test_accents_without_end_are_spelt_from_the_fourth_on() -> None:
    shown = safe.spelt("e" + "\u0301" * 50)
    assert shown.startswith("e\u0301\u0301\u0301⟨U+0301⟩")
    assert shown.count("⟨U+0301⟩") == 47
    assert safe.spelt(" \u0301") == " ⟨U+0301⟩"
    assert safe.spelt("\u0301") == "⟨U+0301⟩"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a ↵ b"),
        ("a\r\nb", "a ↵ b"),
        ("a\n\n\nb", "a ↵x3 b"),
        ("a" + "\n" * 5000 + "b", "a ↵x5000 b"),
        ("a\u2028b\u0085c\x0bd", "a ↵ b ↵ c ↵ d"),
        ("a" + " " * 60 + "b", "a ␣x60 b"),
        ("a   b", "a   b"),
    ],
)
def test_one_line_stays_one_line(text: str, shown: str) -> None:
    assert safe.visible(text) == shown


def test_lines_stay_lines_and_floods_are_counted() -> None:
    assert safe.visible_lines("a\nb\r\nc\n\nd") == "a\nb\nc\n\nd"
    assert safe.visible_lines("a" + "\n" * 21 + "b") == "a\n↵x21\nb"
    assert safe.visible_lines("\n\na\tb\n") == "a    b"
    assert safe.visible_lines("a" + " " * 300 + "b") == "a ␣x300 b"
    assert safe.visible_lines("a\u202eb") == "a⟨U+202E⟩b"
    assert safe.escape_lines("<a>\n&") == "&lt;a&gt;\n&amp;"


def test_a_spelling_in_the_text_is_not_taken_for_one() -> None:
    assert safe.spelt("⟨U+202E⟩") == "⟨U+27E8⟩U+202E⟩"
    assert safe.unspelt(safe.spelt("⟨U+202E⟩")) == "⟨U+202E⟩"


def test_no_markup_is_left() -> None:
    assert safe.escape("<b>\"x\"</b> & &amp; 'y'") == (
        "&lt;b&gt;&quot;x&quot;&lt;/b&gt; &amp; &amp;amp; &#x27;y&#x27;"
    )


@given(ANY)
@settings(deadline=None)
def test_whatever_the_text_it_is_seen_sent_and_read_back(text: str) -> None:
    assert safe.unspelt(safe.spelt(text)) == text
    shown = safe.visible(text)
    shown.encode()
    assert "\n" not in shown
    assert text_of(safe.escape(text)) == shown
    safe.escape_lines(text).encode()


@given(ANY, st.integers(2, 60))
@settings(deadline=None)
def test_a_cut_text_fits_and_says_that_it_was_cut(text: str, most: int) -> None:
    for cut, whole in ((safe.cut, safe.visible), (safe.cut_lines, safe.visible_lines)):
        shown = cut(text, most)
        assert length(shown) <= most
        assert shown == whole(text) or shown.endswith("…")


def test_a_spelling_is_never_cut_in_two() -> None:
    assert safe.cut("ab\u202ecd", 8) == "ab…"
    assert safe.cut("x" * 60_000, 10) == "x" * 9 + "…"
    assert safe.cut("🙂" * 10, 9) == "🙂" * 4 + "…"
    assert safe.cut(" " * 60_000, 40).endswith("…")


@given(st.dictionaries(ANY.filter(lambda t: not any("\ud800" <= c <= "\udfff" for c in t)), ANY, max_size=4))
@settings(deadline=None)
def test_json_is_spelt_as_json_does(value: dict[str, str]) -> None:
    shown = safe.json_spelt(json.dumps(value, indent=2, ensure_ascii=False))
    shown.encode()
    assert json.loads(shown) == value
    assert safe.json_spelt('"a\u202eb \U000e0100 ⟨"') == '"a\\u202eb \\udb40\\udd00 ⟨"'


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("https://p\u0430ypal.com", "https://p\u0430ypal.com"),
        ({"to": ["a", {"b": "\u0440aypal now"}]}, "\u0440aypal"),
        ({"n\u0430me": 1}, "n\u0430me"),
        ("Привет Anna", ""),
        ("plain", ""),
        (7, ""),
        ([None, True], ""),
        ("Ωmega is not alike", ""),
    ],
)
def test_letters_that_pass_for_others_are_found(value: object, found: str) -> None:
    assert safe.lookalikes(value) == found
