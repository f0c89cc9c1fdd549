"""Teams: made and switched at the machine, several for one person, and nothing that crosses them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine import Refused, mark, undo
from core.engine.members import (
    RoleChanged,
    at_machine,
    code_hash,
    invite,
    join,
    leave,
    open_invites,
    set_role,
)
from core.engine.tenants import (
    SpeaksFor,
    TenantChanged,
    add_tenant,
    set_active,
    speak_for,
    spoken_for,
    teams_of,
)
from core.ids import SYSTEM_TENANT, PersonId, TenantId
from core.lifecycle import Status
from core.model import SYSTEM, Channel, Membership, Person, Principal, Role, Tenant, ToolCall
from core.ports import Records
from core.queries import HistoryFilter
from storage.pages import SqlPages
from tests.kit.waiting import reminded, swept
from tests.kit.world import (
    ACME,
    APPROVERS_GROUP,
    GROUP,
    SOLO,
    UMBRELLA,
    World,
    chat_of,
    code_of,
    dispatcher,
    principal,
)

FRESH = TenantId("fresh")
GUS = PersonId("gus")
CODE = "A7F3Q2B9KM"


async def made(world: World, by: Principal | None = None) -> Any:
    tenant = Tenant(id=FRESH, name="Fresh <b>", active=True, currency="CHF", timezone="Europe/Zurich")
    who = by or at_machine(FRESH)
    return await world.unit(lambda r: add_tenant(r, by=who, tenant=tenant, now=world.clock.now()))


async def switched(world: World, tenant: TenantId, *, on: bool, by: Principal | None = None) -> Any:
    who = by or at_machine(tenant)
    return await world.unit(lambda r: set_active(r, by=who, active=on, now=world.clock.now()))


async def speaks(world: World, tenant: TenantId, name: str = "gus") -> Any:
    who = principal(name)
    return await world.unit(lambda r: speak_for(r, by=who, tenant_id=tenant, now=world.clock.now()))


async def current(world: World, name: str = "gus", home: TenantId = ACME) -> TenantId:
    def read(records: Records) -> TenantId:
        person = records.people.person(PersonId(name))
        assert person is not None
        return spoken_for(records, person, home=home)

    return await world.read(read)


async def invited(world: World, by: Principal, role: Role) -> None:
    now, kept = world.clock.now(), code_hash(CODE)
    until = now + timedelta(days=1)
    made = await world.unit(lambda r: invite(r, by=by, role=role, code_hash=kept, expires_at=until, now=now))
    assert not isinstance(made, Refused)


async def cards(world: World, call: ToolCall) -> set[int]:
    return {card.chat for card in await world.read(lambda r: r.cards.of(call.id))}


async def belongs(world: World, tenant: TenantId, role: Role | None, name: str = "gus") -> None:
    await world.role(name, role, tenant)


# --- making and switching ----------------------------------------------------------------------------------


async def test_a_team_is_made_once_and_by_the_machine(world: World) -> None:
    changed = await made(world)
    assert isinstance(changed, TenantChanged)
    assert changed.before is None
    assert await world.read(lambda r: r.people.tenant(FRESH)) == changed.tenant
    assert FRESH in [each.id for each in await world.read(lambda r: r.people.tenants())]
    (event,) = world.chain(FRESH)
    assert (event.kind, event.actor) == ("tenant.added", "cli")
    assert code_of(await made(world)) == "invalid_input"
    assert await world.read(lambda r: r.people.members(FRESH)) == []


NOT_AT_THE_MACHINE = {
    "an admin": principal("dan"),
    "the dispatcher": SYSTEM,
    "a program": Principal(person=None, tenant=ACME, roles=frozenset({Role.ADMIN}), channel=Channel.API),
    "a person at a shell": replace(principal("dan"), channel=Channel.CLI),
}


@pytest.mark.parametrize("by", NOT_AT_THE_MACHINE.values(), ids=list(NOT_AT_THE_MACHINE))
async def test_nobody_else_makes_or_switches_teams(world: World, by: Principal) -> None:
    assert code_of(await made(world, by)) == "not_admin"
    assert await world.read(lambda r: r.people.tenant(FRESH)) is None
    assert code_of(await switched(world, ACME, on=False, by=by)) == "not_admin"
    acme = await world.read(lambda r: r.people.tenant(ACME))
    assert acme is not None
    assert acme.active


async def test_switching_is_audited_and_the_same_again_is_nothing(world: World) -> None:
    assert code_of(await switched(world, FRESH, on=False)) == "tenant_unknown"
    assert world.chain(SYSTEM_TENANT)[-1].kind == "refused"
    off = await switched(world, ACME, on=False)
    assert (off.before.active, off.tenant.active) == (True, False)
    assert world.chain(ACME)[-1].kind == "tenant.deactivated"
    events = len(world.chain(ACME))
    assert (await switched(world, ACME, on=False)).before.active is False
    assert len(world.chain(ACME)) == events
    assert (await switched(world, ACME, on=True)).tenant.active
    assert world.chain(ACME)[-1].kind == "tenant.reactivated"


async def test_inside_a_team_that_is_off_nothing_runs_and_people_are_told_why(world: World) -> None:
    asked = await world.propose("high_once")
    signed = await world.approved()
    await switched(world, ACME, on=False)
    for refused in (
        await world.try_propose("low_once"),
        await world.vote(asked),
        await world.start(signed),
        await world.start(signed, dispatcher()),
        await world.cancel(asked),
    ):
        assert isinstance(refused, Refused)
        assert code_of(refused) == "tenant_inactive"
        assert "switched off" in refused.refusal.message
    assert (await world.call(asked)).status is Status.PROPOSED
    assert (await world.call(signed)).status is Status.PENDING
    assert world.ledger.effects == {}
    assert await world.read(lambda r: r.calls.waiting(Status.PENDING, limit=9)) == [], "nor is it taken"
    elsewhere = await world.done("low_once", by="zoe")
    assert elsewhere.status is Status.COMPLETED
    await switched(world, ACME, on=True)
    assert await world.read(lambda r: r.calls.waiting(Status.PENDING, limit=9)) == [signed.id]
    await world.execute(signed)
    assert world.ledger.effects[signed.id] == 1


async def test_nobody_is_reminded_for_a_team_that_is_off(world: World) -> None:
    await world.propose("high_once")
    await switched(world, ACME, on=False)
    world.clock.advance(hours=20)
    await swept(world)
    assert reminded(world) == []


async def test_memberships_of_a_team_that_is_off_stay_as_they_are(world: World) -> None:
    dan, eve = principal("dan"), PersonId("eve")
    await invited(world, dan, Role.MEMBER)
    await switched(world, ACME, on=False)
    for by in (dan, at_machine(ACME)):
        role = await world.unit(
            lambda r, by=by: set_role(  # type: ignore[misc]
                r, by=by, person_id=eve, role=Role.ADMIN, now=world.clock.moment, env=world.env
            )
        )
        assert code_of(role) == "tenant_inactive"
    left = await world.unit(lambda r: leave(r, by=principal("ann"), now=world.clock.moment, env=world.env))
    assert code_of(left) == "tenant_inactive"

    async def joins() -> Any:
        return await world.unit(
            lambda r: join(r, person_id=eve, code_hash=code_hash(CODE), now=world.clock.now())
        )

    assert code_of(await joins()) == "tenant_inactive"
    await switched(world, ACME, on=True)
    assert isinstance(await joins(), RoleChanged), "the code was not spent"


# --- speaking for one of several ---------------------------------------------------------------------------


async def test_a_person_chooses_the_team_they_speak_for(world: World) -> None:
    assert await current(world) == ACME
    assert await current(world, home=UMBRELLA) == UMBRELLA
    assert await current(world, home=SOLO) in {ACME, UMBRELLA}
    chosen = await speaks(world, UMBRELLA)
    assert isinstance(chosen, SpeaksFor)
    assert (chosen.tenant.id, chosen.role) == (UMBRELLA, Role.MEMBER)
    assert await current(world) == UMBRELLA
    assert (world.chain(UMBRELLA)[-1].kind, world.chain(UMBRELLA)[-1].actor) == ("member.speaks_for", "gus")
    events = len(world.chain(UMBRELLA))
    assert isinstance(await speaks(world, UMBRELLA), SpeaksFor)
    assert len(world.chain(UMBRELLA)) == events


async def test_who_does_not_belong_there_any_more_speaks_for_the_bots_own(world: World) -> None:
    await speaks(world, UMBRELLA)
    await belongs(world, UMBRELLA, None)
    assert await current(world) == ACME
    await belongs(world, UMBRELLA, Role.MEMBER)
    assert await current(world) == UMBRELLA
    await switched(world, UMBRELLA, on=False)
    assert await current(world) == ACME
    await belongs(world, ACME, None)
    assert await current(world) == UMBRELLA, "which then tells why nothing runs"
    await belongs(world, UMBRELLA, None)
    assert await current(world) == ACME


async def test_nobody_speaks_for_a_team_that_is_not_theirs_or_is_off(world: World) -> None:
    foreign, unknown = await speaks(world, SOLO), await speaks(world, TenantId("?"))
    assert code_of(foreign) == code_of(unknown) == "not_a_member"
    assert foreign.refusal.message == unknown.refusal.message
    await switched(world, UMBRELLA, on=False)
    assert code_of(await speaks(world, UMBRELLA)) == "tenant_inactive"
    assert await current(world) == ACME
    nobody = await world.unit(
        lambda r: speak_for(
            r, by=replace(principal("gus"), person=None), tenant_id=ACME, now=world.clock.now()
        )
    )
    assert code_of(nobody) == "unauthenticated"


async def test_a_person_sees_the_teams_they_belong_to(world: World) -> None:
    def read(records: Records) -> list[str]:
        gus = records.people.person(GUS)
        assert isinstance(gus, Person)
        return [tenant.id for tenant in teams_of(records, gus)]

    assert sorted(await world.read(read)) == [ACME, UMBRELLA]
    assert await world.read(lambda r: r.people.since(ACME, GUS)) is not None
    assert await world.read(lambda r: r.people.since(SOLO, GUS)) is None


# --- nothing crosses ---------------------------------------------------------------------------------------


async def test_nothing_of_one_team_is_seen_in_another(world: World) -> None:
    """Also not by somebody who belongs to both, while they speak for one."""
    for tenant in (ACME, UMBRELLA):
        await world.role("gus", Role.ADMIN, tenant)
    acme = await world.propose("high_once", by="ann")
    umbrella = await world.propose("high_once", by="zoe")
    calls = {ACME: await world.done(by="zoe"), UMBRELLA: await world.done(by="ann")}  # of the other one
    pages = SqlPages(lambda: world.db.pages)
    for tenant, own, other in ((ACME, acme, umbrella), (UMBRELLA, umbrella, acme)):
        gus = principal("gus", tenant)
        history = await pages.history(HistoryFilter(tenant_id=tenant))
        assert [row.id for row in history.rows] == sorted([own.id, calls[other.tenant_id].id], reverse=True)
        member = Membership(tenant_id=tenant, person_id=GUS, role=Role.APPROVER, name="Gus")
        assert [row.id for row in await pages.waiting_for(member)] == [own.id]
        assert await world.read(lambda r, t=tenant, c=other: r.calls.by_short_id(t, c.short_id)) is None  # type: ignore[misc]
        assert code_of(await world.vote(other, gus)) == "tenant_mismatch"
        assert code_of(await world.cancel(other, gus)) == "tenant_mismatch"
        for verb in (undo, partial(mark, done=True)):
            answer = await world.unit(
                lambda r, v=verb, c=calls[tenant], by=gus: v(  # type: ignore[misc]
                    r, by=by, call_id=c.id, now=world.clock.moment, env=world.env
                )
            )
            assert code_of(answer) == "tenant_mismatch"
        names = {each.person_id for each in await world.read(lambda r, t=tenant: r.people.members(t))}  # type: ignore[misc]
        assert ("ann" in names, "zoe" in names) == (tenant == ACME, tenant == UMBRELLA)
    assert code_of(await world.vote(acme, "zoe")) == "not_found"
    assert code_of(await world.vote(umbrella, "cat")) == "not_found"


async def test_the_approvers_chat_shows_its_own_teams_calls_alone(world: World) -> None:
    world.env = replace(world.env, approvers_chat=APPROVERS_GROUP, home=ACME)
    await world.role("gus", Role.APPROVER, UMBRELLA)
    acme = await world.propose("high_once", by="ann")
    umbrella = await world.propose("high_once", by="zoe")
    assert APPROVERS_GROUP in await cards(world, acme)
    assert await cards(world, umbrella) == {chat_of("zoe"), chat_of("gus")}


async def test_invites_of_one_team_are_not_seen_in_another(world: World) -> None:
    await invited(world, principal("zoe"), Role.ADMIN)
    assert await world.unit(lambda r: open_invites(r, by=principal("dan"), now=world.clock.now())) == []
    joined = await world.unit(
        lambda r: join(r, person_id=PersonId("ann"), code_hash=code_hash(CODE), now=world.clock.now())
    )
    assert isinstance(joined, RoleChanged)
    assert (joined.tenant_id, joined.role, joined.before) == (UMBRELLA, Role.ADMIN, None)
    assert await world.read(lambda r: r.people.role(ACME, PersonId("ann"))) is Role.MEMBER


async def test_a_group_is_of_the_team_that_was_there_first(world: World) -> None:
    def owner(chat: int) -> Any:
        return world.read(lambda r: r.people.tenant_at(Channel.TELEGRAM, str(chat)))

    assert await owner(-9) is None
    first = replace(world.conversation("group", UMBRELLA), chat="-9", id="umbrella-9")
    second = replace(world.conversation("group", ACME), chat="-9", id="acme-9")
    for place in (first, second):
        await world.unit(
            lambda r, at=place: r.people.add_conversation(at, account_name="x", now=world.clock.now())  # type: ignore[misc]
        )
        world.clock.advance(1)
        assert await owner(-9) == UMBRELLA
    await world.unit(lambda r: r.people.migrate_chat(Channel.TELEGRAM, "-9", "-1009"))
    assert (await owner(-9), await owner(-1009)) == (None, UMBRELLA)
    assert await owner(GROUP) is not None
