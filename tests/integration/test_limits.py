"""The limit that admins set by a button: who may, what is kept, what it lets through."""

from __future__ import annotations

import json

import pytest

from core.engine import Refused
from core.engine.limits import LimitSet, set_ask_above
from core.model import Principal
from tests.kit.world import ACME, UMBRELLA, World, code_of, principal


async def set_to(world: World, amount: str | None, by: Principal | str = "dan") -> LimitSet | Refused:
    who = principal(by) if isinstance(by, str) else by
    return await world.unit(
        lambda records: set_ask_above(records, by=who, amount=amount, now=world.clock.moment.wall)
    )


async def kept(world: World) -> str | None:
    tenant = await world.read(lambda records: records.people.tenant(ACME))
    assert tenant is not None
    return tenant.ask_above


def events(world: World, kind: str) -> list[dict[str, object]]:
    return [json.loads(event.content) for event in world.chain() if event.kind == kind]


async def test_an_admin_sets_it_changes_it_and_takes_it_away_and_all_of_it_is_audited(world: World) -> None:
    for amount, wanted in (("50", "50"), ("200.50", "200.50"), ("1E+2", "100"), ("0", "0"), (None, None)):
        answer = await set_to(world, amount)
        assert isinstance(answer, LimitSet)
        assert answer.tenant.ask_above == wanted
        assert await kept(world) == wanted
    assert [(event["before"], event["after"]) for event in events(world, "policy.limit")] == [
        (None, "50"),
        ("50", "200.50"),
        ("200.50", "100"),
        ("100", "0"),
        ("0", None),
    ]


async def test_the_same_limit_again_changes_nothing(world: World) -> None:
    await set_to(world, "50")
    again = await set_to(world, "50")
    assert isinstance(again, LimitSet)
    assert (again.before, again.tenant.ask_above) == ("50", "50")
    assert len(events(world, "policy.limit")) == 1


@pytest.mark.parametrize("amount", ["", "much", "-1", "NaN", "Infinity", "1e12", "sNaN"])
async def test_what_is_no_amount_is_refused_and_changes_nothing(world: World, amount: str) -> None:
    await set_to(world, "50")
    assert code_of(await set_to(world, amount)) == "invalid_input"
    assert await kept(world) == "50"


@pytest.mark.parametrize(
    ("by", "code"), [("ann", "not_admin"), ("cat", "not_admin"), ("eve", "not_a_member")]
)
async def test_nobody_but_an_admin_sets_it(world: World, by: str, code: str) -> None:
    assert code_of(await set_to(world, "1000000", by)) == code
    assert await kept(world) is None
    assert not events(world, "policy.limit")
    ((verb, told),) = [(event["verb"], event["code"]) for event in events(world, "refused")]
    assert (verb, told) == ("set_ask_above", code)


async def test_the_role_counts_that_they_have_here_today_not_the_one_that_they_claim(world: World) -> None:
    claimed = principal("zoe", UMBRELLA)
    there = Principal(person=claimed.person, tenant=ACME, roles=claimed.roles, channel=claimed.channel)
    assert code_of(await set_to(world, "50", there)) == "not_a_member"
    await world.role("dan", None)
    assert code_of(await set_to(world, "50")) == "not_a_member"
    assert await kept(world) is None
