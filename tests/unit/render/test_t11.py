"""T11 as far as it is rendering: what is shown, read back, equals what runs."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.telegram.render.safe import unspelt
from core.digest import Json, args_digest
from core.lifecycle import Status
from tests.e2e.rounds import rounds
from tests.unit.render.hostile import CLASSES, everything_of
from tests.unit.render.kit import (
    shown,
    with_arguments,
)
from tests.unit.render.reading import read_back

NAMES = st.one_of(st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12), st.text(max_size=30))
SPICE = st.sampled_from([text for texts in CLASSES.values() for text in texts if len(text) < 100])
TEXTS = st.one_of(st.text(max_size=80), SPICE, st.lists(SPICE, max_size=4).map("".join))
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53) + 1, 2**53 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)
ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=6)
FULL = 1_000
CASES = rounds(normal=60, full=FULL)


def storable(value: Json) -> bool:
    """What no digest exists for is never proposed: lone surrogates."""
    try:
        args_digest("create_expense", "1", {"v": value})
    except ValueError:
        return False
    return True


def shown_is_what_runs(arguments: dict[str, Json]) -> None:
    seen = with_arguments(arguments)
    for status in (Status.PROPOSED, Status.PENDING, Status.RUNNING, Status.INTERRUPTED):
        made = shown(replace(seen, call=replace(seen.call, status=status)))
        if made.complete:
            read = read_back(made.html)
            assert json.dumps(read, sort_keys=True) == json.dumps(arguments, sort_keys=True)
            assert args_digest(seen.call.tool, seen.call.tool_version, read) == seen.call.args_digest
        else:
            assert (made.document is not None) == (status is Status.PROPOSED)
    read = everything_of(shown(seen))
    assert args_digest(seen.call.tool, seen.call.tool_version, read) == seen.call.args_digest


def test_t11_what_is_shown_read_back_is_what_runs() -> None:
    tried = 0

    @given(ARGUMENTS.filter(storable))
    @settings(max_examples=CASES, deadline=None, database=None)
    def generated(arguments: dict[str, Json]) -> None:
        nonlocal tried
        shown_is_what_runs(arguments)
        tried += 1

    generated()
    assert tried >= CASES
    print(f"T11: {tried}/{FULL} cases, each read back from the card or its file with the digest that runs")


def test_t11_text_that_looks_like_another_line_is_not_read_as_one() -> None:
    arguments = {
        'text"': 'a"\namount: 1',
        "amount": "5",
        "amount: 1\nx": "⟨U+000A⟩",
        "a b": "\\n",
        "•": "•••• (shown in private)",
        "mask": "\0masked",
    }
    made = shown(with_arguments(arguments))
    assert made.complete
    assert read_back(made.html) == arguments
    assert unspelt("⟨U+27E8⟩") == "⟨"
