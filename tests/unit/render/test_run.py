"""The card of a run: every step in full where there is room, its state, the ways on; never more than fits."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from bot.telegram.buttons import CallButton, RunButton, RunVerb, Verb, decode
from bot.telegram.render.message import Shown
from bot.telegram.render.run import by_itself, card, end_reply
from core.digest import Json
from core.engine.runs import RunView, asked, run_digest
from core.ids import CallId, RunId
from core.lifecycle import Status
from core.live import Progress
from core.model import CallView, OnFailure, Run, StartMode, Vote
from core.registry import ToolRegistry
from tests.unit.render.kit import (
    ACCOUNT,
    ALLOWED,
    MIA,
    NOW,
    SECRET,
    TENANT,
    TOOL,
    call,
    edit,
    outcome,
    tool,
    view,
    vote,
)
from tests.unit.render.reading import check, labels, read_back, text_of

RUN = RunId("01939d5f-0000-7000-8000-0000000aaaaa")
P, W, R, D = Status.PROPOSED, Status.PENDING, Status.RUNNING, Status.COMPLETED


def numbered(seen: CallView, step: int) -> CallView:
    call_id = CallId(f"01939d5f-0000-7000-8000-{step:012x}")
    return replace(
        seen, call=replace(seen.call, id=call_id, short_id=f"AAAA{step:02}", run_id=RUN, step=step)
    )


def run_of(
    *views: CallView,
    needs: Mapping[int, tuple[int, ...]] | None = None,
    on_failure: OnFailure = OnFailure.STOP,
    title: str = "Close the month",
) -> RunView:
    chain = {n: (n - 1,) if n > 1 else () for n in range(1, len(views) + 1)}
    run = Run(
        id=RUN,
        short_id="RRRRRR",
        tenant_id=TENANT,
        account_id=ACCOUNT,
        conversation_id=views[0].call.conversation_id,
        requester_id=MIA,
        title=title,
        steps=len(views),
        needs=chain if needs is None else needs,
        on_failure=on_failure,
        version=3,
        created_at=NOW,
    )
    return RunView(record=run, views=tuple(numbered(seen, n) for n, seen in enumerate(views, start=1)))


def shown(run: RunView, *, private: bool = True, known: Any = TOOL, **more: Any) -> Shown:
    made = card(run, now=NOW, registry=ToolRegistry([known]), private=private, **more)
    check(made)
    return made


def said(run: RunView, **more: Any) -> str:
    return text_of(shown(run, **more).html)


def steps_in(*statuses: Status, **more: Any) -> RunView:
    return run_of(*(view(call(status, **more)) for status in statuses))


def read_steps(source: str) -> dict[int, dict[str, Json]]:
    """The arguments that a card shows of each step, by its number, read from its HTML alone."""
    found: dict[int, dict[str, Json]] = {}
    for part in source.split("\n\n"):
        number = re.match(r"(\d+)\. ", part)
        if number and ("<blockquote" in part or "It takes no arguments" in part):
            found[int(number[1])] = read_back(part)
    return found


def blocks(made: Shown) -> list[dict[str, Json]]:
    """The arguments of each step, read from the HTML alone."""
    found = re.findall(r"<blockquote(?: expandable)?>(.*?)</blockquote>", made.html, re.DOTALL)
    return [
        {
            name: json.loads(value)
            for name, value in (line.split(": ", 1) for line in html.unescape(one).split("\n"))
        }
        for one in found
    ]


def test_every_step_stands_there_in_full() -> None:
    arguments = [{"amount": f"{n}.00", "description": f"thing {n}"} for n in (1, 2, 3)]
    made = shown(run_of(*(view(call(arguments=each)) for each in arguments)))
    assert made.complete
    assert made.document is None
    assert blocks(made) == arguments
    text = text_of(made.html)
    assert text.startswith("🟡 Approval needed for 3 of 3 steps · run #RRRRRR\nPlan: Close the month\n")
    assert "2. 🟡 Add expense of 900.00 EUR for new desk · #AAAA02" in text
    assert "Asked by Mia" in text
    assert "If a step fails, the rest is not run." in text


@pytest.mark.parametrize(
    ("statuses", "head"),
    [
        ((P, P), "🟡 Approval needed for 2 of 2 steps"),
        ((D, P, W), "🟡 Approval needed for 1 of 3 steps"),
        ((Status.INTERRUPTED, P), "⚠️ A step was interrupted: please look"),
        ((D, R, W), "🔵 Running step 2 of 3"),
        ((W, W), "🟠 Waiting to run: 2 of 2 steps"),
        ((D, D), "🟢 All done"),
        ((D,), "🟢 Done"),
        ((D, Status.FAILED, Status.CANCELLED), "🔴 Ended: 1 done · 1 failed · 1 not run"),
        ((D, Status.TIMED_OUT), "🔴 Ended: 1 done · 1 failed"),
        ((Status.DENIED, Status.EXPIRED), "⚪ Ended: 0 done · 2 not run"),
        ((P,), "🟡 Approval needed for 1 of 1 step"),
    ],
)
def test_the_first_line_says_what_is_most_pressing(statuses: tuple[Status, ...], head: str) -> None:
    assert said(steps_in(*statuses)).split(" · run #")[0] == head


def test_where_each_step_stands() -> None:
    waiting = view(call(W, start_mode=StartMode.AFTER), vote())
    by_hand = view(call(W, start_mode=StartMode.MANUAL, verdict=ALLOWED))
    text = said(run_of(view(call(R)), waiting, by_hand), progress_of=lambda _: Progress(0.5, "half"))
    assert "50 %" in text
    assert "Approved, waits for step 1" in text
    assert "Approved by Anna" in text
    assert "Allowed, waiting until somebody starts it" in text
    assert "Allowed by policy, nobody had to sign" in text
    assert "Running" in said(steps_in(R, W))
    assert "Approved, waiting to run" in said(run_of(view(call(W), vote())))


def test_what_came_of_each_step() -> None:
    ended = run_of(
        view(call(D, attempts=1), outcome=outcome(D, formatted="Added expense #7")),
        view(call(D, attempts=1), outcome=outcome(D, formatted=" "), undone=True),
        view(call(D, attempts=1)),
        view(call(Status.FAILED, attempts=1), outcome=outcome(Status.FAILED, error="no paper")),
        view(call(Status.FAILED, attempts=1, note="lost"), outcome=outcome(Status.FAILED)),
        view(call(Status.DENIED), vote(Vote.DENIED, comment="too much")),
        view(call(Status.CANCELLED), outcome=outcome(Status.CANCELLED, error="Step 4 failed")),
    )
    text = said(ended)
    for told in (
        "Result: Added expense #7",
        "↩️ Taken back",
        "Failed: no paper",
        "Failed: lost",
        "Denied by Anna: “too much”. Nothing was changed.",
        "Cancelled: Step 4 failed",
    ):
        assert told in text
    assert "If a step fails" not in text
    assert not shown(ended).complete


def test_a_private_result_is_not_shown_in_a_group() -> None:
    reads = tool(private=True)
    run = run_of(view(call(D, attempts=1), outcome=outcome(D, formatted="salary: 5")))
    assert "salary" not in said(run, private=False, known=reads)
    assert "salary: 5" in said(run, known=reads)


def test_what_to_know_before_signing_a_step() -> None:
    noted = call(note="The tool changed.", revision=2)
    noted = replace(noted, verdict=replace(noted.verdict, note="Nobody here can sign this."))
    text = said(run_of(view(noted, edits=(edit(),)), view(call())), private=True)
    assert "To be signed again: The tool changed." in text
    assert "Nobody here can sign this." in text
    assert "To be signed by an approver" in text
    assert "Why it asks: high risk needs" in text
    assert "Anna changed amount: 1000.00 → 900.00" in text


def test_continue_is_told() -> None:
    run = run_of(view(call()), view(call()), on_failure=OnFailure.CONTINUE)
    assert "If a step fails, only what needs it is not run." in said(run)
    assert "If a step fails" not in said(run_of(view(call())))


def test_a_run_without_a_title_needs_none() -> None:
    assert said(run_of(view(call()), title="")).split("\n")[1] == ""


# --- what fits ---------------------------------------------------------------------------------------------


def test_what_does_not_fit_goes_as_one_file_with_every_step() -> None:
    long = {"text": "x" * 3500}
    made = shown(run_of(view(call()), view(call(arguments=long)), view(call())))
    assert not made.complete
    assert "Approve counts only after it was sent to you" in made.html
    assert len(blocks(made)) == 2, "the short ones stand there all the same"
    assert made.document is not None
    steps = json.loads(made.document.content)["steps"]
    assert [each["step"] for each in steps] == [1, 2, 3]
    assert steps[1]["arguments"] == long
    assert "too long to stand here" in made.html


def test_in_a_group_it_says_where_the_rest_is() -> None:
    made = shown(run_of(view(call(arguments={"text": "x" * 5000})), view(call())), private=False)
    assert not made.complete
    assert made.document is None
    assert "Approve counts only after you were sent the rest in private" in made.html


def test_masked_values_make_a_groups_card_incomplete() -> None:
    run = run_of(
        view(call(tool="say", arguments={"text": "pssst"})), view(call(tool="say", arguments={"text": "x"}))
    )
    made = shown(run, private=False, known=SECRET)
    assert "pssst" not in made.html
    assert not made.complete
    whole = shown(run, known=SECRET)
    assert whole.complete
    assert "pssst" in whole.html


def test_those_to_be_signed_come_first_where_room_is_short() -> None:
    big = {"text": "y" * 2000}
    made = shown(run_of(view(call(W, arguments=big), vote()), view(call(arguments=big))))
    assert made.complete
    (only,) = blocks(made)
    assert only == big
    assert made.html.index("2. ") < made.html.index("yyyy")


@pytest.mark.parametrize("steps", [12, 20, 50])
def test_fifty_steps_are_all_named(steps: int) -> None:
    made = shown(steps_in(*[P] * steps))
    text = text_of(made.html)
    for n in range(1, steps + 1):
        assert f"#AAAA{n:02}" in text
    assert made.document is not None or made.complete
    assert not made.complete or len(blocks(made)) == steps


# --- buttons -----------------------------------------------------------------------------------------------


def decoded(made: Shown) -> list[CallButton | RunButton]:
    found = [decode(button.data) for row in made.buttons for button in row]
    return [one for one in found if isinstance(one, CallButton | RunButton)]


def test_all_or_one_by_one() -> None:
    run = steps_in(P, P, D)
    made = shown(run)
    assert labels(made)[:5] == ["✅ Approve all 2", "⛔ Deny all", "☑️ One by one", "⏱ +1 h", "✖️ Cancel"]
    assert {one.revision for one in decoded(made) if isinstance(one, RunButton)} == {asked(run.calls)}
    opened = shown(run, one_by_one=True)
    assert labels(opened)[2:8] == ["✅ 1", "⛔ 1", "✏️ 1", "✅ 2", "⛔ 2", "✏️ 2"]
    assert labels(opened)[8:11] == ["☑️ Together", "⏱ +1 h", "✖️ Cancel"]
    of_step = [one for one in decoded(opened) if isinstance(one, CallButton)]
    assert of_step[0] == CallButton(Verb.APPROVE, run.calls[0].id, 1)


def test_once_some_are_decided_each_of_the_others_has_its_buttons() -> None:
    run = run_of(view(call(W), vote()), view(call()), view(call()))
    assert "✅ 2" in labels(shown(run))
    assert "✅ 3" in labels(shown(run))
    assert "☑️ One by one" not in labels(shown(run))


def test_the_last_one_is_decided_by_its_own_buttons() -> None:
    run = steps_in(D, P)
    assert labels(shown(run))[:3] == ["✅ Approve 2", "⛔ Deny 2", "✏️ Edit 2"]
    assert labels(shown(steps_in(P)))[:3] == ["✅ Approve", "⛔ Deny", "✏️ Edit"]
    nothing = run_of(view(call(arguments={})))
    assert labels(shown(nothing)) == ["✅ Approve", "⛔ Deny", "⏱ +1 h", "✖️ Cancel"]


def test_ways_on_from_steps_that_are_over() -> None:
    run = run_of(
        view(call(D, attempts=1), outcome=outcome(D)),
        view(call(Status.FAILED, attempts=1)),
        view(call(Status.INTERRUPTED)),
    )
    assert labels(shown(run)) == ["↩️ Undo 1", "🔁 Retry 2", "✅ 3 was done", "❌ 3 was not"]
    assert labels(shown(steps_in(Status.DENIED))) == ["📄 Report"]


def test_what_waits_to_run_can_be_withdrawn() -> None:
    (only,) = decoded(shown(steps_in(W, W)))
    assert isinstance(only, RunButton)
    assert only.verb is RunVerb.CANCEL_ALL


# --- around it ---------------------------------------------------------------------------------------------


def test_the_reply_at_the_end_says_how_it_ended_and_nothing_of_the_arguments() -> None:
    made = end_reply(steps_in(D, Status.FAILED))
    check(made)
    assert text_of(made.html) == "🔴 Run #RRRRRR: ended: 1 done · 1 failed. The card above has the details."


def test_a_step_that_waits_can_be_decided_by_itself() -> None:
    run = steps_in(P, D)
    plain = Shown(html="x")
    assert [b.text for row in by_itself(plain, run.calls[0]).buttons for b in row] == [
        "🔎 Decide it by itself"
    ]
    assert by_itself(plain, run.calls[1]) is plain
    assert by_itself(plain, call()) is plain


def test_the_digest_covers_every_step_in_order() -> None:
    calls = [call(consent_digest=letter * 64) for letter in "ab"]
    assert run_digest(calls) != run_digest(calls[::-1])
    assert run_digest(calls) != run_digest(calls[:1])
