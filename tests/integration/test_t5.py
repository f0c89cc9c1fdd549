"""T5 for every verb by which somebody can bring a call nearer to running: who has no right changes nothing,
runs nothing, and is in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from msgspec.structs import replace

from core.engine import Refused, decide, start
from core.engine.edit import edit
from core.engine.expire import extend
from core.engine.grants import grant
from core.model import SYSTEM, Principal, Role, ToolCall, Vote
from core.ports import Records
from tests.kit.faults import everything
from tests.kit.world import ACME, UMBRELLA, World, principal


@dataclass(frozen=True, slots=True)
class Intruder:
    """Somebody without the right, and what made them lose it. `shown`: the card is in a chat they are in."""

    who: Principal
    shown: bool = False
    demoted: Role | str | None = ""
    may_edit: bool = False  # the requester may change what they asked for


INTRUDERS: Final[Mapping[str, Intruder]] = {
    "a stranger": Intruder(principal("eve")),
    "a stranger who sees the card": Intruder(principal("eve"), shown=True),
    "a bystander": Intruder(principal("bob")),
    "a bystander who sees the card": Intruder(principal("bob"), shown=True),
    "another team's admin": Intruder(principal("zoe")),
    "another team's admin, with a forwarded card": Intruder(principal("zoe"), shown=True),
    "an approver who speaks for another team": Intruder(principal("gus", UMBRELLA)),
    "an approver limited to other accounts": Intruder(
        replace(principal("cat"), account_ids=frozenset()), shown=False
    ),
    "the requester under four eyes": Intruder(principal("ann"), shown=True, may_edit=True),
    "an approver who was demoted": Intruder(principal("cat"), shown=True, demoted=Role.MEMBER),
    "an approver who was removed": Intruder(principal("cat"), shown=True, demoted=None),
    "nobody": Intruder(replace(principal("cat"), person=None), shown=True),
    "somebody of no team": Intruder(replace(principal("cat"), tenant=None), shown=True),
    "the dispatcher": Intruder(replace(SYSTEM, tenant=ACME), shown=True),
}

Verb = Callable[..., object]
VERBS: Final[Mapping[str, tuple[Verb, Mapping[str, Any]]]] = {
    "approve": (decide, {"vote": Vote.APPROVED}),
    "deny": (decide, {"vote": Vote.DENIED}),
    "grant": (grant, {"span": "chat"}),
    "edit": (edit, {"changes": {"amount": 150}}),
    "extend": (extend, {}),
}
_ALWAYS: Final = frozenset({"audit_events", "audit_heads", "deliveries"})
"""What a refusal may write, and the test itself."""


@pytest.mark.parametrize("kind", INTRUDERS)
async def test_t05_who_has_no_right_brings_nothing_nearer(world: World, kind: str) -> None:
    call = await world.propose("pay", arguments={"text": "lunch", "amount": 200}, where="group")
    intruder = INTRUDERS[kind]
    if intruder.demoted != "":
        await world.role("cat", intruder.demoted)  # type: ignore[arg-type] # a role, or none
    for name, (verb, more) in VERBS.items():
        if name == "edit" and intruder.may_edit:
            continue
        before = everything(world.place, but=_ALWAYS)
        refusals = _refusals(world)
        answer = await world.unit(_by(world, call, intruder, verb, more))
        assert isinstance(answer, Refused), f"{kind}: {name} went through"
        assert everything(world.place, but=_ALWAYS) == before, f"{kind}: {name} changed something"
        assert _refusals(world) == refusals + 1, f"{kind}: {name} is not in the audit"
    assert world.ledger.lines == []
    print(f"T5: 1/1 kinds, {kind}, {len(VERBS)} verbs, 0 effects, audited")


def _by(
    world: World, call: ToolCall, intruder: Intruder, verb: Verb, more: Mapping[str, Any]
) -> Callable[[Records], object]:
    who, now = intruder.who, world.clock.moment

    def work(records: Records) -> object:
        if who.person is not None:
            records.cards.delivered(call.id, who.person, call.consent_digest, now=now.wall)
        return verb(
            records,
            by=who,
            call_id=call.id,
            revision=call.revision,
            shown=intruder.shown,
            now=now,
            env=world.env,
            **more,
        )

    return work


def _refusals(world: World) -> int:
    return world.place.number("SELECT count(*) FROM audit_events WHERE kind = 'refused'")


async def test_t05_a_quorum_of_which_one_was_demoted_does_not_start(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n')
    call = await world.propose("high_once")
    await world.approve(call, "cat")
    signed = await world.approve(call, "cid")
    await world.role("cid", Role.MEMBER)
    answer = await world.unit(
        lambda records: start(
            records, by=SYSTEM, call_id=signed.id, worker="w", now=world.clock.moment, env=world.env
        )
    )
    assert isinstance(answer, Refused)
    assert "Cid is not an approver any more" in answer.refusal.message
    assert world.ledger.lines == []
    print("T5: 1/1 kinds, one of a quorum demoted before the start, 0 effects, audited")
