"""Of many calls that race for an adapter that was cut off, one is the probe."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace
from uuid_utils.compat import uuid7

from core.adapters import Adapters
from core.engine import Env, Refused, Started, start
from core.ids import CallId
from storage.database import backend_of
from storage.writer import Writer
from tests.integration.remote import Remote
from tests.kit.world import World, code_of, dispatcher

WRITERS, CALLS = 4, 10


async def test_of_many_racers_one_is_the_probe(world: World) -> None:
    """Four writers on one database, each with ten calls, at the moment when one may be tried."""
    remote = Remote(world)
    await remote.cut_off()
    calls = [await world.propose("send_once") for _ in range(WRITERS * CALLS)]
    world.clock.advance(30)
    writers = [Writer(backend_of(world.place.address), new_id=lambda: str(uuid7())) for _ in range(WRITERS)]
    envs = [replace(world.env, adapters=Adapters()) for _ in writers]

    async def race(writer: Writer, env: Env, call_id: CallId) -> Started | Refused:
        by, now = dispatcher(), world.clock.moment
        return await writer.run(
            "start", lambda records: start(records, by=by, call_id=call_id, worker="w", now=now, env=env)
        )

    for writer in writers:
        writer.start()
    try:
        answers = await asyncio.gather(
            *(race(writers[n % WRITERS], envs[n % WRITERS], call.id) for n, call in enumerate(calls))
        )
    finally:
        for writer in writers:
            await writer.close()
    refused = [code_of(each) for each in answers if not isinstance(each, Started)]
    assert refused == ["adapter_unavailable"] * (WRITERS * CALLS - 1)
