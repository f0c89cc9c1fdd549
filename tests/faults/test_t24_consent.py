"""T24 for what surrounds a signature: edits, grants, runs and tokens that cannot be read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bot.http.auth import sign
from core.engine import Proposed
from core.errors import CorruptRecord
from core.ids import AccountId, PersonId, TokenId
from core.lifecycle import Status
from core.model import ApiToken
from core.registry import ToolRegistry
from tests.e2e.lives import settled
from tests.e2e.talk import ask, data, short
from tests.faults import consent
from tests.faults.checks import check_set_aside
from tests.faults.stage import Town
from tests.integration.granting import ask as ask_to_pay
from tests.integration.granting import granted
from tests.kit.faults import SHAPES, corrupt
from tests.kit.tools import registry_of
from tests.kit.world import ACME, World, code_of
from tests.security.stage import open_api, settings

OF_CALL = "call_id = (SELECT id FROM tool_calls WHERE short_id = ?)"


async def test_t24_a_call_whose_edits_cannot_be_read_is_told_of_and_others_go_on(town: Town) -> None:
    async with town.living() as product:
        for number, shape in enumerate(SHAPES):
            card = await consent.edited(town, f"paper-{number}")
            await settled(product)
            corrupt(town.place, "edits", "changes", OF_CALL, short(card), shape=shape)
            told = await ask(town.phones, "member", f"/call {short(card)}", "set aside")
            assert "(changes)" in told["text"], shape
            await ask(town.phones, "member", f"create task: x{number}", f"Added task #{number + 1}")
        # What is signed is covered by the digest, and not by what is told of how it came about.
        await town.phones.tap("approver", card, "Approve")
        await settled(product)
    assert town.effects() == [1]
    check_set_aside(town, "edits", len(SHAPES))
    print(
        f"T24 {town.place.kind}: {len(SHAPES)}/{len(SHAPES)} corrupt edits set aside, told and audited once"
    )


async def test_t24_a_grant_that_cannot_be_read_lets_nothing_through_and_stops_nothing(town: Town) -> None:
    async with town.living() as product:
        for number, shape in enumerate(SHAPES):
            made = await consent.granted(town, f"desk-{number}")
            through = await ask(town.phones, "member", f"expense 800 EUR chair-{number}", "grant")
            await settled(product)
            corrupt(town.place, "grants", "scope", OF_CALL, short(made), shape=shape)
            told = await ask(town.phones, "member", f"expense 700 EUR lamp-{number}", "Approval needed")
            assert "Something" not in told["text"], shape
            await ask(town.phones, "approver", "/grants", lambda m: "grant" in m["text"].casefold())
            told = await ask(town.phones, "member", f"/call {short(through)}", "set aside")
            assert "(scope)" in told["text"], shape
        await settled(product)
    check_set_aside(town, "grants", len(SHAPES))
    print(f"T24 {town.place.kind}: {len(SHAPES)}/{len(SHAPES)} corrupt grants set aside, 0 calls let through")


@pytest.mark.parametrize("shape", SHAPES)
async def test_t24_what_a_grant_let_through_is_asked_for_where_it_cannot_be_read(
    world: World, shape: str
) -> None:
    made = await granted(world)
    before = len(world.ledger.lines)
    call = await ask_to_pay(world)
    assert call.verdict.grant == made.id
    corrupt(world.place, "grants", "scope", "id = ?", made.id, shape=shape)
    assert code_of(await world.start(call)) == "approval_invalid"
    assert (await world.call(call)).status is Status.PROPOSED
    assert world.sql("SELECT source, row_id FROM quarantine") == [("grants", made.id)]
    assert (await ask_to_pay(world)).status is Status.PROPOSED
    assert len(world.ledger.lines) == before


async def test_t24_a_run_that_cannot_be_read_starts_nothing_and_expires(town: Town) -> None:
    phones = town.phones
    async with town.living() as product:
        cards = [await consent.a_run(town, f"one-{at}", f"two-{at}") for at in range(len(SHAPES))]
        await settled(product)
        rows = town.place.rows("SELECT id FROM runs ORDER BY id")
        for card, shape, (run,) in zip(cards, SHAPES, rows, strict=True):
            corrupt(town.place, "runs", "needs", "id = ?", run, shape=shape)
            answer = await phones.tap("approver", card, data=data(card, "Approve all"))
            assert "cannot be read (needs); it was set aside" in answer["text"], shape
        fine = await consent.a_run(town, "three", "four")
        await phones.tap("approver", fine, data=data(fine, "Approve all"))
        await phones.see("approver", lambda m: "All done" in m["text"])
        await phones.post("clock", advance_s=25 * 3600)
        await ask(phones, "member", "create task: afterwards", "Added task #1")
        await product.sweeper.expire()
        await settled(product)
    assert town.effects() == [1, 1]
    statuses = town.place.rows("SELECT status, count(*) FROM tool_calls WHERE run_id IS NOT NULL GROUP BY 1")
    assert dict(statuses)["completed"] == 2
    assert set(dict(statuses)) <= {"completed", "expired", "cancelled"}, statuses
    check_set_aside(town, "runs", len(SHAPES))
    print(f"T24 {town.place.kind}: {len(SHAPES)}/{len(SHAPES)} corrupt runs set aside, 0 steps left waiting")


@pytest.mark.parametrize("shape", SHAPES)
async def test_t24_a_token_that_cannot_be_read_opens_nothing_and_others_do(world: World, shape: str) -> None:
    door = settings()
    now = world.clock.now()
    broken = ApiToken(
        id=TokenId("broken"),
        tenant_id=ACME,
        person_id=PersonId("ann"),
        name="till",
        account_ids=(AccountId("till"),),
        created_at=now,
        expires_at=now.replace(year=now.year + 5),
    )
    fine = replace(broken, id=TokenId("fine"))
    await world.unit(lambda records: records.tokens.add(broken))
    await world.unit(lambda records: records.tokens.add(fine))
    corrupt(world.place, "api_tokens", "account_ids", "id = ?", "broken", shape=shape)
    with pytest.raises(CorruptRecord, match="account_ids"):
        await world.read(lambda records: records.tokens.get(broken.id))
    listed = await world.read(lambda records: records.tokens.of(ACME))
    assert [token.account_ids for token in listed] == [(), fine.account_ids]
    async with open_api(world, door) as api:
        for _ in range(2):
            answer = await api.get("/v1/calls", by=sign(door, broken))
            assert (answer.status, answer.code) == (500, "corrupt_record")
        assert (await api.get("/v1/calls", by=sign(door, fine))).status == 200
    assert world.sql("SELECT source, row_id FROM quarantine") == [("api_tokens", "broken")]
    assert [event.kind for event in world.chain("_system")].count("record.corrupt") == 1


async def test_recovery_goes_on_past_an_undo_whose_original_cannot_be_read(world: World) -> None:
    """The undo could be repeated, but for what it takes back."""
    tools = {each.name: each for each in registry_of(world.ledger)}
    again = replace(tools["undoable"], name="undoable_again", idempotent=True)
    world.registry = ToolRegistry([*tools.values(), again])
    world.__post_init__()
    done = await world.done("undoable_again")
    asked = await world.undo(done)
    assert isinstance(asked, Proposed)
    other = await world.propose("low_again")
    await world.started(asked.call)
    await world.started(other)
    world.change(done, "arguments", "{")
    assert [each.call.id for each in await world.recover(sole=True)] == [other.id]
    assert (await world.call(asked.call)).status is Status.INTERRUPTED
    assert world.sql("SELECT row_id FROM quarantine") == [(done.id,)]
