"""Button payloads: exact, small, and nothing that is not one is read as one."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.telegram.buttons import MAX_BYTES, CallButton, Page, PageButton, RunButton, RunVerb, Verb, decode
from core.ids import CallId, RunId, opaque

CALLS = st.uuids().map(lambda one: CallId(str(one)))
ARGUMENTS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
ID = CallId(str(UUID(int=0x0192_0000_0000_7000_8000_0000_0000_0001)))


@given(st.sampled_from(Verb), CALLS, st.integers(0, 10**9 - 1))
def test_a_call_button_comes_back_as_it_was(verb: Verb, call_id: CallId, revision: int) -> None:
    button = CallButton(verb, call_id, revision)
    assert len(button.encode().encode()) <= MAX_BYTES
    assert decode(button.encode()) == button


@given(st.sampled_from(RunVerb), CALLS, st.integers(0, 10**9 - 1))
def test_a_runs_button_comes_back_as_it_was(verb: RunVerb, run_id: CallId, revision: int) -> None:
    button = RunButton(verb, RunId(run_id), revision)
    assert len(button.encode().encode()) <= MAX_BYTES
    assert decode(button.encode()) == button


@given(st.sampled_from(Page), ARGUMENTS)
def test_a_page_button_comes_back_as_it_was(page: Page, argument: str) -> None:
    button = PageButton(page, argument)
    assert decode(button.encode()) == button


def test_verbs_and_pages_do_not_collide() -> None:
    assert not {verb.value for verb in Verb} & {page.value for page in Page}
    assert not {verb.value for verb in RunVerb} & {one.value for one in (*Verb, *Page)}


@pytest.mark.parametrize("argument", ["x" * 63, "é" * 32])
def test_what_telegram_would_not_take_is_not_made(argument: str) -> None:
    with pytest.raises(ValueError, match="64"):
        PageButton(Page.SETTING, argument).encode()


@pytest.mark.parametrize(
    "data",
    [
        None,
        "",
        ":",
        "a",
        "a:",
        f"a:{opaque(ID)}",
        f"a:{opaque(ID)}:",
        f"a:{opaque(ID)}:-1",
        f"a:{opaque(ID)}:1:2",
        f"a:{opaque(ID)}:1 ",
        f"a:{opaque(ID)}:1\n",
        f"a:{opaque(ID)}:{10**9}",
        f"a:{opaque(ID)}:\u0661",
        f"A:{opaque(ID)}:1",
        f"zz:{opaque(ID)}:1",
        f"a:{opaque(ID)[:-1]}:1",
        f"a:{'_' * 21}B:1",
        "h:",
        "h:two words",
        "h:é",
        "zz:x",
        "h:" + "x" * 61,
        "h:" + "x" * 63,
    ],
)
def test_what_no_button_says_is_no_button(data: str | None) -> None:
    assert decode(data) is None


@given(st.text(max_size=80))
def test_whatever_is_read_is_spelt_exactly_so(data: str) -> None:
    button = decode(data)
    assert button is None or isinstance(button, PageButton) or button.revision >= 0
    if isinstance(button, PageButton):
        assert button.encode() == data
