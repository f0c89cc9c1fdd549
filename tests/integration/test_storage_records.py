"""The repositories, over the real file and through the real writer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from core.errors import CorruptRecord, StorageUnavailable
from core.ids import AccountId, CallId, ConversationId, PersonId, TenantId
from core.lifecycle import Status
from core.model import Channel, Identity, Invite, Person, Role
from storage.times import from_ms, maybe_from_ms, to_ms
from tests.kit.clock import NOON
from tests.kit.world import ACME, GROUP, UMBRELLA, World, chat_of

ANN = PersonId("ann")
ACCOUNT = AccountId("main")


def test_times_keep_milliseconds() -> None:
    when = NOON + timedelta(milliseconds=7, microseconds=300)
    assert from_ms(to_ms(when)) == NOON + timedelta(milliseconds=7)
    assert to_ms(None) is None
    assert maybe_from_ms(None) is None
    assert maybe_from_ms(to_ms(NOON)) == NOON


# --------------------------------------------------------------------------- calls


async def test_a_call_reads_back_as_it_was_written(world: World) -> None:
    call = await world.propose(
        "high_once", arguments={"text": 'Grüße "😀"\n\x00', "amount": -5}, message=77, where="group"
    )
    if world.place.kind == "postgresql":
        # Its text holds no NUL; what runs, the arguments, does. The title only tells of them.
        call = replace(call, title=call.title.replace("\0", "\ufffd"))
    assert await world.call(call) == call
    assert call.arguments["text"] == 'Grüße "😀"\n\x00'
    assert await world.read(lambda r: r.calls.by_short_id(ACME, call.short_id)) == call
    assert await world.read(lambda r: r.calls.by_short_id(UMBRELLA, call.short_id)) is None
    assert await world.read(lambda r: r.calls.get(CallId("nowhere"))) is None
    assert call.idempotency_key is not None
    assert await world.read(lambda r: r.calls.by_key(ACME, call.idempotency_key or "")) == call
    assert await world.read(lambda r: r.calls.by_key(UMBRELLA, call.idempotency_key or "")) is None


async def test_advance_compares_status_and_version(world: World) -> None:
    call = await world.propose("low_once")
    after = replace(call, status=Status.RUNNING, version=2)

    def advance(before: Any) -> Any:
        return world.unit(lambda records: records.calls.advance(before, after))

    assert not await advance(replace(call, version=9))
    assert not await advance(replace(call, status=Status.PROPOSED))
    assert not await advance(replace(call, id=CallId("nowhere")))
    assert await advance(call)
    assert not await advance(call)


async def test_waiting_calls_are_oldest_first_and_limited(world: World) -> None:
    calls = [await world.propose("low_once") for _ in range(3)]
    asked = await world.propose("high_once")

    async def waiting(status: Status, limit: int = 9) -> list[CallId]:
        return list(await world.read(lambda records: records.calls.waiting(status, limit=limit)))

    assert await waiting(Status.PENDING, 2) == [call.id for call in calls[:2]]
    assert await waiting(Status.PROPOSED) == [asked.id]
    assert await waiting(Status.COMPLETED) == []


async def test_the_reader_sees_one_snapshot_and_writes_nothing(world: World) -> None:
    call = await world.propose("low_once")
    with pytest.raises(StorageUnavailable, match=r"readonly|read-only"):
        await world.read(lambda records: records.people.set_role(ACME, ANN, None, now=NOON))
    assert await world.call(call) == call


# --------------------------------------------------------------------------- people


async def test_people_and_their_ways_in(world: World) -> None:
    def people(work: Any) -> Any:
        return world.unit(lambda records: work(records.people))

    assert await people(lambda p: p.tenant(TenantId("nowhere"))) is None
    tenant = await people(lambda p: p.tenant(ACME))
    assert (tenant.name, tenant.active, tenant.currency) == ("Acme", True, "EUR")
    changed = Person(id=ANN, name="Anna", timezone="Europe/Berlin", currency="CHF", end_replies=False)
    await people(lambda p: p.save_settings(changed))
    assert await people(lambda p: p.person(ANN)) == changed
    assert await people(lambda p: p.person(PersonId("nobody"))) is None
    await people(lambda p: p.add_person(replace(changed, name="Impostor"), now=NOON))
    assert (await people(lambda p: p.person(ANN))).name == "Anna"
    identity = await people(lambda p: p.identity(Channel.TELEGRAM, "ann"))
    assert identity == Identity(
        channel=Channel.TELEGRAM, subject="ann", person_id=ANN, private_chat=chat_of("ann")
    )
    await people(lambda p: p.add_identity(replace(identity, person_id=PersonId("bob"))))
    assert await people(lambda p: p.identity(Channel.TELEGRAM, "ann")) == identity
    assert await people(lambda p: p.identity(Channel.API, "ann")) is None
    await people(lambda p: p.set_private_chat(Channel.TELEGRAM, "ann", None))
    assert [each.private_chat for each in await people(lambda p: p.identities(ANN))] == [None]


async def test_members_are_listed_by_role_and_name(world: World) -> None:
    listed = await world.read(lambda records: records.people.members(ACME))
    assert [member.name for member in listed] == ["Dan", "Cat", "Cid", "Gus", "Ann", "Bob"]
    await world.role("ann", Role.ADMIN)
    assert await world.read(lambda records: records.people.role(ACME, ANN)) is Role.ADMIN
    await world.role("ann", None)
    assert await world.read(lambda records: records.people.role(ACME, ANN)) is None
    assert list(await world.read(lambda r: r.people.tenants_of(PersonId("gus")))) == [ACME, UMBRELLA]


async def test_conversations_are_found_by_their_place_within_a_team(world: World) -> None:
    def at(tenant: TenantId, chat: int, thread: int | None = None) -> Any:
        return world.read(lambda r: r.people.conversation_at(tenant, Channel.TELEGRAM, str(chat), thread))

    assert await at(ACME, chat_of("ann")) == world.conversation("ann")
    assert await at(UMBRELLA, chat_of("ann")) is None
    assert await at(ACME, chat_of("ann"), 7) is None
    topic = replace(world.conversation("group"), id=ConversationId("topic"), thread=7)
    await world.unit(lambda r: r.people.add_conversation(topic, account_name="topic", now=NOON))
    assert await at(ACME, GROUP, 7) == topic
    assert await world.read(lambda r: r.people.conversation(ConversationId("nowhere"))) is None


async def test_what_was_said_last(world: World) -> None:
    place = world.conversation("ann")

    async def said(message_id: str, minutes: int, number: int) -> None:
        when = NOON + timedelta(minutes=minutes)
        await world.unit(
            lambda r: r.people.add_message(
                message_id, place, number=number, person_id=ANN, text="x", now=when
            )
        )

    assert await world.read(lambda r: r.people.last_wrote(place.id, ANN)) is None
    await said("a", 1, 1)
    await said("b", 3, 2)
    await said("c", 9, 2)  # the same message again
    assert await world.read(lambda r: r.people.last_wrote(place.id, ANN)) == NOON + timedelta(minutes=3)


async def test_an_invite_is_spent_once_and_in_time(world: World) -> None:
    def add(code: str) -> Any:
        return world.unit(
            lambda r: r.invites.add(
                Invite(
                    code_hash=code,
                    tenant_id=ACME,
                    role=Role.APPROVER,
                    created_by="dan",
                    created_at=NOON,
                    expires_at=NOON + timedelta(hours=1),
                )
            )
        )

    def use(code: str, hours: float = 0) -> Any:
        return world.unit(lambda r: r.invites.use(code, by=ANN, now=NOON + timedelta(hours=hours)))

    await add("a")
    await add("b")
    await add("c")
    found = await world.read(lambda r: r.invites.find("a", now=NOON))
    assert found is not None
    assert (found.tenant_id, found.role, found.created_by) == (ACME, Role.APPROVER, "dan")
    assert await use("a")
    assert not await use("a")
    assert await world.read(lambda r: r.invites.find("a", now=NOON)) is None
    assert not await use("b", hours=1)
    assert not await use("nowhere")
    assert [each.code_hash for each in await world.read(lambda r: r.invites.open(ACME, now=NOON))] == [
        "b",
        "c",
    ]
    assert await world.unit(lambda r: r.invites.end("c", now=NOON))
    assert not await world.unit(lambda r: r.invites.end("c", now=NOON))
    assert not await use("c")
    assert not await world.unit(lambda r: r.invites.end("a", now=NOON))
    later = NOON + timedelta(hours=1)
    assert await world.read(lambda r: r.invites.open(ACME, now=later)) == []


async def test_a_chat_that_got_a_new_id_is_followed(world: World) -> None:
    call = await world.propose("high_once", where="group")
    # Once: Statement.on drops constants that are None, so `message_id=None` of _MIGRATE_CARDS is never bound
    # (ProgrammingError): no group that becomes a supergroup is followed. `null()` there would do.
    await world.unit(lambda r: r.people.migrate_chat(Channel.TELEGRAM, str(GROUP), "-100777"))
    cards = await world.read(lambda r: r.cards.of(call.id))
    assert -100777 in {card.chat for card in cards}
    assert GROUP not in await world.read(lambda r: r.outbox.chats())
    place = await world.read(lambda r: r.people.conversation_at(ACME, Channel.TELEGRAM, "-100777", None))
    assert place is not None
    assert place.id == call.conversation_id
    await world.unit(lambda r: r.people.migrate_chat(Channel.API, "client", "other"))


async def test_a_new_chat_that_spoke_before_it_was_followed(world: World) -> None:
    """T28: updates of two chats come in any order; T29: a group becomes a supergroup with open cards."""
    await world.propose("high_once", where="group")
    early = replace(world.conversation("group"), id=ConversationId("early"), chat="-100777")
    await world.unit(lambda r: r.people.add_conversation(early, account_name="early", now=NOON))
    # Once: UNIQUE(tenant, channel, chat, thread) fails, so the update that tells of the move can never be
    # handled once somebody wrote in the new chat before it.
    await world.unit(lambda r: r.people.migrate_chat(Channel.TELEGRAM, str(GROUP), "-100777"))


# --------------------------------------------------------------------------- tasks and expenses


async def task(world: World, call: str, due: date | None = None, tenant: TenantId = ACME) -> Any:
    return await world.unit(
        lambda r: r.tasks.add(
            tenant_id=tenant,
            account_id=ACCOUNT,
            call_id=CallId(call),
            title=call,
            due=due,
            assignee="",
            created_by=ANN,
            now=NOON,
        )
    )


async def test_tasks_are_numbered_in_their_team_and_made_once_a_call(world: World) -> None:
    one, two = await task(world, "a", date(2026, 12, 2)), await task(world, "b", date(2026, 12, 1))
    three = await task(world, "c")
    other = await task(world, "d", tenant=UMBRELLA)
    assert [one.number, two.number, three.number, other.number] == [1, 2, 3, 1]
    assert await task(world, "a") == one
    listed = await world.read(lambda r: r.tasks.open(ACME, ACCOUNT, limit=9))
    assert list(listed) == [two, one, three]
    assert await world.read(lambda r: r.tasks.get(ACME, ACCOUNT, 2)) == two
    assert await world.read(lambda r: r.tasks.get(ACME, AccountId("other"), 2)) is None
    assert await world.read(lambda r: r.tasks.of_call(CallId("nowhere"))) is None


async def test_a_task_is_completed_reopened_and_removed_by_the_call_that_may(world: World) -> None:
    await task(world, "a")

    def do(work: Any) -> Any:
        return world.unit(lambda records: work(records.tasks))

    x, y = CallId("x"), CallId("y")
    assert await do(lambda t: t.complete(ACME, 1, by_call=x, now=NOON))
    assert await do(lambda t: t.complete(ACME, 1, by_call=x, now=NOON + timedelta(1)))
    assert not await do(lambda t: t.complete(ACME, 1, by_call=y, now=NOON))
    assert (await do(lambda t: t.get(ACME, ACCOUNT, 1))).completed_at == NOON
    assert not await do(lambda t: t.remove(ACME, 1, by_call=y))
    assert not await do(lambda t: t.reopen(ACME, 1, completed_by_call=y))
    assert await do(lambda t: t.reopen(ACME, 1, completed_by_call=x))
    assert await do(lambda t: t.remove(ACME, 1, by_call=y))
    assert await do(lambda t: t.remove(ACME, 1, by_call=y))
    assert not await do(lambda t: t.remove(ACME, 1, by_call=x))
    assert not await do(lambda t: t.complete(ACME, 1, by_call=x, now=NOON))
    assert await do(lambda t: t.open(ACME, ACCOUNT, limit=9)) == []
    world.sql("UPDATE tasks SET due = 'soon'")
    with pytest.raises(CorruptRecord, match="due"):
        await do(lambda t: t.get(ACME, ACCOUNT, 1))


async def expense(world: World, call: str, amount: str, day: int = 1) -> Any:
    return await world.unit(
        lambda r: r.expenses.add(
            tenant_id=ACME,
            account_id=ACCOUNT,
            call_id=CallId(call),
            amount=amount,
            currency="EUR",
            description="",
            category="",
            spent_on=date(2026, 11, day),
            created_by=ANN,
            now=NOON,
        )
    )


async def test_expenses_add_up_exactly(world: World) -> None:
    one, two = await expense(world, "a", "0.10"), await expense(world, "b", "0.20", 2)
    assert await expense(world, "a", "0.10") == one

    def do(work: Any) -> Any:
        return world.unit(lambda records: work(records.expenses))

    assert await do(lambda e: e.recent(ACME, ACCOUNT, limit=9)) == [two, one]
    assert await do(lambda e: e.totals(ACME, ACCOUNT, since=date(2026, 11, 1))) == {"EUR": "0.30"}
    assert await do(lambda e: e.totals(ACME, ACCOUNT, since=date(2026, 11, 2))) == {"EUR": "0.20"}
    x = CallId("x")
    assert await do(lambda e: e.remove(ACME, 1, by_call=x))
    assert await do(lambda e: e.remove(ACME, 1, by_call=x))
    assert not await do(lambda e: e.remove(ACME, 1, by_call=CallId("y")))
    assert await do(lambda e: e.recent(ACME, ACCOUNT, limit=9)) == [two]
    assert (await do(lambda e: e.of_call(CallId("a")))).removed_by_call == x
    for amount in ("much", "NaN"):
        world.sql("UPDATE expenses SET amount = ?", amount)
        with pytest.raises(CorruptRecord, match="amount"):
            await do(lambda e: e.totals(ACME, ACCOUNT, since=date(2026, 11, 1)))
    world.sql("UPDATE expenses SET spent_on = 'once'")
    with pytest.raises(CorruptRecord, match="spent_on"):
        await do(lambda e: e.of_call(CallId("b")))
