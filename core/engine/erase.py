"""Erasing a person's content without breaking the chain: the audit covers hashes, which stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from core.audit import ERASURE
from core.digest import Json
from core.engine.answers import Refused
from core.engine.env import Env
from core.engine.members import at_machine, set_role
from core.engine.readable import readable
from core.errors import Code, Refusal
from core.ids import CallId, PersonId, TenantId
from core.model import Principal
from core.ports import Now, Records, Span

SPANS: Final = 1_000
"""So many spans of events one erasure names; more take another one."""
_NAMED: Final = 10


class Erased(Struct, frozen=True, kw_only=True):
    """What was taken away of a person: of which calls and runs, of how many audit events by chain."""

    person_id: PersonId
    calls: tuple[CallId, ...]
    runs: tuple[tuple[TenantId, str], ...]
    events: dict[TenantId, int]


def erase(records: Records, *, by: Principal, person_id: PersonId, now: Now, env: Env) -> Erased:
    """Takes away what a person wrote and what says something of them, in all teams, for good. Hashes, ids,
    times, statuses and amounts stay, so that every chain holds and what happened can be counted.

    Raises Refusal: `not_found`, `last_admin`, `not_pending` with the calls of theirs that have not ended.
    """
    person = records.people.person(person_id)
    if person is None:
        raise Refusal(Code.NOT_FOUND, "There is no such person.")
    _check_all_ended(records, person_id)
    tenants = records.people.tenants_of(person_id)
    events = records.erasing.bury(person_id)
    # Teams that they left before have events of theirs still.
    known = sorted({*tenants, *events})
    for tenant in tenants:
        left = set_role(records, by=at_machine(tenant), person_id=person_id, role=None, now=now, env=env)
        if isinstance(left, Refused):
            raise left.refusal
    calls, runs = tuple(records.erasing.calls(person_id)), tuple(records.erasing.runs(person_id))
    shown = records.erasing.blank(person_id, name=person.name, tenants=known, now=now.wall)
    for tenant, spans in events.items():
        _note(records, person_id, tenant, spans, by=by, now=now)
    for call_id in shown:
        call = readable(records, call_id, now=now.wall)
        if call is not None:  # what others' chats show is brought up to date: blank
            records.outbox.card(call)
    counted = {tenant: sum(last - first + 1 for first, last in spans) for tenant, spans in events.items()}
    return Erased(person_id=person_id, calls=calls, runs=runs, events=counted)


def _check_all_ended(records: Records, person_id: PersonId) -> None:
    waiting = records.erasing.open_calls(person_id)
    if not waiting:
        return
    found = [records.calls.get(each) for each in waiting[:_NAMED]]
    named = ", ".join(f"#{call.short_id}" for call in found if call is not None)
    more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
    raise Refusal(
        Code.NOT_PENDING,
        f"Calls of theirs have not ended: {named}{more}. Nothing was erased. "
        "Cancel, decide or settle them first.",
    )


def _note(
    records: Records, person_id: PersonId, tenant: TenantId, spans: Sequence[Span], *, by: Principal, now: Now
) -> None:
    for at in range(0, len(spans), SPANS):
        named: list[Json] = [[first, last] for first, last in spans[at : at + SPANS]]
        records.audit.append(
            ERASURE,
            tenant_id=tenant,
            actor=by.actor,
            content={"person": person_id, "events": named, "channel": by.channel.value},
            now=now.wall,
        )
