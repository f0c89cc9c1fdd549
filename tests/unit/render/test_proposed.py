"""A call that waits for a signature: what is asked, with which arguments, of whom."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from msgspec.structs import replace

from bot.telegram.buttons import CallButton, Verb, decode
from bot.telegram.render.card import end_reply
from core.lifecycle import Status
from core.live import Progress
from core.tool import Tool
from tests.unit.render.kit import (
    ARGUMENTS,
    CALL,
    LABEL,
    NOW,
    OTHER,
    READING,
    SECRET,
    TOOL,
    VERDICT,
    call,
    done,
    in_status,
    outcome,
    plain_line,
    said,
    shown,
    tool,
    verbs,
    view,
    vote,
    with_arguments,
)
from tests.unit.render.reading import read_back, text_of


def test_a_proposal_says_what_would_run_how_risky_it_is_and_who_may_sign() -> None:
    made = shown(in_status(Status.PROPOSED))
    assert made.html.splitlines()[:3] == [
        "🟡 <b>Approval needed</b> · <code>#A7F3Q2</code>",
        "<b>Add expense of 900.00 EUR for new desk</b>",
        "Tool <code>create_expense</code> · risk <b>high</b> · can be undone: yes, for 10 min",
    ]
    assert "Why it asks: <i>high risk needs an approver who is not the requester</i>" in made.html
    assert (
        'Asked by <b>Mia</b> · expires <tg-time unix="1795356000" format="dt">22 Nov, 14:00 UTC</tg-time>'
        in (made.html)
    )
    assert "To be signed by an approver" in made.html
    assert read_back(made.html) == ARGUMENTS
    assert made.complete
    assert made.document is None
    assert [[(b.text, b.style) for b in row] for row in made.buttons] == [
        [("✅ Approve", "success"), ("⛔ Deny", "danger")],
        [("✏️ Edit", ""), ("⏱ +1 h", ""), ("✖️ Cancel", "")],
        [("💬 Deny with reason", ""), ("♻️ Approve similar…", "")],
    ]
    assert verbs(made) == [
        Verb.APPROVE,
        Verb.DENY,
        Verb.EDIT,
        Verb.EXTEND,
        Verb.CANCEL,
        Verb.REASONS,
        Verb.SIMILAR,
    ]


def test_buttons_carry_the_revision_that_is_shown() -> None:
    made = shown(in_status(Status.PROPOSED, revision=7))
    assert {decode(b.data) for row in made.buttons for b in row} == {
        CallButton(verb, CALL, 7) for verb in verbs(made)
    }


def test_an_expiry_that_is_near_is_a_time_of_day() -> None:
    assert "expires 14:30 UTC" in said(in_status(Status.PROPOSED, expires_at=NOW + timedelta(minutes=30)))
    assert "expires" not in said(in_status(Status.PROPOSED, expires_at=None))


def test_a_lapsed_call_says_why_it_came_back_and_counts_no_old_votes() -> None:
    seen = view(call(revision=2, note="The signatures on it do not count any more."), vote())
    text = said(seen)
    assert "Approval needed again" in text
    assert "It came back to be signed again: The signatures on it do not count any more." in text
    assert "Anna" not in text


def test_a_quorum_shows_its_tally_and_a_verdict_its_note() -> None:
    verdict = replace(VERDICT, count=2, note="You are the only member here, so you may sign your own call.")
    text = said(view(call(verdict=verdict), vote(comment="fine by me")))
    assert "approvals 1/2" in text
    assert "approvals 1/2 · Anna ✓ 13:58 UTC: “fine by me”" in text
    assert "💡 You are the only member here" in text
    text = said(replace(view(call(verdict=verdict), vote()), void=frozenset({vote().person_id})))
    assert "approvals 0/2 · Anna may not sign any more" in text
    assert "approvals" not in said(in_status(Status.PROPOSED))


def test_many_signatures_are_named_up_to_five() -> None:
    votes = [vote(person_name=f"P{n}") for n in range(7)]
    text = said(view(call(verdict=replace(VERDICT, count=9)), *votes))
    assert "P4" in text
    assert "P5" not in text
    assert "and 2 more" in text


@pytest.mark.parametrize(
    ("known", "way_back"),
    [
        (TOOL, "can be undone: yes, for 10 min"),
        (LABEL, "can be undone: no"),
        (READING, "only reads"),
        (None, "can be undone: no"),
    ],
)
def test_a_card_says_whether_there_is_a_way_back(known: Tool | None, way_back: str) -> None:
    assert way_back in said(in_status(Status.PROPOSED), known=known)


def test_nothing_to_show_is_said_and_letters_that_pass_for_others_are_pointed_out() -> None:
    made = shown(with_arguments({}))
    assert "It takes no arguments." in made.html
    assert made.complete
    assert "⚠️ Mixes alphabets, look closely: p\u0430ypal.com" in said(
        with_arguments({"to": "p\u0430ypal.com"})
    )
    assert "Mixes alphabets" not in said(in_status(Status.PROPOSED))


def test_a_retry_and_an_undo_name_the_call_they_come_from() -> None:
    assert "Asked again after #00P88D" in said(in_status(Status.PROPOSED, retry_of=OTHER))
    undo = shown(in_status(Status.PROPOSED, undo_of=OTHER, title="Undo: Add expense"))
    assert "Takes back #00P88D" in text_of(undo.html)
    assert "can be undone: no" in undo.html
    assert verbs(undo) == [Verb.APPROVE, Verb.DENY, Verb.EXTEND, Verb.CANCEL, Verb.REASONS]


def test_arguments_too_long_for_a_card_come_as_a_file_in_private() -> None:
    arguments = {"text": "x" * 20_000, "n": 4, "many": list(range(900)), "deep": {"a": "y" * 400}}
    made = shown(with_arguments(arguments))
    assert not made.complete
    for part in (
        "text: text, 20,000 characters",
        "n: 4",
        "many: list of 900, ",
        "deep: object, ",
        "digest",
        "Approve counts only after it was sent to you",
    ):
        assert part in text_of(made.html)
    assert call(arguments=arguments).args_digest[:16] in made.html
    assert made.document is not None
    assert made.document.name == "A7F3Q2-arguments.json"
    content = json.loads(made.document.content)
    assert content["arguments"] == arguments
    assert content["args_digest"] == call(arguments=arguments).args_digest
    assert content["call_id"] == CALL


def test_in_a_group_there_is_no_file_and_the_card_says_where_it_is() -> None:
    made = shown(with_arguments({"text": "x" * 20_000}), private=False)
    assert (made.complete, made.document) == (False, None)
    assert "🔒 Full arguments: in your private chat with me." in made.html


def test_in_a_group_sensitive_values_are_masked_everywhere() -> None:
    arguments = {
        "text": "hunter22",
        "n": {"text": ["x9secret", 7]},
        "list": [[{"text": "qwerty12"}, {"text": {"deep": "asdf1234"}}]],
        "to": "Bo",
    }
    changes = {"title": "Say hunter22 to Bo", "tool": "say"}
    made = shown(with_arguments(arguments, **changes), known=SECRET, private=False)
    assert "<b>Say something</b>" in made.html
    assert "text: •••• (shown in private)" in text_of(made.html)
    assert "🔒 The hidden values: in your private chat with me." in made.html
    assert (made.complete, made.document) == (False, None)
    ended = outcome(
        Status.FAILED, error="hunter22 was refused, x9secret and asdf1234 too", formatted="qwerty12 said"
    )
    failed = view(call(Status.FAILED, attempts=1, arguments=arguments, **changes), outcome=ended)
    running = view(call(Status.RUNNING, attempts=1, arguments=arguments, **changes))
    texts = [
        made.html,
        shown(failed, known=SECRET, private=False).html,
        plain_line(failed, known=SECRET).html,
        shown(running, known=SECRET, private=False, progress=Progress(0.5, "saying hunter22")).html,
        end_reply(failed).html,
    ]
    for secret in ("hunter22", "x9secret", "qwerty12", "asdf1234"):
        assert all(secret not in text for text in texts)
    private = shown(with_arguments(arguments, **changes), known=SECRET)
    assert private.complete
    assert read_back(private.html) == arguments
    assert "<b>Say hunter22 to Bo</b>" in private.html


def test_in_a_group_long_sensitive_arguments_are_masked_in_their_summary_too() -> None:
    made = shown(with_arguments({"text": "hunter22", "to": "x" * 9_000}), known=SECRET, private=False)
    assert "text: •••• (shown in private)\nto: text, 9,000 characters" in text_of(made.html)
    assert made.document is None


def test_what_is_absent_is_no_secret_and_an_undo_hides_its_title_too() -> None:
    assert shown(with_arguments({"text": None, "to": "Bo"}), known=SECRET, private=False).complete
    seen = with_arguments({"text": "hunter22"}, undo_of=OTHER, title="Undo: Say hunter22")
    assert "<b>Undo: Say something</b>" in shown(seen, known=SECRET, private=False).html


def test_of_a_tool_that_is_gone_a_group_sees_no_values() -> None:
    made = shown(in_status(Status.PROPOSED), known=None, private=False)
    assert "new desk" not in made.html
    assert "<b>create_expense</b>" in made.html
    assert not made.complete
    assert "new desk" in shown(in_status(Status.PROPOSED), known=None).html


def test_a_private_result_stays_out_of_groups() -> None:
    known = tool(private=True)
    assert "Added expense #7" in said(done(), known=known)
    text = said(done(), known=known, private=False)
    assert "Added expense #7" not in text
    assert "The result is private. To read it, send me /call A7F3Q2 in our private chat." in text
    assert "The result is private" in plain_line(done(), known=known).html
    assert "Added expense #7" in plain_line(done(), known=known, private=True).html
