"""What surrounds a signature on a card: edits, who may sign and has, denials, grants."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from bot.telegram.render import approving, texts
from bot.telegram.render.grants import grants
from bot.telegram.render.message import Shown
from core.ids import ConversationId
from core.lifecycle import Status
from core.model import Risk, Vote
from core.registry import ToolRegistry
from tests.unit.render.hostile import hostile
from tests.unit.render.kit import (
    ALLOWED,
    ANNA,
    ARGUMENTS,
    MIA,
    NOW,
    SECRET,
    TOOL,
    VERDICT,
    call,
    done,
    edit,
    grant,
    in_status,
    outcome,
    plain_line,
    said,
    shown,
    view,
    vote,
)
from tests.unit.render.reading import check, labels, read_back, text_of
from tests.unit.render.test_t10 import no_forged_line, nothing_hidden

NO_FIELDS: frozenset[str] = frozenset()


def test_an_edit_is_shown_old_to_new_and_the_arguments_are_todays() -> None:
    made = shown(view(call(revision=2), edits=(edit(),)))
    assert "✏️ Anna changed amount: 1000.00 → 900.00, 13:57 UTC" in text_of(made.html)
    assert read_back(made.html) == ARGUMENTS
    assert made.complete


def test_of_many_edits_the_newest_are_told() -> None:
    many = tuple(edit(("amount", str(n), str(n + 1))) for n in range(5))
    text = said(view(call(revision=6), edits=many))
    assert "… and 3 earlier edits" in text
    assert "4 → 5" in text
    assert "2 → 3" not in text
    assert "… and 1 earlier edit\n" in said(view(call(revision=4), edits=many[:3]))
    wide = edit(*((f"field_{n}", None, n) for n in range(6)))
    assert "field 2: nothing → 2, and 3 more" in said(view(call(revision=2), edits=(wide,)))


@pytest.mark.parametrize(
    "status", [Status.PENDING, Status.DENIED, Status.EXPIRED, Status.COMPLETED, Status.FAILED]
)
def test_an_edit_stays_on_the_card_to_the_end(status: Status) -> None:
    ended = None if status is Status.PENDING else outcome(status)
    assert "1000.00 → 900.00" in said(view(call(status, revision=2), edits=(edit(),), outcome=ended))


def test_an_edit_of_what_is_hidden_is_not_told_in_a_group() -> None:
    changed = edit(("text", "hunter22", "hunter23"), ("deep", {"text": "hunter24"}, {"text": "hunter25"}))
    seen = view(call(tool="say", arguments={"text": "hunter23"}, revision=2), edits=(changed,))
    assert "hunter" not in shown(seen, known=SECRET, private=False).html
    assert "hunter22 → hunter23" in said(seen, known=SECRET)


def test_who_may_sign_is_named_up_to_three() -> None:
    assert "To be signed by an approver: Anna, Bob" in said(view(call(), signers=("Anna", "Bob")))
    many = said(view(call(), signers=tuple("ABCDE")))
    assert "To be signed by an approver: A, B, C and 2 more" in many


def test_the_tally_counts_both_kinds() -> None:
    verdict = replace(VERDICT, count=3, denials=2)
    seen = view(
        call(verdict=verdict),
        vote(),
        vote(Vote.DENIED, person_name="Bob", comment="too dear"),
        vote(person_name="Old", revision=0),
    )
    text = said(seen)
    assert "approvals 1/3 · Anna ✓ 13:58 UTC" in text
    assert "denials 1/2 · Bob ✗ 13:58 UTC: “too dear”" in text
    assert "Old" not in text
    assert "denials" not in said(view(call(verdict=verdict), vote()))


def test_all_who_denied_are_named_with_their_reasons() -> None:
    votes = [vote(Vote.DENIED, comment="no money"), vote(Vote.DENIED, person_name="Bob", comment="no time")]
    text = said(view(call(Status.DENIED), *votes))
    for words in ("Denied by Anna, 13:58 UTC; Bob, 13:58 UTC", "no money", "no time"):
        assert words in text


def test_a_call_that_used_a_grant_says_whose_it_was() -> None:
    verdict = replace(ALLOWED, grant=grant().id)
    told = "Let through by a grant of Anna, until 14:50 UTC, /grants"
    seen = done()
    used = replace(seen, call=replace(seen.call, verdict=verdict), approvals=(), grant=grant())
    assert told in said(used)
    assert f"♻️ {told}" in text_of(plain_line(used).html)
    assert told in said(view(call(Status.PENDING, verdict=verdict), grant=grant()))
    assert "Let through by a grant" in said(view(call(Status.PENDING, verdict=verdict)))
    assert "grant" not in said(done())


def test_similar_is_offered_only_where_one_signature_of_what_is_not_critical_is_asked_for() -> None:
    def offered(**changes: object) -> bool:
        return any("similar" in label for label in labels(shown(in_status(Status.PROPOSED, **changes))))

    assert offered()
    assert not offered(risk=Risk.CRITICAL)
    assert not offered(verdict=replace(VERDICT, count=2))


def test_a_card_with_all_of_it_still_fits_and_shows_what_would_run() -> None:
    long = "🙂" * 400
    votes = [vote(kind, person_name=long, comment=long) for kind in Vote for _ in range(9)]
    verdict = replace(VERDICT, count=9, denials=9, reason=long, note=long)
    edits = tuple(edit(*((long, long, long),) * 9, person_name=long) for _ in range(9))
    for arguments in (ARGUMENTS, {"text": "x" * 2000}, {"text": "x" * 9000}):
        made = call(revision=1, verdict=verdict, arguments=arguments, note=long, title=long)
        seen = view(made, *votes, edits=edits, signers=(long,) * 9)
        card = shown(seen)
        assert card.complete == (arguments is ARGUMENTS)
        assert card.complete or card.document is not None


def grants_page(*found: object, **changes: object) -> Shown:
    asked: dict[str, object] = {
        "following": None,
        "back": None,
        "revoke": [f"v:r{n}" for n in range(len(found))],
        "registry": ToolRegistry([TOOL, SECRET]),
        "names": {MIA: "Mia"},
        "private": True,
        "now": NOW,
    }
    made = grants(found, **{**asked, **changes})  # type: ignore[arg-type]
    check(made)
    return made


def test_grants_are_listed_with_what_they_let_through() -> None:
    made = grants_page(grant(), grant(used=1, conversation_id=ConversationId("c")), grant(used=7))
    text = text_of(made.html)
    assert "1. Add an expense for Mia, currency EUR, amount at most 900.00" in text
    assert "by Anna on #00P88D, until 14:50 UTC · not used yet" in text
    assert "in one chat · used once" in text
    assert "used 7 times" in text
    assert labels(made) == ["🗑 Revoke 1", "🗑 Revoke 2", "🗑 Revoke 3"]
    assert labels(grants_page(grant(), following="v:px", back="v:p"))[1:] == ["‹ First", "More ›"]
    assert "somebody who left" in grants_page(grant(requester_id=ANNA), names={}).html


def test_no_grants_say_how_one_is_made() -> None:
    made = grants_page()
    assert "Nothing passes unasked" in made.html
    assert "Approve similar" in made.html
    assert made.buttons == ()


def test_a_grant_of_what_is_hidden_is_not_told_in_a_group() -> None:
    hidden = grant(tool="say", scope={"text": "hunter22"})
    assert "hunter22" not in grants_page(hidden, private=False).html
    assert "hunter22" in grants_page(hidden).html
    assert "EUR" not in grants_page(grant(tool="gone"), private=False).html, (
        "of a tool that is not known, all"
    )


def test_what_an_edit_came_to_is_said() -> None:
    changes = (("amount", "900.00", "800.00"),)
    for status, words in (
        (Status.PROPOSED, "It needs signing again."),
        (Status.PENDING, "it needs no signature"),
        (Status.DENIED, "Policy denies it"),
    ):
        made = approving.edited(call(status), changes, hidden=NO_FIELDS)
        check(made)
        assert "amount: 900.00 → 800.00" in text_of(made.html)
        assert words in made.html
    hidden = approving.edited(call(), changes, hidden=frozenset({"amount"}))
    assert "800.00" not in hidden.html


def test_a_decision_in_words_is_answered() -> None:
    for status, vote_, words in (
        (Status.PROPOSED, Vote.APPROVED, "more are needed"),
        (Status.PENDING, Vote.APPROVED, "It runs now"),
        (Status.PROPOSED, Vote.DENIED, "more are needed"),
        (Status.DENIED, Vote.DENIED, "Nothing was changed"),
    ):
        made = approving.counted(call(status), vote_)
        check(made)
        assert words in made.html
    check(approving.voted_before(call()))


def test_many_fields_are_cut_and_said_so() -> None:
    names = [f"field_{n}" for n in range(30)]
    made = approving.fields(call(), names, hidden=frozenset({"field_0"}), name="Mia")
    check(made)
    assert len(made.buttons) == approving.FIELDS_MOST + 1
    assert "6 more fields" in made.html
    assert "••••" in labels(made)[0]


def test_t10_hostile_text_is_harmless_in_the_messages_around_a_card() -> None:
    tried = 0
    for text in hostile():
        made = call(requester_name=text, arguments={text: text, "text": text})
        around = [
            approving.reasons(made, name=text, quick={}),
            approving.which_reason(made, name=text),
            approving.decided(made, Vote.DENIED, text),
            approving.what_is_it(made, text),
            approving.fields(made, [text or "f"], hidden=NO_FIELDS, name=text),
            approving.new_value(made, text, hidden=False),
            approving.edited(made, ((text, text, [text]),), hidden=NO_FIELDS),
            approving.spans(made, {text: text}, tool_title=text, hidden=NO_FIELDS, name=text),
            approving.granted(made, grant(granted_by_name=text), now=NOW),
            texts.refusal(approving.only_in_private(text)),
            grants_page(*[grant(tool=text, granted_by_name=text, scope={text: text})] * 6, names={MIA: text}),
        ]
        for one in around:
            check(one)
            no_forged_line(one)
            nothing_hidden(one)
        tried += 1
    print(f"T10: {tried}/{tried} texts, in every message around a card")


def test_a_grant_far_ahead_says_the_day() -> None:
    made = approving.granted(call(), grant(expires_at=NOW + timedelta(days=7)), now=NOW)
    assert "28 Nov" in made.html
