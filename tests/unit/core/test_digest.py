from __future__ import annotations

import json
import random
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from core.digest import args_digest, canonical, sha256_hex
from tests.e2e.rounds import rounds

SOME = settings(max_examples=rounds(normal=40, full=100))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4)
    ),
    max_leaves=10,
)


def shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return [shuffled(item, order) for item in value]
    return value


@SOME
@given(JSON, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(value: Any, order: random.Random) -> None:
    assert canonical(shuffled(value, order)) == canonical(value)


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=6),
    )
)
def test_the_fast_way_writes_what_rfc_8785_does(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        with pytest.raises(ValueError, match=r".+"):
            canonical(value)
    else:
        assert canonical(value) == expected


@SOME
@given(JSON)
def test_canonical_json_reads_back_as_the_value(value: Any) -> None:
    assert json.loads(canonical(value)) == value


@SOME
@given(JSON, JSON)
def test_different_values_have_different_forms(one: Any, other: Any) -> None:
    if canonical(one) == canonical(other):
        assert one == other


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", {"\udfff": 1}, object(), {1: 2}],
)
def test_what_has_no_canonical_form_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical(value)


def test_the_known_sha256() -> None:
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


ARGUMENTS = st.dictionaries(st.sampled_from(["text", "amount", "who"]), st.text("ab", max_size=3), max_size=3)


@SOME
@given(ARGUMENTS, ARGUMENTS, st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]))
def test_the_args_digest_tells_uses_apart(
    one: dict[str, str], other: dict[str, str], tool: str, version: str
) -> None:
    same = one == other and tool == "a" and version == "1"
    assert (args_digest("a", "1", one) == args_digest(tool, version, other)) is same


def test_tool_version_and_arguments_cannot_be_mixed_up() -> None:
    assert args_digest("ab", "1", {}) != args_digest("a", "b1", {})
