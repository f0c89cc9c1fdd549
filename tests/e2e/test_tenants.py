"""Several teams in one bot: somebody in two of them switches, nothing crosses, a team can be switched off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.codes import new_code
from core.engine import Refused
from core.engine.members import at_machine, code_hash, invite
from core.engine.tenants import add_tenant, set_active
from core.ids import TenantId
from core.model import Role, Tenant
from core.ports import Records
from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, short

ACME = TenantId("acme")


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    """The demo's team, and Acme, which nobody belongs to yet."""
    async with running_demo(tmp_path) as (phones, product):
        now = product.clock.now()
        acme = Tenant(id=ACME, name="Acme & Sons", active=True, currency="USD", timezone="UTC")
        await product.db.writer.run(
            "tenant", lambda r: add_tenant(r, by=at_machine(ACME), tenant=acme, now=now)
        )
        yield phones, product


async def comes_to_acme(demo: Demo, person: str, role: Role = Role.MEMBER, *, name: str = "") -> Seen:
    """Somebody takes up an invite of Acme, as whoever sits at the machine makes it."""
    phones, product = demo
    if name:
        await phones.post("people", key=person, action="add", name=name)
    code, now = new_code(), product.clock.now()

    def work(records: Records) -> None:
        until = now + timedelta(days=1)
        by, kept = at_machine(ACME), code_hash(code)
        made = invite(records, by=by, role=role, code_hash=kept, expires_at=until, now=now)
        assert not isinstance(made, Refused)

    await product.db.writer.run("invite", work)
    return await ask(phones, person, f"/start {code}", role)


async def switched(demo: Demo, *, on: bool) -> None:
    _, product = demo
    now = product.clock.now()
    await product.db.writer.run("switch", lambda r: set_active(r, by=at_machine(ACME), active=on, now=now))


async def speaks_for(phones: Phones, person: str, team: str) -> None:
    shown = await ask(phones, person, "/team", "You speak for")
    said = await phones.tap(person, shown, f"Speak for {team}")
    assert f"You speak for {team} now." in said["text"]
    await becomes(phones, shown, f"You speak for {team} here")


async def test_somebody_in_two_teams_switches_between_them(demo: Demo) -> None:
    phones, _ = demo
    alone = await ask(phones, "member", "/team", "You speak for Our team")
    assert "no other team" in alone["text"]
    assert not [label for label in labels(alone) if "Speak for" in label]
    await comes_to_acme(demo, "member", Role.ADMIN)
    await phones.see("member", "You speak for Acme & Sons here, as admin")
    assert "invite" in str((await phones.get("state?from=member"))["menu"])
    told = await ask(phones, "member", "/whoami", "Mia Member, admin in Acme & Sons")
    assert "no other team" not in (await ask(phones, "member", "/team"))["text"]
    assert "member in Our team" not in told["text"]
    await speaks_for(phones, "member", "Our team")
    await ask(phones, "member", "/whoami", "Mia Member, member in Our team")
    assert "invite" not in str((await phones.get("state?from=member"))["menu"])
    await ask(phones, "member", "/team acme", "You speak for Acme & Sons")
    unknown = await ask(phones, "member", "/team nowhere")
    assert "Nothing was changed" in unknown["text"]
    await ask(phones, "member", "/whoami", "in Acme & Sons")


async def test_nothing_of_one_team_is_seen_in_the_other(demo: Demo) -> None:
    phones, _ = demo
    ours = await ask(phones, "approver", "expense 900 EUR sofa", "Approval needed")
    task = await ask(phones, "approver", "create task: of ours", "#")
    await comes_to_acme(demo, "approver", Role.ADMIN)
    await comes_to_acme(demo, "zoe", name="Zoe Zed")
    theirs = await ask(phones, "zoe", "expense 900 USD desk", "Approval needed")
    await ask(phones, "zoe", "create task: of theirs", "#")
    history = await ask(phones, "approver", "/history", "History")
    assert "desk" in history["text"]
    assert "of theirs" in history["text"]
    assert "sofa" not in history["text"]
    assert "of ours" not in history["text"]
    members = await ask(phones, "approver", "/members", "2 members of Acme & Sons")
    assert "Ada" not in members["text"]
    for call in (ours, task):
        await ask(phones, "approver", f"/call {short(call)}", "no such call")
        await ask(phones, "approver", f"/audit {short(call)}", "no such call")
        await ask(phones, "approver", f"/cancel {short(call)}", "no such call")
    assert "#" + short(theirs) in (await ask(phones, "approver", "/pending", "desk"))["text"]
    await ask(phones, "approver", "/tasks", "your list is empty")
    await speaks_for(phones, "approver", "Our team")
    mine = await ask(phones, "approver", "/history", "History")
    assert "sofa" in mine["text"]
    assert "desk" not in mine["text"]
    assert "of theirs" not in mine["text"]
    await ask(phones, "approver", f"/call {short(theirs)}", "no such call")
    nothing = await ask(phones, "approver", "/pending")
    assert "desk" not in nothing["text"]
    assert "Zoe" not in (await ask(phones, "admin", "/members", "3 members"))["text"]


async def test_grants_of_one_team_are_not_seen_in_the_other(demo: Demo) -> None:
    phones, _ = demo
    asked = await ask(phones, "member", "expense 900 EUR sofa", "Approval needed")
    await phones.tap("approver", await card_at(phones, "approver", "sofa"), "Approve similar")
    spans = await phones.see("approver", lambda m: "1 h" in labels(m))
    await phones.tap("approver", spans, "1 h")
    await becomes(phones, asked, "Done")
    revoke = data(await ask(phones, "approver", "/grants", "unasked"), "Revoke")
    await comes_to_acme(demo, "approver", Role.ADMIN)
    nothing = await ask(phones, "approver", "/grants")
    assert not [label for label in labels(nothing) if "Revoke" in label]
    said = await phones.tap("approver", nothing, data=revoke)
    assert said["alert"]
    await speaks_for(phones, "approver", "Our team")
    await ask(phones, "approver", "/grants", lambda m: "🗑 Revoke 1" in labels(m))


async def test_a_card_of_ones_other_team_may_be_signed_from_where_one_is(demo: Demo) -> None:
    phones, _ = demo
    await comes_to_acme(demo, "member", Role.ADMIN)
    await comes_to_acme(demo, "zoe", name="Zoe Zed")
    await speaks_for(phones, "member", "Our team")
    asked = await ask(phones, "zoe", "expense 900 USD desk", "Approval needed")
    card = await card_at(phones, "member", "desk")
    refused = await phones.tap("admin", await ask(phones, "admin", "/help"), data=data(card, "Approve"))
    assert refused["alert"]
    assert "no such call" in refused["text"], "another team's call is none to an admin of this one"
    said = await phones.tap("member", card, "Approve")
    assert not said["alert"], said
    await becomes(phones, asked, "Done")
    await ask(phones, "member", "/whoami", "member in Our team")


async def test_a_question_is_not_answered_for_another_team(demo: Demo) -> None:
    phones, _ = demo
    await comes_to_acme(demo, "member")
    await ask(phones, "member", "/task", lambda m: "?" in m["text"])
    await speaks_for(phones, "member", "Our team")
    await ask(phones, "member", "water the plants")
    assert "No calls here" in (await ask(phones, "member", "/history"))["text"]


async def test_a_group_is_of_the_team_of_who_first_spoke_there(demo: Demo) -> None:
    phones, _ = demo
    await comes_to_acme(demo, "member", Role.ADMIN)
    await ask(phones, "member", "/team", "In this group I work for Acme & Sons", chat="group")
    await ask(phones, "approver", "/task for ours", "no access", chat="group")
    await speaks_for(phones, "member", "Our team")
    await ask(phones, "member", "/task for acme", "for acme", chat="group")
    await ask(phones, "member", "/task for ours", "for ours")
    history = await ask(phones, "member", "/history", "for acme", chat="group")
    assert "for ours" not in history["text"]
    private = await ask(phones, "member", "/history", "for ours")
    assert "for acme" not in private["text"]
    said = await phones.tap("approver", history, data=f"t:s{ACME}", chat="group")
    assert said["alert"]


async def test_a_card_of_another_team_is_not_brought_into_a_group(demo: Demo) -> None:
    phones, _ = demo
    waiting = await ask(phones, "approver", "/pending", "Nothing waits", chat="group")
    await comes_to_acme(demo, "approver", Role.ADMIN)
    await comes_to_acme(demo, "zoe", name="Zoe Zed")
    asked = await ask(phones, "zoe", "expense 900 USD desk", "Approval needed")
    verb, call, revision = data(asked, "Cancel").split(":")
    for button in (f"i:{call}:0", f"a:{call}:{revision}", f"{verb}:{call}:{revision}"):
        said = await phones.tap("approver", waiting, data=button, chat="group")
        assert said["alert"], button
    assert not [m for m in await phones.messages("group") if "desk" in m["text"]]
    assert "Approval needed" in (await phones.see("zoe", "desk"))["text"]


async def test_inside_a_team_that_is_switched_off_nothing_runs(demo: Demo) -> None:
    phones, _ = demo
    await comes_to_acme(demo, "member", Role.ADMIN)
    await comes_to_acme(demo, "zoe", name="Zoe Zed")
    asked = await ask(phones, "zoe", "expense 900 USD desk", "Approval needed")
    card = await card_at(phones, "member", "desk")
    await switched(demo, on=False)
    await ask(phones, "zoe", "create task: x", "switched off")
    said = await phones.tap("member", card, "Approve")
    assert said["alert"]
    assert "switched off" in said["text"]
    await ask(phones, "member", "/whoami", "member in Our team")
    team = await ask(phones, "member", "/team", "You speak for Our team")
    assert "Acme & Sons is switched off" in team["text"]
    refused = await phones.tap("member", team, data=f"t:s{ACME}")
    assert refused["alert"]
    assert "switched off" in refused["text"]
    await switched(demo, on=True)
    await phones.tap("member", card, "Approve")
    await becomes(phones, asked, "Done")
    await ask(phones, "member", "/whoami", "admin in Acme & Sons")


async def test_somebody_leaves_a_team_by_themselves(demo: Demo) -> None:
    phones, _ = demo
    await comes_to_acme(demo, "member")
    shown = await ask(phones, "member", "/team", "You speak for Acme & Sons")
    await phones.tap("member", shown, "Leave Acme")
    shown = await becomes(phones, shown, "Nothing was changed yet")
    await phones.tap("member", shown, "No")
    shown = await becomes(phones, shown, "You speak for Acme & Sons")
    await phones.tap("member", shown, "Leave Acme")
    shown = await becomes(phones, shown, "Leave Acme & Sons?")
    await phones.tap("member", shown, "Yes, leave")
    await becomes(phones, shown, "You left Acme & Sons")
    await ask(phones, "member", "/whoami", "member in Our team")
    again = await phones.tap("member", shown, data=f"t:s{ACME}")
    assert again["alert"]
    assert "do not belong" in again["text"]


async def test_the_menu_follows_the_team_that_somebody_speaks_for_once_they_left_one(demo: Demo) -> None:
    phones, _ = demo
    await comes_to_acme(demo, "member", Role.ADMIN)
    await comes_to_acme(demo, "zoe", Role.ADMIN, name="Zoe Zed")
    await ask(phones, "member", "/whoami", "Mia Member, admin in Acme & Sons")
    shown = await ask(phones, "member", "/team", "You speak for Acme & Sons")
    await phones.tap("member", shown, "Leave Acme")
    shown = await becomes(phones, shown, "Leave Acme & Sons?")
    await phones.tap("member", shown, "Yes, leave")
    assert "invite" not in str((await phones.get("state?from=member"))["menu"])


async def test_who_is_removed_from_another_team_keeps_the_menu_of_this_one(demo: Demo) -> None:
    phones, _ = demo
    await comes_to_acme(demo, "member", Role.ADMIN)
    await phones.see("member", "You speak for Acme & Sons here, as admin")
    shown = await ask(phones, "admin", "/members", "3 members")
    await phones.tap("admin", shown, "Mia Member")
    shown = await becomes(phones, shown, "Here since")
    await phones.tap("admin", shown, "Remove")
    shown = await becomes(phones, shown, "Remove Mia Member?")
    await phones.tap("admin", shown, "Yes, remove")
    await phones.see("member", "You do not belong to Our team any more")
    assert "invite" in str((await phones.get("state?from=member"))["menu"])
