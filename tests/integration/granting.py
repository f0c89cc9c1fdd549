"""Making, spending and revoking grants in a test world."""

from __future__ import annotations

from typing import Any, Final

from core.digest import Json
from core.engine.grants import Granted, Span, grant, revoke
from core.lifecycle import Status
from core.model import Grant, Principal, ToolCall
from core.ports import Records
from tests.kit.world import World, code_of, principal

LUNCH: Final[dict[str, Json]] = {"text": "lunch", "amount": 200}
"""Of high risk: an approver who is not the requester signs."""
ASK: Final = '[[rule]]\nname = "ask"\ndecision = "requires_approval"\n'


async def try_grant(
    world: World,
    call: ToolCall,
    by: str | Principal = "cat",
    span: Span = "hour",
    *,
    delivered: bool = True,
    shown: bool = False,
) -> Any:
    who = principal(by) if isinstance(by, str) else by

    def work(records: Records) -> object:
        if delivered and who.person is not None:
            records.cards.delivered(call.id, who.person, call.consent_digest, now=world.clock.now())
        return grant(
            records,
            by=who,
            call_id=call.id,
            revision=call.revision,
            span=span,
            shown=shown,
            now=world.clock.moment,
            env=world.env,
        )

    return await world.unit(work)


async def granted(world: World, *, by: str = "cat", span: Span = "hour", **more: Any) -> Grant:
    """A grant from a lunch that Ann asked for, or of what is given."""
    call = await world.propose("pay", **{"arguments": LUNCH, **more})
    answer = await try_grant(world, call, by, span)
    assert isinstance(answer, Granted), answer
    assert answer.call.status is Status.PENDING
    return answer.grant


async def ask(world: World, amount: int = 200, *, text: str = "lunch", **more: Any) -> ToolCall:
    return await world.propose("pay", arguments={"text": text, "amount": amount}, **more)


async def try_revoke(world: World, made: Grant, by: str | Principal = "cat") -> Any:
    who = principal(by) if isinstance(by, str) else by
    return await world.unit(lambda records: revoke(records, by=who, grant_id=made.id, now=world.clock.moment))


async def kept(world: World, made: Grant) -> Grant:
    found = await world.read(lambda records: records.grants.get(made.id))
    assert found is not None
    return found


async def held(world: World, call: ToolCall, why: str) -> ToolCall:
    """The start is refused; the call waits for a signature, and says why."""
    assert code_of(await world.start(call)) == "approval_invalid"
    again = await world.call(call)
    assert (again.status, again.revision, again.verdict.grant) == (Status.PROPOSED, 2, None)
    assert again.note == why
    assert world.ledger.effects[call.id] == 0
    return again
