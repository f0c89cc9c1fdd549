"""Who belongs to a tenant: claiming, inviting, joining, roles. Each audited, none by who may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bot.codes import CODE_LENGTH, new_code
from core.engine.answers import Refused
from core.engine.members import (
    Invited,
    InviteEnded,
    RoleChanged,
    at_machine,
    code_hash,
    end_invite,
    invite,
    join,
    leave,
    offer_claim,
    open_invites,
    set_role,
)
from core.errors import HTTP_STATUS, Code
from core.ids import CROCKFORD, SYSTEM_TENANT, PersonId, TenantId
from core.model import SYSTEM, Channel, Principal, Role, Tenant
from core.ports import Records
from storage.database import backend_of
from storage.writer import Writer
from tests.kit.world import ACME, SOLO, UMBRELLA, World, chat_of, code_of, principal

EMPTY = TenantId("empty")
CODE = "A7F3Q2B9KM"


ADMIN = frozenset({Role.ADMIN})


@asynccontextmanager
async def another_writer(world: World) -> AsyncIterator[Writer]:
    """Somebody else who writes into the same database, over a connection of their own."""
    writer = Writer(backend_of(world.place.address), new_id=world.new_id)
    writer.start()
    try:
        yield writer
    finally:
        await writer.close()


async def unit(world: World, verb: Callable[..., Any], **given: Any) -> Any:
    return await world.unit(lambda records: verb(records, now=world.clock.now(), **given))


async def set_to(
    world: World, to: Role | None, *, person: str, by: Principal | str = "dan", writer: Writer | None = None
) -> Any:
    who = principal(by) if isinstance(by, str) else by

    def work(records: Records) -> Any:
        return set_role(
            records, by=who, person_id=PersonId(person), role=to, now=world.clock.moment, env=world.env
        )

    return await (writer or world.db.writer).run("set_role", work)


async def left(world: World, name: str, tenant: TenantId = ACME) -> Any:
    by = principal(name, tenant)
    return await world.unit(lambda records: leave(records, by=by, now=world.clock.moment, env=world.env))


async def role(world: World, name: str, tenant: TenantId = ACME) -> Role | None:
    return await world.db.reader.read(lambda records: records.people.role(tenant, PersonId(name)))


async def last_event(world: World, tenant: TenantId = ACME) -> tuple[str, str, str]:
    def read(records: Records) -> tuple[str, str, str]:
        event = records.audit.after(tenant, records.audit.head(tenant)[0] - 1, limit=1)[0]
        return event.kind, event.actor, event.content

    return await world.unit(read)


async def add_empty_tenant(world: World) -> None:
    tenant = Tenant(id=EMPTY, name="Empty", active=True, currency="EUR", timezone="UTC")
    await world.unit(lambda records: records.people.add_tenant(tenant, now=world.clock.now()))


async def invited(world: World, to: Role = Role.APPROVER, by: Principal | None = None) -> Any:
    return await unit(
        world,
        invite,
        by=by or principal("dan"),
        role=to,
        code_hash=code_hash(CODE),
        expires_at=world.clock.now() + timedelta(days=7),
    )


async def offered(world: World, tenant: TenantId, code: str = CODE) -> Any:
    return await unit(world, offer_claim, tenant_id=tenant, code_hash=code_hash(code))


async def test_the_first_to_claim_becomes_admin(world: World) -> None:
    await add_empty_tenant(world)
    assert await offered(world, EMPTY)
    claimed = await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash(CODE))
    assert isinstance(claimed, RoleChanged)
    assert await role(world, "eve", EMPTY) is Role.ADMIN
    kind, actor, content = await last_event(world, EMPTY)
    assert (kind, actor) == ("member.claimed", "eve")
    assert '"role":"admin"' in content


async def test_a_tenant_with_an_admin_offers_no_claim(world: World) -> None:
    assert not await offered(world, ACME)
    refused = await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash(CODE))
    assert code_of(refused) == "invite_invalid"


async def test_an_older_claim_code_is_worth_nothing_once_there_is_an_admin(world: World) -> None:
    await add_empty_tenant(world)
    await offered(world, EMPTY, "AAAAAAAAAA")
    await offered(world, EMPTY)
    await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash(CODE))
    refused = await unit(world, join, person_id=PersonId("ann"), code_hash=code_hash("AAAAAAAAAA"))
    assert code_of(refused) == "already_claimed"
    assert await role(world, "ann", EMPTY) is None


async def test_an_invite_makes_a_member_once(world: World) -> None:
    assert isinstance(await invited(world), Invited)
    assert (await last_event(world))[:2] == ("member.invited", "dan")
    joined = await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash("a7f3q-2b9km"))
    assert isinstance(joined, RoleChanged)
    assert (joined.role, joined.before) == (Role.APPROVER, None)
    assert await role(world, "eve") is Role.APPROVER
    assert (await last_event(world))[:2] == ("member.joined", "eve")
    again = await unit(world, join, person_id=PersonId("zoe"), code_hash=code_hash(CODE))
    assert code_of(again) == "invite_invalid"
    assert await role(world, "zoe") is None


async def test_the_audit_does_not_hold_the_code(world: World) -> None:
    await invited(world)
    content = (await last_event(world))[2]
    assert CODE not in content
    assert code_hash(CODE) not in content


async def test_an_expired_and_an_unknown_code_are_answered_alike(world: World) -> None:
    await invited(world)
    world.clock.advance(timedelta(days=8).total_seconds())
    expired = await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash(CODE))
    unknown = await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash("0" * 10))
    assert expired.refusal.message == unknown.refusal.message
    assert code_of(expired) == code_of(unknown) == "invite_invalid"
    assert (await last_event(world, SYSTEM_TENANT))[:2] == ("refused", "eve")


async def test_a_stranger_does_not_spend_an_invite(world: World) -> None:
    await invited(world)
    refused = await unit(world, join, person_id=PersonId("?"), code_hash=code_hash(CODE))
    assert code_of(refused) == "unauthenticated"
    joined = await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash(CODE))
    assert isinstance(joined, RoleChanged)


@pytest.mark.parametrize(
    ("name", "to", "then"), [("dan", Role.MEMBER, Role.ADMIN), ("ann", Role.ADMIN, Role.ADMIN)]
)
async def test_an_invite_never_lowers_a_role(world: World, name: str, to: Role, then: Role) -> None:
    await invited(world, to)
    joined = await unit(world, join, person_id=PersonId(name), code_hash=code_hash(CODE))
    assert joined.role is then
    assert await role(world, name) is then


NOT_ADMINS = {
    "ann": (principal("ann"), "not_admin"),
    "cat": (principal("cat"), "not_admin"),
    "an admin elsewhere": (principal("zoe", ACME), "not_a_member"),
    "claims a role": (principal("ann", roles=frozenset({Role.ADMIN})), "not_admin"),
    "nobody": (principal("ann", person=None), "unauthenticated"),
    "no team": (replace(principal("dan"), tenant=None), "tenant_required"),
    "no such team": (principal("dan", TenantId("?")), "tenant_unknown"),
    "the dispatcher": (SYSTEM, "tenant_unknown"),
    "the dispatcher in a team": (principal("ann", person=None, channel=Channel.SYSTEM), "not_admin"),
    "a program without a person": (
        Principal(person=None, tenant=ACME, roles=frozenset({Role.ADMIN}), channel=Channel.API),
        "unauthenticated",
    ),
    "the machine, without authority": (
        Principal(person=None, tenant=ACME, roles=frozenset(), channel=Channel.CLI),
        "unauthenticated",
    ),
}


@pytest.mark.parametrize(("by", "code"), NOT_ADMINS.values(), ids=list(NOT_ADMINS))
async def test_only_admins_invite_and_change_roles(world: World, by: Principal, code: str) -> None:
    assert code_of(await invited(world, by=by)) == code
    changed = await set_to(world, Role.ADMIN, person="bob", by=by)
    assert code_of(changed) == code
    assert await role(world, "bob") is Role.MEMBER
    joined = await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash(CODE))
    assert code_of(joined) == "invite_invalid"


@pytest.mark.parametrize("by", [principal("dan"), at_machine(ACME)], ids=["admin", "machine"])
async def test_an_admin_and_the_machine_change_roles(world: World, by: Principal) -> None:
    changed = await set_to(world, Role.APPROVER, person="bob", by=by)
    assert (changed.before, changed.role) == (Role.MEMBER, Role.APPROVER)
    kind, actor, content = await last_event(world)
    assert (kind, actor) == ("member.role", by.actor)
    assert '"before":"member"' in content
    removed = await set_to(world, None, person="bob", by=by)
    assert (removed.before, removed.role) == (Role.APPROVER, None)
    assert (await last_event(world))[0] == "member.removed"
    added = await set_to(world, Role.MEMBER, person="eve", by=by)
    assert (added.before, added.role) == (None, Role.MEMBER)


async def test_authority_is_read_anew(world: World) -> None:
    dan = principal("dan")
    await set_to(world, Role.ADMIN, person="bob", by=dan)
    await set_to(world, Role.MEMBER, person="dan", by=principal("bob"))
    refused = await set_to(world, None, person="bob", by=dan)
    assert code_of(refused) == "not_admin"


@pytest.mark.parametrize("to", [None, Role.MEMBER, Role.APPROVER])
@pytest.mark.parametrize("by", [principal("sol"), at_machine(SOLO)], ids=["admin", "machine"])
async def test_the_last_admin_stays(world: World, by: Principal, to: Role | None) -> None:
    refused = await set_to(world, to, person="sol", by=by)
    assert isinstance(refused, Refused)
    assert code_of(refused) == "last_admin"
    assert await role(world, "sol", SOLO) is Role.ADMIN


async def test_one_of_two_admins_may_go(world: World) -> None:
    dan = principal("dan")
    await set_to(world, Role.ADMIN, person="bob", by=dan)
    gone = await set_to(world, None, person="dan", by=dan)
    assert gone.role is None


async def test_the_same_role_again_changes_nothing(world: World) -> None:
    before = await world.db.reader.read(lambda records: records.audit.heads())
    same = await set_to(world, Role.ADMIN, person="dan", by=principal("dan"))
    assert (same.before, same.role) == (Role.ADMIN, Role.ADMIN)
    assert await world.db.reader.read(lambda records: records.audit.heads()) == before


async def test_nobody_unknown_is_changed_or_removed(world: World) -> None:
    for name, to in (("?", Role.MEMBER), ("eve", None), ("zoe", None)):
        refused = await set_to(world, to, person=name, by=principal("dan"))
        assert code_of(refused) == "not_found"
    assert await role(world, "zoe", UMBRELLA) is Role.ADMIN


async def test_of_two_admins_who_remove_each_other_one_stays(world: World) -> None:
    await set_to(world, Role.ADMIN, person="bob")
    async with another_writer(world) as other:
        for _ in range(5):
            answers = await asyncio.gather(
                set_to(world, None, person="bob", by="dan"),
                set_to(world, None, person="dan", by=principal("bob", roles=ADMIN), writer=other),
            )
            assert sorted(type(each).__name__ for each in answers) == ["Refused", "RoleChanged"]
            members = await world.read(lambda records: records.people.members(ACME))
            (stays,) = [member.person_id for member in members if member.role is Role.ADMIN]
            gone = "bob" if stays == "dan" else "dan"
            await set_to(world, Role.ADMIN, person=gone, by=at_machine(ACME))


async def test_of_two_admins_who_step_down_at_once_one_stays(world: World) -> None:
    await set_to(world, Role.ADMIN, person="bob")
    async with another_writer(world) as other:
        answers = await asyncio.gather(
            set_to(world, Role.MEMBER, person="bob", by=principal("bob", roles=ADMIN)),
            set_to(world, None, person="dan", by="dan", writer=other),
        )
    assert [code_of(each) for each in answers if isinstance(each, Refused)] == ["last_admin"]
    members = await world.read(lambda records: records.people.members(ACME))
    assert len([member for member in members if member.role is Role.ADMIN]) == 1


async def test_somebody_leaves_by_themselves(world: World) -> None:
    gone = await left(world, "cat")
    assert (gone.before, gone.role) == (Role.APPROVER, None)
    assert await role(world, "cat") is None
    assert (await last_event(world))[:2] == ("member.left", "cat")
    assert code_of(await left(world, "cat")) == "not_a_member"
    assert code_of(await left(world, "dan")) == "last_admin"
    assert await role(world, "dan") is Role.ADMIN


async def test_when_an_approver_goes_open_calls_are_asked_of_the_others(world: World) -> None:
    await set_to(world, None, person="cid")
    await set_to(world, None, person="gus")
    call = await world.propose("high_once")
    chats = {card.chat for card in await world.read(lambda records: records.cards.of(call.id))}
    assert chats == {chat_of("ann"), chat_of("cat"), chat_of("dan")}
    await set_to(world, Role.APPROVER, person="bob")
    chats = {card.chat for card in await world.read(lambda records: records.cards.of(call.id))}
    assert chat_of("bob") in chats, "who became an approver is asked"
    await set_to(world, None, person="cat")
    assert code_of(await world.vote(call, "cat")) == "not_a_member"
    await world.approve(call, "bob")


async def test_open_invites_are_listed_and_ended_by_admins(world: World) -> None:
    await invited(world)
    opened = await unit(world, open_invites, by=principal("dan"))
    assert [(each.role, each.created_by) for each in opened] == [(Role.APPROVER, "dan")]
    for by, code in ((principal("cat"), "not_admin"), (principal("zoe", ACME), "not_a_member")):
        assert code_of(await unit(world, open_invites, by=by)) == code
        assert code_of(await unit(world, end_invite, by=by, code_hash=code_hash(CODE))) == code
    elsewhere = await unit(world, end_invite, by=principal("zoe"), code_hash=code_hash(CODE))
    assert code_of(elsewhere) == "not_found"
    ended = await unit(world, end_invite, by=principal("dan"), code_hash=code_hash(CODE))
    assert isinstance(ended, InviteEnded)
    kind, actor, content = await last_event(world)
    assert (kind, actor) == ("member.uninvited", "dan")
    assert code_hash(CODE) not in content
    assert await unit(world, open_invites, by=principal("dan")) == []
    again = await unit(world, end_invite, by=principal("dan"), code_hash=code_hash(CODE))
    assert code_of(again) == "not_found"
    joined = await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash(CODE))
    assert code_of(joined) == "invite_invalid"


async def test_a_used_invite_is_not_open(world: World) -> None:
    await invited(world)
    await unit(world, join, person_id=PersonId("eve"), code_hash=code_hash(CODE))
    assert await unit(world, open_invites, by=principal("dan")) == []


def test_codes_are_long_enough_and_readable() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(len(code) == CODE_LENGTH and set(code) <= set(CROCKFORD) for code in codes)
    assert code_hash("0123456789") == code_hash("o123-4s6789".replace("s", "5")) == code_hash("OI23456789")


def test_every_code_has_a_status() -> None:
    assert set(HTTP_STATUS) == set(Code)
