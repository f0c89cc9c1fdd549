"""/history's filters: words to a filter, a filter to a button, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.telegram.buttons import Page, PageButton
from bot.telegram.histories import Narrowed, decode_filters, read_filters
from core.errors import InvalidInput
from core.ids import CallId, opaque
from core.lifecycle import Status
from core.registry import ToolRegistry
from tests.unit.render.kit import LABEL
from tools.create_expense import ExpenseLimits, create_expense
from tools.create_task import CREATE_TASK

REGISTRY = ToolRegistry([CREATE_TASK, create_expense(ExpenseLimits()), LABEL])
NAMES = [tool.name for tool in REGISTRY]
NARROWED = st.builds(
    Narrowed,
    statuses=st.frozensets(st.sampled_from(Status)),
    tool=st.none() | st.sampled_from(NAMES),
    days=st.none() | st.integers(1, 999),
    mine=st.booleans(),
)


@given(NARROWED)
def test_a_filter_comes_back_out_of_its_button(narrowed: Narrowed) -> None:
    assert decode_filters(narrowed.encode(), REGISTRY) == narrowed


@given(NARROWED, st.uuids())
def test_every_filter_fits_a_button(narrowed: Narrowed, number: object) -> None:
    data = f"o{opaque(CallId(str(number)))}.{narrowed.encode()}"
    assert PageButton(Page.HISTORY, data).encode()


@given(st.text(max_size=40))
def test_whatever_stands_in_a_button_never_fails(text: str) -> None:
    assert isinstance(decode_filters(text, REGISTRY), Narrowed)


@pytest.mark.parametrize(
    ("text", "narrowed"),
    [
        ("", Narrowed()),
        ("failed", Narrowed(statuses=frozenset({Status.FAILED}))),
        ("Done, WAITING", Narrowed(statuses=frozenset({Status.COMPLETED, Status.PROPOSED}))),
        ("approved", Narrowed(statuses=frozenset({Status.PENDING}))),
        ("create_task 7d mine", Narrowed(tool="create_task", days=7, mine=True)),
        ("my", Narrowed(mine=True)),
        ("me 999d", Narrowed(mine=True, days=999)),
    ],
)
def test_words_are_read(text: str, narrowed: Narrowed) -> None:
    assert read_filters(text, REGISTRY) == narrowed


@pytest.mark.parametrize("word", ["nonsense", "0d", "7", "d7", "-7d", "1000d", "create-task", "<b>"])
def test_a_word_that_is_no_filter_is_named(word: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_filters(f"failed {word} mine", REGISTRY)
    assert caught.value.given == word
    assert "7d" in caught.value.allowed


def test_every_status_is_a_word_and_has_a_letter_of_its_own() -> None:
    encoded = {read_filters(status.value, REGISTRY).encode() for status in Status}
    assert len(encoded) == len(Status)


def test_people_read_what_it_is_narrowed_to() -> None:
    assert Narrowed().words == "everything"
    narrowed = read_filters("failed completed create_task 7d mine", REGISTRY)
    assert narrowed.words == "completed, failed · create_task · last 7 days · mine"
