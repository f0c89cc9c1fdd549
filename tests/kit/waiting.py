"""What happens to calls that wait for a signature: edits, more time, reminders, other people asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from core.engine import Edited, Proposed, Refused, edit, extend, remind, reroute
from core.ids import PersonId, TenantId
from core.model import Edit, Person, Principal, ToolCall
from tests.kit.world import ACME, World, principal

ESCALATING = """
[[rule]]
name = "office"
tool = "high_*"
decision = "requires_approval"
approvers = "approver"
expires_after = "4h"
remind_after = "1h"
escalate_to = "admin"
"""


def escalating(world: World, approvers: str = '"approver"') -> None:
    """From now on `approvers` sign, and admins too after two and a half hours."""
    world.rules(ESCALATING.replace('"approver"', approvers))


async def try_edit(
    world: World,
    call: ToolCall,
    by: str | Principal = "ann",
    *,
    revision: int | None = None,
    shown: bool = False,
    **changes: Any,
) -> Edited | Refused:
    """Somebody changes arguments of a call."""
    who = principal(by) if isinstance(by, str) else by
    return await world.unit(
        lambda records: edit(
            records,
            by=who,
            call_id=call.id,
            revision=call.revision if revision is None else revision,
            changes=changes,
            shown=shown,
            now=world.clock.moment,
            env=world.env,
        )
    )


async def edited(world: World, call: ToolCall, by: str = "ann", **changes: Any) -> ToolCall:
    """The call after an edit; a refusal fails the test."""
    answer = await try_edit(world, call, by, **changes)
    assert isinstance(answer, Edited), answer.refusal
    return answer.call


async def edits_of(world: World, call: ToolCall) -> list[Edit]:
    return list(await world.read(lambda records: records.edits.of(call.id)))


async def longer(
    world: World, call: ToolCall, by: str | Principal = "cat", **more: Any
) -> Proposed | Refused:
    """Somebody gives the call an hour more."""
    who = principal(by) if isinstance(by, str) else by
    return await world.unit(
        lambda records: extend(
            records,
            by=who,
            call_id=call.id,
            revision=more.get("revision", call.revision),
            shown=more.get("shown", False),
            now=world.clock.moment,
            env=world.env,
        )
    )


async def swept(world: World) -> int:
    """What the clockwork does of reminders and escalations; how many."""
    return await world.unit(lambda records: remind(records, now=world.clock.moment, env=world.env))


async def rerouted(world: World, tenant: TenantId = ACME) -> None:
    await world.unit(lambda records: reroute(records, tenant, now=world.clock.moment, env=world.env))


async def person(world: World, name: str, **changes: Any) -> None:
    """Somebody changes their settings."""

    def save(records: Any) -> None:
        known: Person | None = records.people.person(PersonId(name))
        assert known is not None
        records.people.save_settings(replace(known, **changes))

    await world.unit(save)


def reminded(world: World) -> list[int]:
    """The chats that reminders were queued for, in order."""
    return [row[0] for row in world.sql("SELECT chat FROM outbox WHERE kind = 'reminder' ORDER BY id")]


def chats(world: World, call: ToolCall) -> set[int]:
    """Where the call's cards go."""
    return {row[0] for row in world.sql("SELECT chat FROM cards WHERE call_id = ?", call.id)}


def planned(world: World, call: ToolCall) -> dict[str, datetime]:
    """What is still to be done about the call, and when, as stored."""
    rows = world.sql("SELECT kind, at FROM reminders WHERE call_id = ? AND done_at IS NULL", call.id)
    return {kind: datetime.fromtimestamp(at / 1000, tz=world.clock.now().tzinfo) for kind, at in rows}
