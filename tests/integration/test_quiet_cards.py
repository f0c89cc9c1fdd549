"""Cards in quiet hours: they come at once, without a sound, but for what one asked for oneself."""

from __future__ import annotations

import pytest

from bot.telegram.jobs import Job, next_job
from core.ids import PersonId
from core.model import Card, Channel, Identity
from tests.kit.waiting import person
from tests.kit.world import World, chat_of


async def quiet(world: World, name: str, start: int) -> None:
    """Somebody's quiet hours, until two. A private chat has the number of its account, as in Telegram."""
    chat, person_id = chat_of(name), PersonId(name)
    own = Identity(channel=Channel.TELEGRAM, subject=str(chat), person_id=person_id, private_chat=None)
    await world.unit(lambda records: records.people.add_identity(own))
    await person(world, name, quiet_from=start, quiet_to=14 * 60)


async def job_for(world: World, name: str) -> Job:
    """What is to be sent next to this person."""
    job = await world.read(
        lambda records: next_job(records, chat_of(name), now=world.clock.now(), env=world.env)
    )
    assert job is not None
    assert job.subject is not None
    return job


@pytest.mark.parametrize(("start", "silent"), [(11 * 60, True), (13 * 60, False)])
async def test_a_new_card_comes_without_a_sound_while_it_is_quiet(
    world: World, start: int, silent: bool
) -> None:
    await quiet(world, "cat", start)
    await world.propose("high_once")  # at noon
    assert (await job_for(world, "cat")).silent is silent
    assert not (await job_for(world, "cid")).silent


async def test_ones_own_card_comes_as_ever(world: World) -> None:
    await quiet(world, "ann", 11 * 60)
    await world.propose("high_once")
    assert not (await job_for(world, "ann")).silent


async def test_a_change_of_a_card_makes_no_sound_anyway(world: World) -> None:
    await quiet(world, "cat", 11 * 60)
    await world.propose("high_once")
    card: Card = (await job_for(world, "cat")).subject.card  # type: ignore[union-attr]
    world.sql("UPDATE cards SET message_id = 7 WHERE id = ?", card.id)
    assert not (await job_for(world, "cat")).silent
