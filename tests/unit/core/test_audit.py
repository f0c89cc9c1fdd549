"""The chain's arithmetic. Chains that the engine wrote: tests/integration/test_audit_chain.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.audit import (
    GENESIS,
    AuditEvent,
    Break,
    chained,
    check_chain,
    content_holds,
    event_hash,
    holds,
)
from core.digest import canonical, sha256_hex
from core.ids import CallId, TenantId

ACME = TenantId("acme")


def chain(length: int) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    for seq in range(1, length + 1):
        events.append(
            chained(
                tenant_id=ACME,
                seq=seq,
                prev_hash=events[-1].hash if events else GENESIS,
                salt=f"{seq:016x}",
                account_id="main",
                at_ms=1_700_000_000_000 + seq,
                kind="call.pending",
                actor="ann",
                call_id=CallId(f"call-{seq}"),
                content=f'{{"number":{seq}}}',
            )
        )
    return events


def problems(events: list[AuditEvent]) -> list[tuple[int, str]]:
    return [(found.seq, found.problem) for found in check_chain(events)]


@given(st.integers(0, 20))
def test_a_whole_chain_holds(length: int) -> None:
    assert problems(chain(length)) == []


def test_a_chain_can_be_checked_from_the_middle() -> None:
    events = chain(9)
    assert list(check_chain(events[4:], seq=4, prev_hash=events[3].hash)) == []
    assert list(check_chain(events[4:], seq=4, prev_hash=GENESIS)) == [
        Break(tenant_id=ACME, seq=5, problem="does not follow the event before it")
    ]


CHANGES: dict[str, Any] = {
    "tenant_id": TenantId("umbrella"),
    "account_id": "other",
    "at_ms": 1,
    "kind": "call.denied",
    "actor": "eve",
    "call_id": None,
    "content": '{"number":99}',
    "salt": "0" * 16,
    "content_hash": "0" * 64,
    "hash": "0" * 64,
    "prev_hash": "0" * 64,
}


@pytest.mark.parametrize("field", CHANGES)
@pytest.mark.parametrize("place", [2, 3, 5])
def test_any_field_of_any_event_altered_is_found_there(field: str, place: int) -> None:
    events = chain(5)
    events[place - 1] = events[place - 1]._replace(**{field: CHANGES[field]})
    assert place in [seq for seq, _ in problems(events)]


def test_one_altered_line_is_one_break() -> None:
    events = chain(5)
    events[2] = events[2]._replace(actor="eve")
    assert problems(events) == [(3, "it was altered")]
    events[2] = chain(5)[2]._replace(content="{}")
    assert problems(events) == [(3, "its content was altered")]


def test_a_line_altered_and_hashed_anew_breaks_the_next_one() -> None:
    events = chain(5)
    events[2] = chained(
        **{
            name: getattr(events[2], name)
            for name in AuditEvent._fields
            if name not in {"hash", "content_hash", "actor"}
        },
        actor="eve",
    )
    assert problems(events) == [(4, "does not follow the event before it")]


def test_a_deleted_line_is_named() -> None:
    events = chain(6)
    assert problems(events[:2] + events[3:]) == [(3, "missing: 3")]
    assert problems(events[:2] + events[5:]) == [(3, "missing: 3 to 5")]
    assert problems(events[1:]) == [(1, "missing: 1")]


def test_swapped_lines_are_found() -> None:
    events = chain(5)
    events[1], events[2] = events[2], events[1]
    assert problems(events)[0] == (2, "missing: 2")
    assert (4, "event 2 stands where 4 should") in problems(events)


def test_a_line_twice_is_found() -> None:
    events = chain(3)
    assert problems([*events, events[2]]) == [(4, "event 3 stands where 4 should")]


def test_the_end_cut_off_leaves_a_chain_that_holds_so_a_head_is_needed() -> None:
    assert problems(chain(5)[:3]) == []


def test_content_cannot_be_moved_into_the_salt() -> None:
    events = chain(1)
    event = events[0]
    whole = f"{event.salt}:{event.content}"
    cut = whole.rindex(":")
    # Once: the salted hash joins salt and content with ":" and a salt may hold colons: the border can be
    # moved (salt='…:{"number"', content='1}') and the altered line still verifies.
    assert problems([event._replace(salt=whole[:cut], content=whole[cut + 1 :])]) != []


@given(
    st.text(max_size=20), st.none() | st.text(max_size=20), st.integers(0, 2**53 - 1), st.none() | st.text()
)
def test_the_hash_is_over_the_canonical_json_of_the_event(
    actor: str, account: str | None, at_ms: int, call_id: str | None
) -> None:
    """The form is written out for speed; RFC 8785 is what it must be."""
    event = chain(2)[1]._replace(
        actor=actor,
        account_id=account,
        at_ms=at_ms,
        call_id=None if call_id is None else CallId(call_id),
    )
    names = ("tenant_id", "seq", "account_id", "at_ms", "kind", "actor", "call_id", "content_hash")
    try:
        covered = canonical({name: getattr(event, name) for name in names})
    except ValueError:
        return  # a lone surrogate has no canonical form
    assert event_hash(event) == sha256_hex(event.prev_hash.encode() + covered)


@pytest.mark.parametrize(
    "change", [{"actor": "\ud800"}, {"salt": "\ud800"}, {"at_ms": "soon"}, {"at_ms": 2**53}]
)
def test_what_has_no_canonical_form_does_not_verify_and_does_not_raise(change: dict[str, Any]) -> None:
    event = chain(1)[0]._replace(**change)
    assert not (holds(event) and content_holds(event))


def test_an_event_knows_its_time() -> None:
    assert chain(1)[0].at == datetime.fromtimestamp(1_700_000_000.001, UTC)
