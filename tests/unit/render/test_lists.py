"""Lists and one call in full: what they say, and that they always fit."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bot.telegram.render import lists
from bot.telegram.render.message import Shown
from bot.telegram.render.parts import SIGNS, WORDS
from core.audit import GENESIS, AuditEvent, chained
from core.ids import CallId
from core.lifecycle import Status
from core.model import CallView, Vote
from core.queries import HistoryRow, Page
from core.registry import ToolRegistry
from core.tool import Tool
from tests.unit.render.hostile import CLASSES
from tests.unit.render.kit import (
    ALLOWED,
    ARGUMENTS,
    CALL,
    NOW,
    OTHER,
    SECRET,
    TENANT,
    TOOL,
    call,
    done,
    failed,
    in_status,
    outcome,
    view,
    vote,
    with_arguments,
)
from tests.unit.render.reading import check, labels, read_back, text_of

HOSTILE = [text for texts in CLASSES.values() for text in texts]


def row(status: Status = Status.COMPLETED, **changes: object) -> HistoryRow:
    made: dict[str, object] = {
        "id": CALL,
        "short_id": "A7F3Q2",
        "title": "Add expense of 900.00 EUR for new desk",
        "tool": "create_expense",
        "status": status,
        "requester_name": "Mia",
        "decided_by": "Anna",
        "created_at": NOW - timedelta(minutes=5),
    }
    return HistoryRow(**{**made, **changes})  # type: ignore[arg-type]


def history(*rows: HistoryRow, **changes: Any) -> Shown:
    page = Page(rows=rows, newer=None, older=None)
    asked: dict[str, Any] = {"narrowed_words": "last 7 days", "now": NOW, "timezone": "Europe/Berlin"}
    made = lists.history(page, **{**asked, **changes})
    check(made)
    return made


def event(seq: int, kind: str, content: str, *, actor: str = "mia", prev: str = GENESIS) -> AuditEvent:
    return chained(
        tenant_id=TENANT,
        seq=seq,
        prev_hash=prev,
        salt="s",
        account_id=None,
        at_ms=int(NOW.timestamp() * 1000),
        kind=kind,
        actor=actor,
        call_id=CALL,
        content=content,
    )


def details(seen: CallView, *, known: Tool | None = TOOL, private: bool = True) -> Shown:
    registry = ToolRegistry([known] if known else [])
    made = lists.call_details(seen, tool=known, now=NOW, registry=registry, private=private)
    check(made)
    return made


def test_history_has_a_line_for_each_call_in_the_reader_s_time() -> None:
    made = history(row(), row(Status.DENIED, decided_by="", created_at=NOW - timedelta(days=1)), older="h:o.")
    assert text_of(made.html).splitlines() == [
        "📜 History · last 7 days",
        "🟢 #A7F3Q2 Add expense of 900.00 EUR for new desk done — Mia → Anna, 14:55",
        "⛔ #A7F3Q2 Add expense of 900.00 EUR for new desk denied — Mia, Fri 20 Nov 15:00",
        "Times in Europe/Berlin. /call A7F3Q2 shows one call in full.",
    ]
    assert labels(made) == ["Older ›"]
    assert labels(history(row(), newer="h:n.", older="h:o.")) == ["‹ Newer", "Older ›"]
    assert history(row()).buttons == ()


def test_history_of_nothing_says_so_and_an_unknown_zone_is_utc() -> None:
    assert text_of(history().html) == "📜 History · last 7 days\nNo calls here."
    assert "Times in UTC" in history(row(), timezone="Nowhere/At all").html


@pytest.mark.parametrize("status", list(Status))
def test_history_says_every_status_in_words(status: Status) -> None:
    line = text_of(history(row(status)).html).splitlines()[1]
    assert SIGNS[status] in line
    assert WORDS[status] in line


def test_in_groups_titles_that_may_hold_secrets_give_way_to_general_ones() -> None:
    titles = lists.general_titles(ToolRegistry([TOOL, SECRET]))
    assert titles == {"say": "Say something"}
    secret = row(title="Say hunter22", tool="say")
    assert "hunter22" not in history(secret, titles=titles).html
    made = queue(secret, titles=titles)
    assert "<b>Say something</b>" in made.html


def test_a_list_that_is_too_long_says_how_much_is_left_out() -> None:
    made = history(*[row(title="x" * 500, requester_name="🙂" * 99) for _ in range(100)])
    assert "… and " in made.html
    assert made.html.count("#A7F3Q2") + int(made.html.split("… and ")[1].split()[0]) == 100


def queue(*rows: HistoryRow, **changes: Any) -> Shown:
    asked: dict[str, Any] = {"at": 0, "more": False, "show": None, "following": None, "now": NOW}
    made = lists.queue(rows, **{**asked, **changes})
    check(made)
    return made


def test_the_queue_counts_and_goes_on() -> None:
    rows = [row(Status.PROPOSED, short_id=f"A7F3Q{n}") for n in range(8)]
    made = queue(*rows, following="n:x")
    lines = text_of(made.html).splitlines()
    assert lines[0] == "📋 8 waiting for your signature, this is number 1"
    assert lines[1] == "▸ #A7F3Q0 Add expense of 900.00 EUR for new desk — Mia, 13:55 UTC"
    assert lines[2].startswith("· #A7F3Q1 ")
    assert lines[-1] == "… and 3 after these"
    assert labels(made) == ["Next ▸ (2 of 8)"]
    later = queue(*rows, at=7, show="i:x:0")
    assert "this is number 8" in later.html
    assert "A7F3Q6" not in later.html
    assert labels(later) == ["🔍 Show #A7F3Q7"]
    assert "after these" not in later.html


def test_a_queue_of_one_none_and_too_many() -> None:
    assert text_of(queue(row()).html).splitlines()[0] == "📋 1 waiting for your signature"
    assert queue(row()).buttons == ()
    assert queue().html == "✅ Nothing waits for your signature."
    assert queue(row(), at=1).html == "📋 Nothing more waits for your signature."
    many = queue(*[row()] * 8, more=True, following="n:x")
    assert "8 or more waiting" in many.html
    assert "and 3 or more after these" in many.html
    assert labels(many) == ["Next ▸ (2 of 8 or more)"]


def test_audit_tells_events_in_words_with_their_facts() -> None:
    first = event(1, "call.proposed", json.dumps({"revision": 1, "channel": "telegram", "risk": "high"}))
    digest = json.dumps({"digest": "ab" * 32, "votes": 1, "none": None})
    events = [
        first,
        event(2, "call.pending", digest, actor="anna"),
        event(3, "odd.kind", "{}", actor="system"),
    ]
    made = lists.audit(call(), events, names={"mia": "Mia", "anna": "Anna"})
    check(made)
    assert text_of(made.html).splitlines() == [
        "🧾 Audit · #A7F3Q2",
        "1. 21 Nov, 14:00:00 UTC asked for, awaiting signature by Mia",
        "    risk: high",
        "2. 21 Nov, 14:00:00 UTC cleared to run by Anna",
        "    digest: abababababab…, votes: 1",
        "3. 21 Nov, 14:00:00 UTC odd.kind by system",
        f"Event 3 has the hash {events[2].hash[:16]}…; countersign audit verify checks the chain.",
    ]
    assert "There are no events" in lists.audit(call(), [], names={}).html


@pytest.mark.parametrize("content", ["not json", "[1, 2]", "7", '"</b>"'])
def test_audit_shows_content_that_is_not_what_it_should_be(content: str) -> None:
    made = lists.audit(call(), [event(1, "call.running", content)], names={})
    check(made)
    assert content in text_of(made.html)


def test_details_tell_the_whole_story() -> None:
    made = details(done())
    assert made.complete
    assert made.document is None
    assert read_back(made.html) == ARGUMENTS
    text = text_of(made.html)
    for part in (
        "🟢 Done · #A7F3Q2",
        "version 1",
        "Asked by Mia, 13:55 UTC, over telegram",
        "Policy asked for a signature: high risk needs an approver who is not the requester (rule",
        "Approved by Anna, 13:58 UTC",
        "Started 13:59 UTC · 1 attempt · took 4 s",
        "Ended 13:59 UTC",
        "Added expense #7",
        f"Arguments' digest {call().args_digest[:16]}…",
    ):
        assert part in text


def test_details_of_calls_that_wait_run_or_did_not_end() -> None:
    waiting = text_of(details(in_status(Status.PROPOSED)).html)
    assert "Expires 22 Nov, 14:00 UTC\nIt has not run." in waiting
    stopped = in_status(Status.INTERRUPTED, attempts=1, note="The worker stopped.")
    assert "Noted: The worker stopped." in text_of(details(stopped).html)
    assert "Policy allowed: low risk" in text_of(details(in_status(Status.PENDING, verdict=ALLOWED)).html)
    assert "It broke." in text_of(details(failed("ReadTimeout")).html)
    seen = replace(done(), undone_by=OTHER)
    assert "An undo was asked for: #00P88D." in text_of(details(seen).html)
    undone = replace(seen, undone=True)
    assert text_of(details(undone).html).startswith("↩️ Done, then undone · #A7F3Q2")


def test_details_name_votes_that_do_not_count_any_more() -> None:
    votes = [vote(), *[vote(Vote.DENIED, revision=2, person_name=f"P{n}", comment="no") for n in range(7)]]
    text = text_of(details(view(call(revision=2), *votes)).html)
    assert "… 2 earlier votes" in text
    assert "Denied by P6, 13:58 UTC: “no”" in text
    void = text_of(details(view(call(revision=2), vote())).html)
    assert "Approved by Anna, 13:58 UTC (void: it changed after that)" in void


def test_details_that_do_not_fit_come_as_a_file_in_private_only() -> None:
    long = "line\n" * 2_000
    seen = view(
        call(Status.COMPLETED, arguments={"text": "x" * 20_000}),
        outcome=outcome(Status.COMPLETED, formatted=long, result={"n": 7}),
    )
    made = details(seen)
    assert made.document is not None
    content = json.loads(made.document.content)
    assert content["arguments"] == {"text": "x" * 20_000}
    assert (content["formatted"], content["result"], content["error"]) == (long, {"n": 7}, None)
    assert "in the file below" in made.html
    group = details(seen, private=False)
    assert group.document is None
    assert "🔒 For all of it send me <code>/call A7F3Q2</code> in our private chat." in group.html
    unended = details(with_arguments({"text": "x" * 20_000}))
    assert unended.document is not None
    assert "error" not in json.loads(unended.document.content)


def test_details_mask_what_a_group_must_not_see() -> None:
    seen = with_arguments({"text": "hunter22"}, title="Say hunter22", tool="say")
    made = details(seen, known=SECRET, private=False)
    assert "hunter22" not in made.html
    assert not made.complete
    assert "For all of it send me" in made.html


def test_t10_hostile_text_is_harmless_in_every_list() -> None:
    for text in HOSTILE:
        odd = event(1, "refused", "{}")._replace(kind=text, actor=text, content=text)
        rows = [row(title=text, requester_name=text, decided_by=text, tool=text)] * 8
        made = [
            history(*rows),
            history(*rows, narrowed_words=text),
            queue(*rows, more=True, show="i:x:0", following="n:x"),
            lists.audit(call(), [odd] * 30, names={}),
            lists.audit(call(), [event(1, "refused", json.dumps({"why": text}))], names={"mia": text}),
        ]
        for one in made:
            check(one)
    print(f"T10: {len(HOSTILE)}/{len(HOSTILE)} texts, in every list")


def test_a_cursor_is_the_callers_business() -> None:
    page = Page(rows=[row()], newer=CallId("x"), older=CallId("y"))
    assert lists.history(page, narrowed_words="", now=NOW, timezone="UTC").buttons == ()
