from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.errors import InvalidInput, Refusal
from core.parsing import Candidate, Reading, fill, question
from tests.unit.parsing.kit import CONTEXT, REGISTRY, best


def answer(candidate: Candidate, field: str, text: str) -> Candidate:
    return fill(candidate, field, text, registry=REGISTRY, context=CONTEXT)


def test_answers_complete_a_call() -> None:
    asked = best("expense")
    priced = answer(asked, "amount", "$42")
    assert priced.missing == ("description",)
    done = answer(best("/expense 42 EUR"), "description", 'team lunch; with "wine"')
    assert (done.missing, done.reading) == ((), Reading.PROPOSE)
    assert done.arguments == {"amount": "42", "currency": "EUR", "description": 'team lunch; with "wine"'}


def test_an_amount_brings_its_currency_or_the_persons() -> None:
    asked = best("expense")
    assert answer(asked, "amount", "42 GBP").arguments == {"amount": "42", "currency": "GBP"}
    assert answer(asked, "amount", "42").arguments == {"amount": "42", "currency": "EUR"}


def test_a_doubtful_answer_is_confirmed() -> None:
    unsure = answer(answer(best("expense"), "amount", "1.234"), "description", "laptop")
    assert unsure.reading is Reading.CONFIRM
    assert answer(best("/task"), "title", "buy \u200bmilk").reading is Reading.CONFIRM
    quoted = replace(CONTEXT, quoted=True)
    assert fill(best("/task"), "title", "x", registry=REGISTRY, context=quoted).reading is Reading.CONFIRM


def test_a_doubt_outlives_the_answers() -> None:
    unsure = best("expense 1.234")
    assert unsure.reading is Reading.ASK
    assert answer(unsure, "description", "laptop").reading is Reading.CONFIRM


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("amount", "lots"),
        ("amount", "-5"),
        ("amount", ""),
        ("sum", "5"),
        ("description", " "),
        ("amount", "5 USD"),
        ("description", "a\x00b"),
        ("description", "\ud800"),
        ("\ud800", "\ud800"),
        ("currency", "gold"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(field: str, text: str) -> None:
    asked = replace(best("/expense"), arguments={"currency": "EUR"}, missing=("amount", "description"))
    with pytest.raises(InvalidInput) as caught:
        answer(asked, field, text)
    assert caught.value.field in {field, "currency", ascii(field)}
    caught.value.message.encode()


def test_a_tool_that_is_gone_is_refused() -> None:
    with pytest.raises(Refusal):
        answer(replace(best("/task"), tool="gone"), "title", "x")


def test_questions() -> None:
    task, expense, call = (
        REGISTRY.get("create_task"),
        REGISTRY.get("create_expense"),
        REGISTRY.get("http_call"),
    )
    assert question(task, "title") == "What is to be done?"
    assert question(task, "due").startswith("Which day is the due")
    assert question(expense, "amount") == "How much?"
    assert question(call, "url") == "What should the url be?"


@given(st.sampled_from(["amount", "description", "currency", "category"]), st.text(max_size=60))
def test_no_answer_raises_anything_else(field: str, text: str) -> None:
    try:
        found = answer(best("/expense"), field, text)
    except InvalidInput:
        return
    assert found.confidence <= 0.99
