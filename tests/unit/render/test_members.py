"""/members, /invite list and /team: what they say, that they always fit, and that names are only text."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.telegram.buttons import MAX_BYTES, PageButton, decode
from bot.telegram.member_taps import MemberTap, What, read_member_tap
from bot.telegram.render import members, teams
from bot.telegram.render.message import Shown
from core.ids import PersonId, TenantId
from core.model import Invite, Membership, Role, Tenant
from tests.unit.render.hostile import CLASSES
from tests.unit.render.kit import NOW
from tests.unit.render.reading import check, labels, text_of

ANN = PersonId("00000000-0000-7000-8000-00000000000a")
ACME = Tenant(id=TenantId("acme"), name="Acme", active=True, currency="EUR", timezone="UTC")
LONGEST = Tenant(id=TenantId("z" * 40), name="Z" * 80, active=True, currency="EUR", timezone="UTC")


def member(name: str = "Ann", role: Role = Role.MEMBER) -> Membership:
    return Membership(tenant_id=ACME.id, person_id=ANN, role=role, name=name)


def open_invite(by: str = "dan", code_hash: str = "f" * 64) -> Invite:
    return Invite(
        code_hash=code_hash,
        tenant_id=ACME.id,
        role=Role.APPROVER,
        created_by=by,
        created_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )


def all_data(shown: Shown) -> list[str]:
    return [button.data for row in shown.buttons for button in row if button.data]


def test_the_list_says_who_is_what_and_pages_over_twenty() -> None:
    few = members.listed([member(), member("Bob", Role.ADMIN)], page=0, tenant=ACME)
    assert text_of(few.html).startswith("👥 2 members of Acme\nAnn · member\nBob · admin\n")
    assert labels(few) == ["Ann", "Bob"]
    assert text_of(members.listed([member()], page=0, tenant=ACME).html).startswith("👥 1 member of Acme")
    people = [member(f"P{number:02}") for number in range(41)]
    for page, shown, turning in ((0, 20, ["More ›"]), (1, 20, ["‹ Back", "More ›"]), (2, 1, ["‹ Back"])):
        told = members.listed(people, page=page, tenant=ACME)
        assert f"page {page + 1} of 3" in told.html
        assert labels(told)[shown:] == turning
    beyond = members.listed(people[:20], page=7, tenant=ACME)
    assert "P00" in beyond.html, "a page that is not there any more is the last there is"


@pytest.mark.parametrize("role", list(Role))
def test_a_person_can_be_made_what_they_are_not(role: Role) -> None:
    shown = members.one(member(role=role), since=NOW, now=NOW, page=0)
    others = [f"Make {other.value}" for other in Role if other is not role]
    assert sorted(labels(shown)) == sorted([*others, "🚪 Remove", "‹ Back"])
    for data, label in zip(all_data(shown), labels(shown), strict=True):
        button = decode(data)
        assert isinstance(button, PageButton)
        tap = read_member_tap(button.argument)
        assert tap is not None
        surely = role is not Role.ADMIN and label in {"Make member", "Make approver"}
        if label.startswith("Make"):
            assert tap.what is (What.SET if surely else What.ASK), "to and from admin takes a second tap"
        if "Remove" in label:
            assert (tap.what, tap.role) == (What.ASK, None)


def test_a_second_tap_is_asked_for_in_words() -> None:
    asked = members.confirm(member(), Role.ADMIN)
    assert "Make Ann an admin?" in text_of(asked.html)
    assert "Nothing was changed yet" in asked.html
    removed = members.confirm(member(), None)
    assert "Remove Ann?" in text_of(removed.html)
    assert labels(removed) == ["🚪 Yes, remove", "✖️ No"]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.APPROVER, Role.ADMIN, None])
@pytest.mark.parametrize("was", [Role.MEMBER, Role.APPROVER, Role.ADMIN])
@pytest.mark.parametrize("what", [What.ASK, What.SET])
def test_buttons_read_back_as_they_were_written(what: What, role: Role | None, was: Role) -> None:
    tap = MemberTap(what=what, person=ANN, role=role, was=was)
    button = decode(tap.encode())
    assert isinstance(button, PageButton)
    assert read_member_tap(button.argument) == tap
    assert len(tap.encode().encode()) <= MAX_BYTES


@pytest.mark.parametrize(
    "argument",
    ["", "x", "l", "l-1", "lx", "l¹", "o", "oA", "s", "smp", "szzAAAAAAAAAAAAAAAAAAAAAA", "qmA", "sm"],
)
def test_what_was_not_written_is_not_read(argument: str) -> None:
    assert read_member_tap(argument) is None


def test_open_invites_are_listed_without_their_codes() -> None:
    assert "No invite is open" in members.invites([], names={}, now=NOW).html
    shown = members.invites([open_invite(), open_invite("console")], names={"dan": "Dan"}, now=NOW)
    text = text_of(shown.html)
    assert "2 open invites" in text
    assert "1. for an approver, by Dan" in text
    assert "2. for an approver, by console" in text
    assert labels(shown) == ["🗑 End 1", "🗑 End 2"]
    many = members.invites([open_invite()] * 30, names={}, now=NOW)
    assert "… and 10 more" in many.html
    assert len(labels(many)) == 20


def test_the_teams_are_shown_with_a_button_for_each_other_one() -> None:
    other = Tenant(id=TenantId("home"), name="Home", active=True, currency="EUR", timezone="UTC")
    off = Tenant(id=TenantId("off"), name="Old", active=False, currency="EUR", timezone="UTC")
    belongs = [(ACME, Role.ADMIN), (other, Role.MEMBER), (off, Role.MEMBER)]
    shown = teams.teams(belongs, current=ACME)
    assert "You speak for Acme here, as admin." in text_of(shown.html)
    assert "Old is switched off" in text_of(shown.html)
    assert labels(shown) == ["Speak for Home", "🚪 Leave Acme"]
    alone = teams.teams([(ACME, Role.MEMBER)], current=ACME)
    assert "You belong to no other team." in alone.html
    assert all(
        len(data) <= MAX_BYTES for data in all_data(teams.teams([(LONGEST, Role.ADMIN)], current=ACME))
    )


def test_t10_hostile_names_are_harmless_under_members_and_team() -> None:
    texts = [text for found in CLASSES.values() for text in found]
    for text in texts:
        named = Tenant(id=LONGEST.id, name=text, active=True, currency="EUR", timezone="UTC")
        off = Tenant(id=ACME.id, name=text, active=False, currency="EUR", timezone="UTC")
        made = [
            members.listed([member(text)] * 60, page=1, tenant=named),
            members.one(member(text), since=NOW, now=NOW, page=0),
            members.confirm(member(text), None),
            members.confirm(member(text), Role.ADMIN),
            members.gone(text),
            members.told(Role.APPROVER, named),
            members.told(None, named),
            members.invites([open_invite(text)] * 30, names={}, now=NOW),
            teams.teams([(named, Role.ADMIN), (off, Role.MEMBER)] * 9, current=off),
            teams.in_group(named),
            teams.confirm_leaving(named),
            teams.left(named),
        ]
        for one in made:
            check(one)
    print(f"T10: {len(texts)}/{len(texts)} names, under /members and /team")
