"""The card of a run, whatever its texts and arguments are: nothing forged or hidden, all of it read back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.digest import Json
from core.lifecycle import Status
from core.live import Progress
from core.model import Vote
from tests.e2e.rounds import rounds
from tests.unit.render.hostile import hostile
from tests.unit.render.kit import (
    ENDED,
    call,
    edit,
    outcome,
    view,
    vote,
)
from tests.unit.render.test_run import P, read_steps, run_of, shown
from tests.unit.render.test_t10 import no_forged_line, nothing_hidden


def test_t10_hostile_text_is_harmless_on_the_card_of_a_run() -> None:
    tried = 0
    for text in hostile():
        common: dict[str, Any] = {
            "title": f"Add task: {text}",
            "requester_name": text,
            "note": text,
            "args_digest": "a" * 64,
            "arguments": {text: text, "text": text, "list": [text, {text: text}]},
        }
        views = [
            view(
                replace(made, verdict=replace(made.verdict, note=text, reason=text, rule=text)),
                *(vote(kind, person_name=text, comment=text) for kind in Vote),
                outcome=outcome(status, formatted=text, error=text) if status in ENDED else None,
                edits=(edit((text or "f", text, [text]), person_name=text),),
                signers=(text,),
            )
            for status in Status
            for made in [call(status, **common)]
        ]
        for run in (run_of(*some, title=text or "x") for some in (views, views[:2])):
            for private in (True, False):
                made = shown(
                    run, private=private, progress_of=lambda _, text=text: Progress(0.5, text, (text,))
                )
                no_forged_line(made)
                nothing_hidden(made)
        tried += 1
    print(f"T10 runs: {tried} texts, on the card of a run in every state")


VALUES = st.one_of(
    st.text(max_size=80), st.integers(-9, 10**9), st.booleans(), st.lists(st.text(max_size=9), max_size=3)
)


@given(
    st.lists(
        st.tuples(st.sampled_from(Status), st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)),
        min_size=1,
        max_size=9,
    ),
    st.booleans(),
)
@settings(max_examples=rounds(normal=60, full=150), deadline=None)
def test_t11_a_complete_card_reads_back_as_what_would_run(
    steps: list[tuple[Status, dict[str, Json]]], one_by_one: bool
) -> None:
    run = run_of(*(view(call(status, arguments=arguments)) for status, arguments in steps))
    made = shown(run, one_by_one=one_by_one)
    waiting = [arguments for status, arguments in steps if status is P]
    assert made.complete <= bool(waiting)
    if made.complete:
        shown_of = read_steps(made.html)
        assert [shown_of[n] for n, (status, _) in enumerate(steps, start=1) if status is P] == waiting
    elif waiting:
        assert made.document is not None
        kept = {each["step"]: each["arguments"] for each in json.loads(made.document.content)["steps"]}
        assert [kept[n] for n, (status, _) in enumerate(steps, start=1) if status is P] == waiting
