"""Contents that were erased: the chain holds where a later event names them, and only there."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from core.audit import ERASURE, GENESIS, TOMBSTONE, AuditEvent, chained, check_chain, is_erased
from core.ids import TenantId

ACME = TenantId("acme")


def chain(*contents: tuple[str, str]) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    for seq, (kind, content) in enumerate(contents, 1):
        events.append(
            chained(
                tenant_id=ACME,
                seq=seq,
                prev_hash=events[-1].hash if events else GENESIS,
                salt="salt",
                account_id=None,
                at_ms=seq,
                kind=kind,
                actor="ann",
                call_id=None,
                content=content,
            )
        )
    return events


def erased(events: Sequence[AuditEvent], *seqs: int) -> list[AuditEvent]:
    return [event._replace(content=TOMBSTONE, salt="") if event.seq in seqs else event for event in events]


def broken(events: Sequence[AuditEvent]) -> list[int]:
    return [found.seq for found in check_chain(events)]


SAID = ("said", '{"text":"hello"}')


def erasure(*spans: tuple[int, int]) -> tuple[str, str]:
    return (ERASURE, json.dumps({"events": spans}))


def test_an_erasure_accounts_for_what_it_names() -> None:
    events = erased(chain(SAID, SAID, SAID, erasure((1, 2))), 1, 2)
    assert [is_erased(event) for event in events] == [True, True, False, False]
    assert broken(events) == []


def test_what_no_later_event_names_is_told() -> None:
    events = chain(SAID, SAID, erasure((1, 9)), SAID)
    assert broken(erased(events, 1, 4)) == [4]
    assert broken(erased(chain(erasure((2, 2)), SAID), 2)) == [2], "it came before"
    assert broken(erased(chain(SAID, SAID), 1, 2)) == [1, 2]


@pytest.mark.parametrize("content", ["{}", "[]", "nothing", '{"events":[7]}', '{"events":[["1","2"]]}'])
def test_an_erasure_that_names_nothing_accounts_for_nothing(content: str) -> None:
    assert broken(erased(chain(SAID, (ERASURE, content)), 1)) == [1]


def test_an_erased_event_is_still_held_to_its_place_and_hash() -> None:
    events = erased(chain(SAID, SAID, erasure((1, 2))), 1, 2)
    assert broken([events[0], events[1]._replace(actor="eve"), events[2]]) == [2]
    assert broken([events[0]._replace(content="{}"), *events[1:]]) == [1]
    assert broken(events[1:]) == [1]
