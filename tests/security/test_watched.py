"""/metrics and /readyz: who may scrape, and what is said of a process that is not ready."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.model import Worker
from core.ports import Records
from tests.kit.world import World
from tests.security.stage import Api, open_api, token_of

TOKEN = "a-token-of-the-metrics-alone"


async def scrape() -> bytes:
    return b"up 1\n"


async def asked(api: Api, *sent: str) -> tuple[int, str]:
    """A scrape with this Authorization, if any."""
    headers = {"Authorization": sent[0]} if sent else {}
    async with api.session.get(f"{api.server.url}/metrics", headers=headers) as answer:
        return answer.status, await answer.text()


async def test_t30_metrics_are_for_their_own_token_alone(sqlite_world: World) -> None:
    async with open_api(sqlite_world, scrape=scrape, metrics_token=TOKEN) as api:
        assert await asked(api, f"Bearer {TOKEN}") == (200, "up 1\n")
        for sent in (
            "",
            "Bearer",
            "Bearer ",
            TOKEN,
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            "Bearer \u00e9",
        ):
            assert (await asked(api, sent))[0] == 401, sent
        assert (await asked(api))[0] == 401
        assert (await asked(api, f"Bearer {token_of('dan')}"))[0] == 401, "an admin's is another one"


async def test_t30_without_a_token_in_the_settings_there_are_no_metrics(sqlite_world: World) -> None:
    """Not for somebody who asks without one, nor for an empty one: the address is none."""
    async with open_api(sqlite_world, scrape=scrape) as api:
        for sent in ((), ("",), ("Bearer ",), ("Bearer None",), (f"Bearer {token_of('dan')}",)):
            assert (await asked(api, *sent))[0] == 404


@pytest.mark.parametrize(
    ("silent_s", "stopped", "status"), [(29, False, 200), (31, False, 503), (1, True, 503)]
)
async def test_ready_is_who_has_a_worker_that_is_alive(
    sqlite_world: World, *, silent_s: float, stopped: bool, status: int
) -> None:
    async with open_api(sqlite_world) as api:
        assert (await api.get("/readyz", by=None)).status == 503, "no worker was ever heard of"
        now = api.executor._clock.real()
        beat = now - timedelta(seconds=silent_s)
        worker = Worker(
            name="w", started_at=beat, beat_at=beat, running=0, stopped_at=now if stopped else None
        )

        def work(records: Records) -> None:
            records.workers.beat(worker)

        await sqlite_world.unit(work)
        answer = await api.get("/readyz", by=None)
        assert answer.status == status
        assert set(answer.body) == {"status"}


async def test_a_mistake_of_ours_is_counted(sqlite_world: World) -> None:
    """Once a request fails in a way that nobody foresaw; a refusal is none."""
    failed: list[int] = []

    async def breaks() -> bytes:
        raise RuntimeError("no")

    async with open_api(
        sqlite_world, scrape=breaks, metrics_token=TOKEN, failed=lambda: failed.append(1)
    ) as api:
        assert (await asked(api, "Bearer x"))[0] == 401
        assert not failed
        status, told = await asked(api, f"Bearer {TOKEN}")
    assert (status, len(failed)) == (500, 1)
    assert "RuntimeError" not in told
