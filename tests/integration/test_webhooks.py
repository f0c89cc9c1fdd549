"""Delivery to a real server that fails, delays, refuses and comes back: in order, at least once, signed."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import datetime, timedelta

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec.structs import replace

from bot.clock import SystemClock
from bot.workers.posting import NotTaken, Poster
from bot.workers.webhooks import Patience
from core.engine.webhooks import end_webhook, replay
from core.model import DeadLetter, SignalKind, ToolCall, Webhook
from core.signals import signature
from tests.kit.receiver import QUICK, SECRET, add_webhook, delivering, given_up, receiving
from tests.kit.world import UMBRELLA, World, code_of, principal

EXECUTED = SignalKind.ACTION_EXECUTED


def key(call: ToolCall, kind: SignalKind = EXECUTED) -> str:
    return f"{call.id}:{kind.value}"


async def dead(world: World, webhook: Webhook) -> list[DeadLetter]:
    return list(await world.read(lambda r: r.webhooks.dead(webhook.tenant_id, webhook=webhook.id, limit=99)))


async def cursor(world: World, webhook: Webhook) -> int:
    found = await world.read(lambda r: r.webhooks.get(webhook.id))
    assert found is not None
    return found.cursor


async def test_each_is_signed_and_says_what_was_done(world: World) -> None:
    async with receiving() as receiver:
        await add_webhook(world, receiver.url)
        async with delivering(world):
            call = await world.done("low_once", arguments={"text": "x" * 300})
            await receiver.until(lambda: len(receiver.got) == 1)
    (got,) = receiver.got
    told = json.loads(got.body)
    assert (got.event, got.key, got.headers["Content-Type"]) == (EXECUTED, key(call), "application/json")
    stamp = int(got.headers["X-Countersign-Timestamp"])
    expected = signature(SECRET, timestamp=stamp, body=got.body)
    assert got.headers["X-Countersign-Signature"] == f"sha256={expected}"
    assert (told["call_id"], told["dedupe_key"], told["status"]) == (call.id, key(call), "completed")
    assert told["window_key"] == f"{call.account_id}-{call.id}"
    assert told["references"] == {"path": "ledger"}
    assert len(told["summary"]) == 200


async def test_order_holds_whatever_fails_in_between(world: World) -> None:
    calls = [await world.done("low_once") for _ in range(12)]
    async with receiving() as receiver:
        webhook = await add_webhook(world, receiver.url)
        receiver.say(200, 500, 503, 200, 408, 429, 425)
        async with delivering(world):
            await receiver.until(lambda: len(receiver.taken) == 12)
            last = await world.done("low_once")
            await receiver.until(lambda: len(receiver.taken) == 13)
        assert receiver.taken == [key(call) for call in (*calls, last)]
        assert await dead(world, webhook) == []


async def test_a_new_life_goes_on_where_the_last_one_was(world: World) -> None:
    calls = [await world.done("low_once") for _ in range(3)]
    async with receiving() as receiver:
        webhook = await add_webhook(world, receiver.url)
        async with delivering(world):
            await receiver.until(lambda: receiver.came >= 1)
            receiver.held = asyncio.Event()
            await receiver.until(lambda: receiver.came >= 2)
        # It ended in the middle of a delivery; what was taken before is noted.
        assert 5 <= await cursor(world, webhook) < 13
        receiver.held.set()
        async with delivering(world):
            await receiver.until(lambda: key(calls[2]) in receiver.taken)
        assert list(dict.fromkeys(receiver.taken)) == [key(call) for call in calls]
        assert receiver.taken.count(key(calls[0])) == 1


async def test_what_is_refused_for_good_is_given_up_and_the_rest_goes_on(world: World) -> None:
    async with receiving() as receiver:
        webhook = await add_webhook(world, receiver.url)
        receiver.say(410, 410, 410)
        async with delivering(world):
            first, second = await world.done("low_once"), await world.done("low_once")
            await receiver.until(lambda: len(receiver.taken) == 1)
        assert [each.key for each in receiver.got] == [key(first)] * 3 + [key(second)]
    (letter,) = await dead(world, webhook)
    assert (letter.tries, letter.error) == (3, "it answered 410 Gone")
    assert [event.kind for event in world.chain() if event.kind.startswith("webhook")] == ["webhook.dead"]


async def test_what_fails_too_often_is_given_up(world: World) -> None:
    async with receiving() as receiver:
        webhook = await add_webhook(world, receiver.url)
        receiver.say(*[500] * QUICK.tries)
        async with delivering(world):
            await world.done("low_once")
            await world.done("low_once")
            await receiver.until(lambda: len(receiver.taken) == 1)
    assert [letter.tries for letter in await dead(world, webhook)] == [QUICK.tries]


async def test_a_wait_that_is_asked_for_is_kept(world: World) -> None:
    async with receiving() as receiver:
        await add_webhook(world, receiver.url)
        receiver.say(429, Retry_After="1")
        async with delivering(world):
            await world.done("low_once")
            await receiver.until(lambda: len(receiver.taken) == 1)
    asked, taken = (each.at for each in receiver.got)
    assert taken - asked > 0.9


async def test_no_answer_is_no_delivery(world: World) -> None:
    async with receiving() as receiver:
        await add_webhook(world, receiver.url)
        receiver.held = asyncio.Event()
        async with delivering(world, patience=replace(QUICK, timeout_s=0.2, tries=99)):
            call = await world.done("low_once")
            await receiver.until(lambda: receiver.came == 2)
            receiver.held.set()
            await receiver.until(lambda: key(call) in receiver.taken)


async def test_dead_letters_are_replayed_before_what_waits_and_at_once(world: World) -> None:
    async with receiving() as receiver:
        webhook = await add_webhook(world, receiver.url)
        receiver.always = 404
        patient = replace(QUICK, tries_for_good=1)
        async with delivering(world, patience=patient):
            calls = [await world.done("low_once") for _ in range(10)]
            await given_up(world, webhook, count=10)
            receiver.always = 200
            answer = await world.unit(
                lambda r: replay(r, webhook.id, by=principal("dan"), now=world.clock.moment)
            )
            assert getattr(answer, "letters", None) == 10
            await receiver.until(lambda: len(receiver.taken) == 10)
            later = await world.done("low_once")
            await receiver.until(lambda: len(receiver.taken) == 11)
        assert receiver.taken == [key(call) for call in (*calls, later)]
    assert await dead(world, webhook) == []
    assert world.sql("SELECT count(*) FROM dead_letters WHERE replayed_at IS NOT NULL") == [(10,)]


async def test_what_is_not_taken_again_stays_dead(world: World) -> None:
    async with receiving() as receiver:
        webhook = await add_webhook(world, receiver.url)
        receiver.say(404, 404)
        async with delivering(world, patience=replace(QUICK, tries_for_good=1)):
            await world.done("low_once")
            await given_up(world, webhook)
            await world.unit(lambda r: replay(r, webhook.id, by=principal("dan"), now=world.clock.moment))
            await receiver.until(lambda: len(receiver.got) == 2)
            await world.done("low_once")  # which goes out once that was noted
            await receiver.until(lambda: len(receiver.taken) == 1)
        (letter,) = await dead(world, webhook)
        assert (letter.tries, letter.asked_at) == (2, None)


async def test_a_team_hears_of_nobody_else(world: World) -> None:
    async with receiving() as ours, receiving() as theirs:
        mine = await add_webhook(world, ours.url)
        await add_webhook(world, theirs.url, tenant=UMBRELLA)
        async with delivering(world):
            one = await world.done("low_once")
            other = await world.done("low_once", by="zoe")
            await ours.until(lambda: len(ours.got) == 1)
            await theirs.until(lambda: len(theirs.got) == 1)
        assert (ours.taken, theirs.taken) == ([key(one)], [key(other)])
        assert json.loads(theirs.got[0].body)["tenant_id"] == UMBRELLA
    foreign = await world.unit(lambda r: replay(r, mine.id, by=principal("zoe"), now=world.clock.moment))
    assert code_of(foreign) == "not_found"
    no_admin = await world.unit(lambda r: replay(r, mine.id, by=principal("cat"), now=world.clock.moment))
    assert code_of(no_admin) == "not_admin"


async def test_one_that_was_removed_is_told_no_more(world: World) -> None:
    async with receiving() as receiver, receiving() as other:
        webhook = await add_webhook(world, receiver.url)
        async with delivering(world):
            await world.done("low_once")
            await receiver.until(lambda: len(receiver.got) == 1)
            refused = await world.unit(
                lambda r: end_webhook(r, webhook.id, by=principal("dan"), now=world.clock.moment)
            )
            assert code_of(refused) == "not_admin"
            assert await world.unit(lambda r: r.webhooks.end(webhook.id, now=world.clock.now()))
            await add_webhook(world, other.url, cursor=await world.read(lambda r: r.signals.newest()))
            await world.done("low_once")
            await other.until(lambda: len(other.got) == 1)
        assert len(receiver.got) == 1


async def test_a_redirect_is_not_followed(world: World) -> None:
    async with receiving() as receiver, receiving() as inside:
        webhook = await add_webhook(world, receiver.url)
        receiver.say(307, 307, 307, Location=inside.url)
        async with delivering(world):
            await world.done("low_once")
            await given_up(world, webhook)
        assert inside.got == []
    assert "redirects are not followed" in (await dead(world, webhook))[0].error


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]"])
async def test_nothing_inside_is_asked_unless_the_settings_say_so(sqlite_world: World, host: str) -> None:
    """Whatever stands in the row: the address is looked at where it is connected to."""
    world = sqlite_world
    async with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", host).replace("http:", "https:")
        webhook = await add_webhook(world, url)
        async with delivering(world, allow_private=False):
            await world.done("low_once")
            await given_up(world, webhook)
        assert receiver.got == []
    (letter,) = await dead(world, webhook)
    assert ("not on the open internet" in letter.error, letter.tries) == (True, QUICK.tries_for_good)


async def test_no_log_tells_the_secret_or_the_path(
    sqlite_world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    async with receiving() as receiver:
        await add_webhook(sqlite_world, receiver.url)
        receiver.say(500)
        async with delivering(sqlite_world):
            await sqlite_world.done("low_once")
            await receiver.until(lambda: len(receiver.taken) == 1)
    logged = "".join(capfd.readouterr())
    assert "did not take a signal" in logged
    assert SECRET not in logged
    assert "/hook" not in logged


async def test_what_cannot_be_read_is_kept_as_dead_and_holds_up_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    broken, untold = await world.done("low_once"), await world.done("low_once")
    world.change(broken, "verdict", "{")
    # Once: the runner let such references through, and the lane tried them for ever.
    world.place.damage("""UPDATE outcomes SET external_refs = '{"number":5}' WHERE call_id = ?""", untold.id)
    async with receiving() as receiver:
        webhook = await add_webhook(world, receiver.url)
        async with delivering(world):
            fine = await world.done("low_once")
            await receiver.until(lambda: len(receiver.taken) == 1)
        assert receiver.taken == [key(fine)]
    errors = [letter.error for letter in await dead(world, webhook)]
    assert errors == ["what it is about cannot be read here"] * 2


class Passing(SystemClock):
    """A clock that passes a moment right after it was first looked at."""

    def __init__(self, moment: datetime) -> None:
        super().__init__()
        self._moment = moment
        self._looks = 0

    def real(self) -> datetime:
        self._looks += 1
        return self._moment + timedelta(milliseconds=-1 if self._looks == 1 else 1)


async def test_a_wait_that_ends_in_the_middle_of_a_step_is_not_taken_for_nothing_to_send(
    world: World,
) -> None:
    call = await world.done("low_once")
    async with receiving() as receiver:
        webhook = await add_webhook(world, receiver.url)
        # Once: the second look was past it, and nothing read was taken for nothing there: it slept for ever.
        async with delivering(world, clock=Passing(webhook.not_before)):
            await receiver.until(lambda: receiver.taken == [key(call)])


async def test_what_is_too_old_is_not_sent_any_more(sqlite_world: World) -> None:
    world = sqlite_world
    await world.done("low_once")
    world.clock.advance(days=91)
    async with receiving() as receiver:
        await add_webhook(world, receiver.url)
        async with delivering(world):
            fresh = await world.done("low_once")
            await receiver.until(lambda: len(receiver.taken) == 1)
        assert receiver.taken == [key(fresh)]


class Names(AbstractResolver):
    """Answers for every name with these addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=each, port=port, family=socket.AF_INET, proto=0, flags=0)
            for each in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_name_that_stands_for_something_inside_is_not_connected_to() -> None:
    """One look-up, and what it gave is what counts: there is no second one that could say something else."""
    async with receiving() as receiver:
        port = receiver.url.rsplit(":", 1)[1].split("/")[0]
        names = Names("93.184.216.34", "127.0.0.1")
        poster = Poster(allow_private=False, timeout_s=2.0, names=names)
        answer = await poster.post(f"https://hooks.example:{port}/", b"{}", {})
        await poster.close()
        assert isinstance(answer, NotTaken)
        assert (answer.for_good, "not on the open internet" in answer.error) == (True, True)
        assert (names.asked, receiver.came) == (1, 0)


async def test_plain_http_goes_to_this_machine_alone() -> None:
    poster = Poster(allow_private=True, timeout_s=2.0, names=Names("127.0.0.1"))
    answer = await poster.post("http://hooks.example/", b"{}", {})
    await poster.close()
    assert answer == NotTaken("it is not encrypted: only https is sent to", for_good=True)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None), ("", None)],
)
async def test_when_to_ask_again_is_read_in_each_form(after: str, seconds: float | None) -> None:
    async with receiving() as receiver:
        poster = Poster(allow_private=True, timeout_s=2.0)
        receiver.say(503, Retry_After=after)
        assert await poster.post(receiver.url, b"{}", {}) == NotTaken(
            "it answered 503 Service Unavailable", after_s=seconds
        )
        receiver.say(599)
        assert await poster.post(receiver.url, b"{}", {}) == NotTaken("it answered 599")
        await poster.close()
    fresh = Poster(allow_private=True, timeout_s=2.0)
    assert await fresh.post(receiver.url, b"{}", {}) == NotTaken("it cannot be reached")
    await fresh.close()


def test_waits_double_up_to_an_hour_and_by_default_last_about_a_day() -> None:
    patience, failed = Patience(), NotTaken("no")
    waits = [patience.wait(tries, failed, chance=0.0) for tries in range(1, patience.tries)]
    assert (waits[:3], waits[-1]) == ([5.0, 10.0, 20.0], 3600.0)
    assert 18 * 3600 < sum(waits) < 26 * 3600
    assert patience.wait(1, failed, chance=1.0) == 6.25
    assert patience.wait(1, NotTaken("no", after_s=1e9), chance=0.0) == 86_400.0
    assert patience.wait(3, NotTaken("no", after_s=0.0), chance=0.0) == 20.0
