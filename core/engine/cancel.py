"""Withdrawing a call that has not started."""

from __future__ import annotations

from core import guards
from core.engine.answers import Proposed, Refused, refused
from core.engine.change import end_unrun
from core.engine.env import Env
from core.engine.facts import gather
from core.errors import Code, Refusal
from core.ids import CallId
from core.lifecycle import Status, in_words
from core.model import Principal, Role
from core.ports import Now, Records


def cancel(
    records: Records, *, by: Principal, call_id: CallId, shown: bool = False, now: Now, env: Env
) -> Proposed | Refused:
    """Ends a proposed or pending call as cancelled: by its requester, an approver or an admin.

    Refusals: the entry guards, `not_found`, `tenant_mismatch`, `not_owner`, `not_pending`.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, shown=shown)
    try:
        guards.check(facts, (*guards.GUARDS[:6], guards.GUARDS[8]))  # and in the caller's own team
        call = facts.known_call
        role = facts.role_in_call_tenant
        if by.person != call.requester_id and not (role and role.includes(Role.APPROVER)):
            raise Refusal(Code.NOT_OWNER, "Only the person who asked, or an approver, may withdraw this.")
        if call.status not in {Status.PROPOSED, Status.PENDING}:
            raise Refusal(
                Code.NOT_PENDING,
                f"Call #{call.short_id} {in_words(call.status)}.",
                current_status=call.status.value,
            )
        person = None if by.person is None else records.people.person(by.person)
        name = person.name if person else by.actor
        after = end_unrun(
            records,
            call,
            Status.CANCELLED,
            by=by,
            now=now.wall,
            error=f"Withdrawn by {name}.",
            error_class="cancelled",
        )
    except Refusal as refusal:
        return refused(records, refusal, verb="cancel", by=by, now=now.wall, call=facts.call)
    return Proposed(call=after)
