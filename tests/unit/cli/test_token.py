"""`countersign token`: made once, listed without its text, revoked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.kit.cli import add, countersign, refused, told

KEY = "a-key-of-the-tests-that-is-long-enough-for-hs256"


@pytest.fixture(autouse=True)
def _key(_own_folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_HTTP__KEY", KEY)


def create(*more: str, name: str = "report", person: str = "Ann") -> Any:
    return told("token", "create", name, "--person", person, *more)


def test_a_token_says_who_where_and_until_when() -> None:
    person = add(1, "Ann", "approver")["person_id"]
    made = create("--days", "7", "--accounts", "main:api, main:books")
    claims = jwt.decode(made["token"], KEY, algorithms=["HS256"], audience="countersign")
    assert (claims["sub"], claims["tenant_id"], claims["iss"]) == (person, "main", "countersign")
    assert (claims["jti"], claims["account_ids"]) == (made["token_id"], ["main:api", "main:books"])
    assert 6.9 * 86400 < claims["exp"] - time.time() < 7.1 * 86400
    assert "account_ids" not in jwt.decode(create()["token"], options={"verify_signature": False})


def test_its_text_is_kept_nowhere_and_not_listed() -> None:
    add(1, "Ann")
    made = create(person="1")
    (listed,) = told("token", "list")
    assert (listed["name"], listed["person"], listed["state"], listed["accounts"]) == (
        "report",
        "Ann",
        "valid",
        "all",
    )
    assert "token" not in listed
    mark = made["token"].rsplit(".", 1)[1].encode()
    assert not [path for path in Path("data").rglob("*") if path.is_file() and mark in path.read_bytes()]
    assert "report" in countersign("token", "list").stdout


def test_it_is_revoked_once_by_name_or_id() -> None:
    add(1, "Ann")
    first = create()
    assert told("token", "revoke", "report") == {
        "token_id": first["token_id"],
        "name": "report",
        "revoked_before": False,
    }
    assert told("token", "list")[0]["state"] == "revoked"
    assert "revoked already" in countersign("token", "revoke", first["token_id"]).stdout
    second = create()
    assert told("token", "revoke", "report")["token_id"] == second["token_id"], "the one still alive"
    create()
    create()
    assert "2 tokens are called" in refused("token", "revoke", "report")
    assert "No token is called" in refused("token", "revoke", "nope")


def test_for_nobody_and_without_a_key_none_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    add(1, "Ann")
    assert "No member is called" in refused("token", "create", "x", "--person", "Bob")
    countersign("token", "create", "x", "--person", "Ann", "--accounts", "other:api", ends=2)
    countersign("token", "create", "x", "--person", "Ann", "--days", "367", ends=2)
    countersign("token", "create", " ", "--person", "Ann", ends=2)
    monkeypatch.delenv("COUNTERSIGN_HTTP__KEY")
    assert "http.key is not set" in countersign("token", "create", "x", "--person", "Ann", ends=1).stderr
    assert told("token", "list") == []
    assert "None yet" in countersign("token", "list").stdout
