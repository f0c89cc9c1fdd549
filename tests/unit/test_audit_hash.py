"""What the chain's hash covers, that an event survives its line in the mirror, and how findings add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.audit import AuditEvent, content_holds, event_hash, holds
from core.digest import canonical, sha256_hex
from core.ids import CallId, TenantId
from storage.findings import Findings
from storage.mirror import event_of, line_of
from storage.records.audit import event_from_row
from storage.schema import audit_events

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
EVENTS = st.builds(
    AuditEvent,
    tenant_id=TEXT.map(TenantId),
    seq=st.integers(0, 2**53 - 1),
    account_id=st.none() | TEXT,
    at_ms=st.integers(-(2**53) + 1, 2**53 - 1),
    kind=TEXT,
    actor=TEXT,
    call_id=st.none() | TEXT.map(CallId),
    content=TEXT,
    salt=TEXT,
    content_hash=TEXT,
    prev_hash=TEXT,
    hash=TEXT,
)


@given(event=EVENTS)
def test_the_hash_covers_the_canonical_json(event: AuditEvent) -> None:
    names = ("tenant_id", "seq", "account_id", "at_ms", "kind", "actor", "call_id", "content_hash")
    covered = canonical({name: getattr(event, name) for name in names})
    assert event_hash(event) == sha256_hex(event.prev_hash.encode() + covered)
    assert event_of(line_of(event)) == event


@given(event=EVENTS)
def test_what_has_no_canonical_form_does_not_hold(event: AuditEvent) -> None:
    assert not holds(event._replace(at_ms=2**53))
    assert not holds(event._replace(kind="\ud800"))
    assert not content_holds(event._replace(content="\ud800"))
    assert not content_holds(event._replace(salt=b""))  # type: ignore[arg-type]


def test_a_row_is_read_in_the_order_of_its_table() -> None:
    row = [f"{column.name}!" for column in audit_events.columns]
    event = event_from_row(row)
    for column in audit_events.columns:
        name = "at_ms" if column.name == "at" else column.name
        assert getattr(event, name) == f"{column.name}!"


def test_neighbours_with_one_problem_are_one_finding() -> None:
    findings = Findings()
    for seq in (1, 2, 3, 5):
        findings.add(TenantId("acme"), "database", seq, "it was altered")
    assert [str(found) for found in findings.all()] == [
        "acme, database, events 1 to 3: it was altered",
        "acme, database, event 5: it was altered",
    ]
