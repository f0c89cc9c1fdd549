"""`members tenant`, `--tenant` and invites from the machine: several teams, each with its own members."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.cli import add, countersign, refused, roles, running, told


def made(tenant: str = "acme", name: str = "Acme") -> dict[str, object]:
    found: dict[str, object] = told("members", "tenant", "add", tenant, "--name", name, "--currency", "CHF")
    return found


def members_of(tenant: str) -> dict[str, str]:
    return {member["name"]: member["role"] for member in told("members", "list", "--tenant", tenant)}


def test_a_team_is_made_listed_and_given_its_first_admin() -> None:
    add(1, "Ann", "admin")
    assert made() == {
        "id": "acme",
        "name": "Acme",
        "state": "active",
        "currency": "CHF",
        "timezone": "UTC",
    }
    shown = countersign("members", "tenant", "add", "third", "--name", "Third").stdout
    assert "members invite --role admin --tenant third" in shown
    assert [(each["id"], each["members"]) for each in told("members", "tenant", "list")] == [
        ("main", 1),
        ("acme", 0),
        ("third", 0),
    ]
    assert "Acme" in countersign("members", "tenant", "list").stdout
    invite = told("members", "invite", "--role", "admin", "--tenant", "acme")
    assert (invite["tenant"], invite["role"]) == ("acme", "admin")


def test_members_of_one_team_are_none_of_another() -> None:
    add(1, "Ann", "admin")
    made()
    same = told("members", "add", "--telegram-id", "1", "--name", "Ann", "--tenant", "acme")
    assert (same["before"], same["role"]) == (None, "member")
    told("members", "add", "--telegram-id", "2", "--name", "Bob", "--role", "admin", "--tenant", "acme")
    assert members_of("acme") == {"Ann": "member", "Bob": "admin"}
    assert roles() == {"Ann": "admin"}
    assert "No member is called" in refused("members", "remove", "Bob")
    assert "only admin" in refused("members", "remove", "Bob", "--tenant", "acme")
    told("members", "role", "Ann", "admin", "--tenant", "acme")
    told("members", "remove", "Bob", "--tenant", "acme")
    assert members_of("acme") == {"Ann": "admin"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--tenant", "nowhere"),
        ("add", "--telegram-id", "1", "--name", "Ann", "--tenant", "nowhere"),
        ("invite", "--tenant", "nowhere"),
        ("tenant", "deactivate", "nowhere"),
    ],
)
def test_a_team_that_there_is_not(arguments: tuple[str, ...]) -> None:
    add(1, "Ann", "admin")
    assert "no " in refused("members", *arguments)
    assert "nowhere" not in [each["id"] for each in told("members", "tenant", "list")]


def test_an_id_is_given_once() -> None:
    made()
    assert "there is such a team already" in refused("members", "tenant", "add", "acme", "--name", "Other")
    assert [each["name"] for each in told("members", "tenant", "list") if each["id"] == "acme"] == ["Acme"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("_system", "--name", "x"), "small letters"),
        (("Acme", "--name", "x"), "small letters"),
        (("x" * 41, "--name", "x"), "small letters"),
        (("acme", "--name", " "), "1 to 80"),
        (("acme", "--name", "a\x1b[2J"), "1 to 80"),
        (("acme", "--name", "x", "--currency", "euro"), "ISO 4217"),
        (("acme", "--name", "x", "--timezone", "Mars/Olympus"), "IANA"),
    ],
)
def test_a_team_that_cannot_be_made_says_what_is_allowed(arguments: tuple[str, ...], says: str) -> None:
    add(1, "Ann", "admin")
    told_why = " ".join(countersign("members", "tenant", "add", *arguments, ends=2).stderr.split())
    assert says in told_why.replace("│ ", "")
    assert len(told("members", "tenant", "list")) == 1


def test_a_team_is_switched_off_and_on() -> None:
    add(1, "Ann", "admin")
    made()
    assert "is switched off now" in countersign("members", "tenant", "deactivate", "acme").stdout
    assert "is switched off already" in countersign("members", "tenant", "deactivate", "acme").stdout
    assert {each["id"]: each["state"] for each in told("members", "tenant", "list")} == {
        "main": "active",
        "acme": "off",
    }
    given = ("members", "add", "--telegram-id", "2", "--name", "Bob", "--tenant", "acme")
    assert "switched off" in refused(*given)
    assert told("members", "tenant", "reactivate", "acme")["state"] == "active"
    told(*given)


def test_open_invites_are_listed_and_ended() -> None:
    add(1, "Ann", "admin")
    assert "No invite is open" in countersign("members", "invites").stdout
    made()
    code = told("members", "invite", "--role", "approver")["code"]
    (opened,) = told("members", "invites")
    assert opened["role"] == "approver"
    assert code not in str(opened)
    assert told("members", "invites", "--tenant", "acme") == []
    assert "no such open invite" in refused("members", "uninvite", opened["id"], "--tenant", "acme")
    assert "worth nothing" in countersign("members", "uninvite", opened["id"]).stdout
    assert told("members", "invites") == []
    assert "no such open invite" in refused("members", "uninvite", opened["id"])


def test_looking_needs_no_stopped_bot_and_changing_does() -> None:
    add(1, "Ann", "admin")
    with running():
        assert len(told("members", "tenant", "list")) == 1
        assert told("members", "invites") == []
        for change in (
            ("tenant", "deactivate", "main"),
            ("uninvite", "x"),
            ("tenant", "add", "b", "--name", "B"),
        ):
            assert "in use by another Countersign process" in refused("members", *change)


def test_a_broken_policy_is_told_before_anybody_is_changed() -> None:
    add(1, "Ann", "admin")
    Path("policy.toml").write_text("[[rules]\n")
    Path("config.toml").write_text('[policy]\nfile = "policy.toml"\n')
    assert "policy.toml" in refused("members", "add", "--telegram-id", "2", "--name", "Bob")
    Path("config.toml").unlink()
    assert roles() == {"Ann": "admin"}
