"""What the Redactor hides, and that it hides it however it is spelled."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.redaction import MASK, Redactor, masked

TOKEN = "123456789:AAcanaryCanaryCanaryCanaryCanary_-1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"POST https://api.telegram.org/bot{TOKEN}/getMe", f"bot123456789:{MASK}/getMe"),
        (f"/file/bot{TOKEN.replace(':', '%3A')}/x", f"/bot123456789%3A{MASK}/x"),
        (f"({TOKEN})", f"(123456789:{MASK})"),
        ("Authorization: Bearer abc.DEF-123_456", f"Authorization: Bearer {MASK}"),
        ("proxy http://me:pass@host:3128/", f"http://me:{MASK}@host:3128/"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_without_being_registered(text: str, shown: str) -> None:
    cleaned = Redactor().clean(text)
    assert shown in cleaned


@pytest.mark.parametrize(
    "text",
    ["", "12:30", "call A7F3Q2 took 12345 ms: done", "see https://example.org:8080/a:b@c", "basic task"],
)
def test_plain_text_is_left_alone(text: str) -> None:
    assert Redactor().clean(text) == text


printable = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(
    secret=printable.filter(lambda text: text.strip() and text not in MASK), before=printable, after=printable
)
def test_a_registered_secret_is_hidden_in_every_spelling(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    for spelled in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
        cleaned = redactor.clean(f" {spelled} ")
        assert MASK in cleaned
        assert len(secret) < 8 or secret not in cleaned
    assert len(secret) < 8 or quote(secret, safe="") not in redactor.clean(
        f"{before}{quote(secret, safe='')}{after}"
    )
    once = redactor.clean(f"{before} {secret} {after}")
    assert redactor.clean(once) == once


def test_a_short_secret_is_hidden_where_it_stands_alone_only() -> None:
    redactor = Redactor(["abc"])
    assert redactor.clean("abc 'abc' =abc; abcd") == f"{MASK} '{MASK}' ={MASK}; abcd"


def test_a_longer_secret_goes_before_one_that_it_contains() -> None:
    redactor = Redactor(["canary-one", "canary-one-and-more"])
    assert redactor.clean("canary-one-and-more") == MASK


def test_blank_text_is_no_secret() -> None:
    redactor = Redactor(["", "  ", "\n"])
    assert redactor.clean("a b\nc") == "a b\nc"


def test_a_secret_with_blanks_around_it_is_hidden_without_them_too() -> None:
    assert Redactor(["canary-canary\n"]).clean("x canary-canary y") == f"x {MASK} y"


def test_the_mask_is_not_masked() -> None:
    assert Redactor(["hidden"]).clean(MASK) == MASK


def test_a_redactor_does_not_show_its_secrets() -> None:
    redactor = Redactor([TOKEN])
    assert "canary" not in repr(redactor)


def test_cleaning_is_linear() -> None:
    redactor = Redactor([TOKEN])
    for text in ("1" * 200_000, "1:" * 100_000, "://" * 70_000, "://a:" * 40_000, "bearer " * 30_000):
        started = time.perf_counter()
        redactor.clean(text)
        assert time.perf_counter() - started < 1


def test_sensitive_fields_are_masked_at_every_depth() -> None:
    arguments = {
        "amount": "5",
        "pin": "1234",
        "puk": None,
        "parts": [{"pin": {"deep": "1"}, "name": "x"}, "pin"],
        "more": {"pin": ["9"]},
    }
    assert masked(arguments, {"pin", "puk"}) == {
        "amount": "5",
        "pin": MASK,
        "puk": None,
        "parts": [{"pin": MASK, "name": "x"}, "pin"],
        "more": {"pin": MASK},
    }
    assert arguments["pin"] == "1234"
    assert masked(arguments, ()) == arguments
