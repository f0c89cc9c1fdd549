"""/members and /invite on the phones: who may do what is changed by taps, and everybody hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.ids import PersonId
from core.model import Person, Role
from core.ports import Records
from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, joins, stranger_in_group


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def opened(phones: Phones, name: str, *, chat: str | None = None) -> Seen:
    """One member under /members, as the admin sees them."""
    shown = await ask(phones, "admin", "/members", "members", chat=chat)
    await phones.tap("admin", shown, name, chat=chat)
    return await becomes(phones, shown, "Here since")


async def tapped(phones: Phones, shown: Seen, label: str, then: str) -> Seen:
    said = await phones.tap("admin", shown, label)
    assert not said["alert"], said
    return await becomes(phones, shown, then)


async def test_a_person_is_opened_and_made_an_approver(demo: Demo) -> None:
    phones, _ = demo
    shown = await opened(phones, "Mia Member")
    assert "Mia Member is a member" in shown["text"]
    assert {"Make approver", "Make admin", "🚪 Remove"} <= set(labels(shown))
    assert "Make member" not in labels(shown)
    shown = await tapped(phones, shown, "Make approver", "is an approver")
    told = await phones.see("member", "You are an approver of Our team now")
    assert "/pending" in told["text"]
    await ask(phones, "member", "/whoami", "Mia Member, approver")
    shown = await tapped(phones, shown, "Back", "3 members")
    assert "Mia Member · approver" in shown["text"]


async def test_an_admin_is_made_by_a_second_tap_and_gets_the_menu(demo: Demo) -> None:
    phones, _ = demo
    shown = await opened(phones, "Paul Approver")
    shown = await tapped(phones, shown, "Make admin", "Nothing was changed yet")
    await ask(phones, "approver", "/whoami", "Paul Approver, approver")
    shown = await tapped(phones, shown, "No", "is an approver")
    shown = await tapped(phones, shown, "Make admin", "Nothing was changed yet")
    await tapped(phones, shown, "Yes", "is an admin")
    await phones.see("approver", "You are an admin of Our team now")
    assert "invite" in str((await phones.get("state?from=approver"))["menu"])
    await ask(phones, "approver", "/members", "3 members")


async def test_an_admin_who_is_removed_loses_the_menu(demo: Demo) -> None:
    phones, _ = demo
    shown = await opened(phones, "Paul Approver")
    shown = await tapped(phones, shown, "Make admin", "Nothing was changed yet")
    shown = await tapped(phones, shown, "Yes", "is an admin")
    assert "invite" in str((await phones.get("state?from=approver"))["menu"])
    shown = await tapped(phones, shown, "Remove", "Remove Paul Approver?")
    await tapped(phones, shown, "Yes, remove", "does not belong here any more")
    assert "invite" not in str((await phones.get("state?from=approver"))["menu"])


async def test_somebody_is_removed_by_a_second_tap(demo: Demo) -> None:
    phones, _ = demo
    shown = await opened(phones, "Mia Member")
    shown = await tapped(phones, shown, "Remove", "Remove Mia Member?")
    await ask(phones, "member", "/whoami", "Mia Member, member")
    shown = await tapped(phones, shown, "Yes, remove", "does not belong here any more")
    await phones.see("member", "You do not belong to Our team any more")
    await ask(phones, "member", "create task: x", "no access")
    shown = await tapped(phones, shown, "Back", "2 members")
    assert "Mia" not in shown["text"]


async def test_the_last_admin_cannot_go(demo: Demo) -> None:
    phones, _ = demo
    for label in ("Make member", "Remove"):
        shown = await opened(phones, "Ada Admin")
        shown = await tapped(phones, shown, label, "Nothing was changed yet")
        said = await phones.tap("admin", shown, "Yes")
        assert said["alert"]
        assert "only admin" in said["text"]
        await becomes(phones, shown, "Ada Admin is an admin")
    left = await ask(phones, "admin", "/team")
    await phones.tap("admin", left, "Leave")
    left = await becomes(phones, left, "Leave Our team?")
    said = await phones.tap("admin", left, "Yes, leave")
    assert "only admin" in said["text"]
    await ask(phones, "admin", "/whoami", "Ada Admin, admin")


async def test_the_open_cards_of_a_removed_approver_go_to_the_other(demo: Demo) -> None:
    phones, _ = demo
    await joins(phones, "nora", "member")
    asked = await ask(phones, "member", "expense 900 EUR sofa", "Approval needed")
    pauls = await card_at(phones, "approver", "sofa")
    shown = await opened(phones, "Nora New")
    await tapped(phones, shown, "Make approver", "is an approver")
    shown = await opened(phones, "Paul Approver")
    shown = await tapped(phones, shown, "Remove", "Remove Paul")
    await tapped(phones, shown, "Yes, remove", "does not belong")
    noras = await card_at(phones, "nora", "sofa")
    said = await phones.tap("approver", pauls, data=data(noras, "Approve"))
    assert said["alert"]
    assert "Approval needed" in (await phones.see("member", "sofa"))["text"]
    await phones.tap("nora", noras, "Approve")
    await becomes(phones, asked, "Done")


async def test_a_button_counts_only_for_the_role_that_it_was_shown_with(demo: Demo) -> None:
    phones, _ = demo
    older = await opened(phones, "Mia Member")
    newer = await opened(phones, "Mia Member")
    newer = await tapped(phones, newer, "Make approver", "is an approver")
    said = await phones.tap("admin", older, "Make approver")
    assert said["alert"]
    assert "changed meanwhile" in said["text"]
    older = await becomes(phones, older, "is an approver")
    shown = await tapped(phones, older, "Remove", "Remove Mia")
    await tapped(phones, shown, "Yes, remove", "does not belong")
    said = await phones.tap("admin", newer, data=data(newer, "Make member"))
    assert said["alert"]
    await ask(phones, "member", "/whoami", "no access")


async def test_who_is_no_admin_changes_nobody(demo: Demo) -> None:
    phones, _ = demo
    stranger = await stranger_in_group(phones)
    shown = await opened(phones, "Mia Member", chat="group")
    for other in ("member", "approver", stranger):
        for label in ("Make approver", "Remove", "Back"):
            said = await phones.tap(other, shown, data=data(shown, label), chat="group")
            assert said["alert"]
            assert "Only admins" in said["text"]
    await ask(phones, "member", "/whoami", "Mia Member, member")
    for forged in ("m:x", "m:l", "m:sxm", "m:szz" + "A" * 22, "m:o" + "A" * 22, "j:0", "j:" + "f" * 12):
        said = await phones.tap("admin", shown, data=forged, chat="group")
        assert said["alert"], forged
    await ask(phones, "member", "/whoami", "Mia Member, member")


async def test_many_members_are_listed_by_pages(demo: Demo) -> None:
    phones, product = demo

    def add(records: Records) -> None:
        now = product.clock.now()
        for number in range(40):
            person = Person(
                id=PersonId(product.env.new_id()),
                name=f"Person {number:02}",
                timezone=None,
                currency=None,
                end_replies=True,
            )
            records.people.add_person(person, now=now)
            records.people.set_role(product.home, person.id, Role.MEMBER, now=now)

    await product.db.writer.run("people", add)
    shown = await ask(phones, "admin", "/members", "page 1 of 3")
    assert "43 members" in shown["text"]
    assert "Person 30" not in shown["text"]
    shown = await tapped(phones, shown, "More", "page 2 of 3")
    shown = await tapped(phones, shown, "More", "page 3 of 3")
    assert len([label for label in labels(shown) if label.startswith("Person")]) == 3
    shown = await tapped(phones, shown, "Person 39", "Here since")
    shown = await tapped(phones, shown, "Remove", "Remove Person 39?")
    shown = await tapped(phones, shown, "No", "Here since")
    shown = await tapped(phones, shown, "Back", "page 3 of 3")
    await tapped(phones, shown, "Back", "page 2 of 3")


async def test_a_name_is_text_wherever_it_stands(demo: Demo) -> None:
    phones, _ = demo
    await joins(phones, "nora", "member", name="<b>Eve</b> \u202e&amp;")
    shown = await ask(phones, "admin", "/members", "4 members")
    assert "<b>Eve</b> ⟨U+202E⟩&amp;" in shown["text"]
    label = next(label for label in labels(shown) if "Eve" in label)
    assert "\u202e" not in label
    shown = await tapped(phones, shown, label, "Here since")
    assert "<b>Eve</b> ⟨U+202E⟩&amp;" in shown["text"]


async def test_open_invites_are_shown_and_ended(demo: Demo) -> None:
    phones, _ = demo
    assert "No invite is open" in (await ask(phones, "admin", "/invite list"))["text"]
    code = (await ask(phones, "admin", "/invite approver", "start="))["text"].split("start=")[1].split()[0]
    await ask(phones, "admin", "/invite", "start=")
    shown = await ask(phones, "admin", "/invite list", "2 open invites")
    assert "1. for an approver, by Ada Admin" in shown["text"]
    assert code not in str(shown)
    await phones.tap("admin", shown, "End 1")
    shown = await becomes(phones, shown, "1 open invite")
    await phones.post("people", key="late", action="add", name="Lou Late")
    await ask(phones, "late", f"/start {code}", "not valid")
    await phones.tap("admin", shown, "End 1")
    await becomes(phones, shown, "No invite is open")
    assert "only a" in (await ask(phones, "approver", "/invite list"))["text"].lower()
