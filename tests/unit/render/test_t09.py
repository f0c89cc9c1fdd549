"""T9 as far as it is rendering: every byte of the arguments is reachable, whatever their size."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from tests.e2e.rounds import FULL, rounds
from tests.unit.render.hostile import everything_of
from tests.unit.render.kit import (
    VERDICT,
    call,
    shown,
    view,
    vote,
    with_arguments,
)

SIZES = (0, 1, 60, 61, 2_900, 2_999, 3_000, 3_001, 3_900, 4_096, 4_097, 20_000, 1_000_000)
ALPHABETS = (
    *("x", "é", "e\u0301", "日", "🙂", "👩\u200d👩\u200d👧"),
    *("\n", '"', "\\", "<", "&", " ", "⟨", "\u202e", "\U000e0100"),
)


def test_t09_every_byte_of_the_arguments_is_reachable() -> None:
    read = 0
    for alphabet, size in product(ALPHABETS, SIZES):
        if size == SIZES[-1] and not FULL and alphabet not in ("x", "\u202e"):
            continue  # which take longest
        text = (alphabet * (size // len(alphabet) + 1))[:size]
        arguments = {"text": text, "n": 1}
        made = shown(with_arguments(arguments, title=f"Say {text}"))
        assert everything_of(made) == arguments
        group = shown(with_arguments(arguments, title=f"Say {text}"), private=False)
        assert group.document is None
        assert group.complete == made.complete
        if size <= 60:
            assert made.complete
        if size >= 4_096:
            assert not made.complete
        read += 1
    print(f"T9: {read}/{len(ALPHABETS) * len(SIZES)} lengths, rendered from {len(ALPHABETS)} alphabets")


@pytest.mark.parametrize("fields", [1, 60, 200, rounds(normal=4_000, full=20_000)])
def test_t09_many_fields_are_reachable_too(fields: int) -> None:
    arguments = {f"field {n} \u202e": {"a": [n, None, True, 0.5], "b": "ü" * 5} for n in range(fields)}
    made = shown(with_arguments(arguments))
    assert everything_of(made) == arguments
    assert made.complete == (fields <= 50)


def test_t09_a_name_as_long_as_a_book_breaks_nothing() -> None:
    arguments = {"k" * 1_000_000: "v", "\n" * 4_000: 1}
    assert everything_of(shown(with_arguments(arguments))) == arguments


def test_t09_a_card_says_complete_exactly_where_all_of_it_is_there() -> None:
    for size in range(2_900, 3_050):
        arguments = {"text": "x" * size}
        made = shown(with_arguments(arguments))
        assert everything_of(made) == arguments
        assert made.complete == ("x" * size in made.html)


def test_t09_signatures_never_push_the_arguments_out_unseen() -> None:
    """However much else stands on a card, its arguments are there in full or the card says where."""
    long = "w" * 5_000
    verdict = replace(VERDICT, count=9, note=long, reason=long)
    votes = [vote(person_name=long, comment=long) for _ in range(9)]
    for size in range(0, 3_100, 100):
        arguments = {"text": "x" * size}
        seen = view(
            call(arguments=arguments, title=long, note=long, requester_name=long, tool=long, verdict=verdict),
            *votes,
        )
        assert everything_of(shown(seen)) == arguments
