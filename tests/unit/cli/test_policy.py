"""`countersign policy`: what it prints, how it ends, that it changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.cli import records as opened
from bot.config import load
from core.engine import Env, Proposal, Proposed, propose
from core.ports import Now, Records
from storage.database import Database
from tests.kit.cli import countersign, told
from tests.kit.people import ACME, add_people, conversation_of, principal

CONFIG = '[tenant]\nid = "acme"\nname = "Acme"\n'
GOOD = """
[[rule]]
name = "no gifts"
tool = "create_expense"
when = "args.description.contains('gift')"
decision = "deny"
reason = "no gifts"

[[rule]]
name = "dear things"
tool = "create_expense"
risk = "high"
decision = "requires_approval"
approvers = "admin"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, _own_folder: None) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "good.toml").write_text(GOOD)
    return tmp_path


def recorded(*wishes: tuple[str, str, dict[str, Any]]) -> Sequence[str]:
    """A data folder in which these people have asked for these things; the short ids."""
    settings = load(Path("config.toml"), environ={}, data=None)
    env = opened.env_of(settings)

    async def run() -> Sequence[str]:
        db = Database(settings.storage.database, lock=settings.storage.lock, new_id=opened.new_id)
        try:
            return await db.writer.run("test", lambda records: _asked(records, env, wishes))
        finally:
            await db.close()

    return asyncio.run(run())


def _asked(records: Records, env: Env, wishes: Sequence[tuple[str, str, dict[str, Any]]]) -> Sequence[str]:
    moment = Now(wall=opened.now(), real=opened.now())
    add_people(records, now=moment.wall)
    ids = []
    for by, tool, arguments in wishes:
        wish = Proposal(tool=tool, arguments=arguments, conversation=conversation_of(by, ACME))
        made = propose(records, wish, by=principal(by), now=moment, env=env)
        assert isinstance(made, Proposed), made
        ids.append(made.call.short_id)
    return ids


def spent(amount: str, description: str) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR", "description": description}


HISTORY = (
    ("ann", "create_expense", spent("9", "a gift")),
    ("ann", "create_expense", spent("900", "a desk")),
    ("ann", "create_expense", spent("60", "paper")),
    ("bob", "create_task", {"title": "buy milk"}),
)


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "data" / "countersign.sqlite3").read_bytes()).hexdigest()


def test_a_file_in_order_is_told_in_plain_words() -> None:
    said = countersign("policy", "check", "good.toml").stdout
    assert "good.toml is in order: 2 rules, version " in said
    assert "1. no gifts: create_expense, when args.description.contains('gift') -> is denied" in said
    found = told("policy", "check", "good.toml")
    assert found["ok"]
    assert found["rules"][1] == {
        "name": "dear things",
        "speaks_of": "create_expense, high risk",
        "decides": "is signed by an admin",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[[rule]]\ntool = "print_labl"\ndecision = "deny"\n',
            "line 2, column 1: no tool is named 'print_labl'",
        ),
        ('[[rule]]\nwhen = "true &&"\ndecision = "deny"\n', "line 2, column 16: when: it cannot be read"),
        ("\n[[rule", "line 2"),
    ],
)
def test_a_mistake_ends_with_1_and_its_place(here: Path, text: str, says: str) -> None:
    (here / "bad.toml").write_text(text)
    for command in ("check", "backtest"):
        result = countersign("policy", command, "bad.toml", ends=1)
        assert says in result.stderr
        assert "bad.toml" in result.stderr
        assert "Traceback" not in result.output


def test_wrong_calls_end_with_2() -> None:
    countersign("policy", "check", "absent.toml", ends=2)
    countersign("policy", "check", ends=2)
    countersign("policy", "explain", ends=2)
    countersign("policy", "backtest", "absent.toml", ends=2)


def test_the_demos_folder_has_the_demos_tools(here: Path) -> None:
    (here / "label.toml").write_text('[[rule]]\ntool = "print_label"\ndecision = "deny"\n')
    countersign("policy", "check", "label.toml", ends=1)
    (here / "data").mkdir()
    (here / "data" / ".countersign-demo").touch()
    countersign("policy", "check", "label.toml")


def test_without_records_there_is_nothing_to_explain_or_to_test() -> None:
    assert "no records" in countersign("policy", "backtest", "good.toml", ends=1).stderr
    assert "no records" in countersign("policy", "explain", "expense 9 EUR tea", ends=1).stderr


def test_a_text_is_explained_and_nothing_is_proposed(here: Path) -> None:
    recorded()
    before = digest(here)
    said = countersign("policy", "explain", "expense 900 EUR desk", "--file", "good.toml").stdout
    assert "   no gifts: its condition is not true of it: args.description.contains('gift')" in said
    assert "-> dear things: it matches" in said
    assert "asks, signed by an admin: a rule of this team asks for a signature (dear things)" in said
    found = told("policy", "explain", "expense 900 EUR desk")
    assert found["rule"] == "default for high risk"
    assert found["signed_by"] == "an approver"
    assert found["steps"] == [{"name": "default for high risk", "decides": True, "why": "there are no rules"}]
    assert told("policy", "explain", "create task: milk")["signed_by"] == ""
    assert digest(here) == before


def test_whose_text_and_where_it_is_said_counts(here: Path) -> None:
    recorded()
    (here / "who.toml").write_text(
        '[[rule]]\nname = "boss"\nrole = "admin"\ndecision = "allow"\n'
        '[[rule]]\nname = "crowd"\nchat = "group"\ndecision = "deny"\n'
    )
    ask = ("policy", "explain", "expense 900 EUR desk", "--file", "who.toml")
    assert told(*ask)["rule"] == "default for high risk"
    assert told(*ask, "--group")["rule"] == "crowd"
    assert told(*ask, "--as", "DAN")["rule"] == "boss"
    assert "0 members have that name; there are Dan," in countersign(*ask, "--as", "Noone", ends=1).stderr


def test_what_cannot_be_explained_ends_with_1(here: Path) -> None:
    recorded()
    for text, says in (
        ("ZZZZZZ", "no call has that id, and it is no text I know"),
        ("/expense", "it lacks amount"),
        ("create_expense amount=-1 currency=EUR description=x", "amount"),
    ):
        assert says in countersign("policy", "explain", text, ends=1).stderr


def test_a_call_is_explained_by_its_id() -> None:
    ids = recorded(*HISTORY)
    found = told("policy", "explain", f"#{ids[1].lower()}", "--file", "good.toml")
    assert found["rule"] == "dear things"
    alone = countersign("policy", "explain", ids[3], "--file", "good.toml").stdout
    assert "runs at once: low risk runs at once (default for low risk)" in alone


def test_a_backtest_lists_what_would_be_decided_otherwise_and_sums_it_up(here: Path) -> None:
    ids = recorded(*HISTORY)
    before = digest(here)
    found = told("policy", "backtest", "good.toml")
    assert [(row["call"], row["before"], row["after"], row["rule"]) for row in found["changes"]] == [
        (f"#{ids[0]}", "runs at once", "denied", "no gifts"),
        (f"#{ids[1]}", "asks", "asks", "dear things"),
    ]
    assert found["changes"][1]["signed_by"] == "an admin"
    assert found["changes"][0]["asked_by"] == "Ann"
    assert found["summary"] == {
        "calls": 4,
        "decided_otherwise": [{"before": "runs at once", "after": "denied", "calls": 1}],
        "signed_otherwise": 1,
        "assumed": 0,
        "unreadable": 0,
    }
    said = countersign("policy", "backtest", "good.toml").stdout
    assert said.splitlines()[0].split() == [*"CALL WHEN WHAT ASKED BY WAS WOULD BE RULE SIGNED BY".split()]
    assert said.splitlines()[1].split()[0] == f"#{ids[0]}"
    assert "4 calls, 1 would be decided otherwise." in said
    assert "runs at once -> denied: 1" in said
    assert "1 would be asked as before, but of other people." in said
    assert digest(here) == before


def test_what_people_wrote_does_not_steer_the_terminal(here: Path) -> None:
    recorded(("ann", "create_expense", spent("9", "a gift \u202e" + "x" * 100)))
    (here / "same.toml").write_text(GOOD)
    line = countersign("policy", "backtest", "same.toml").stdout.splitlines()[1]
    assert "\u202e" not in line
    assert "…" in line


def test_a_policy_that_changes_nothing_says_so(here: Path) -> None:
    recorded(*HISTORY)
    (here / "same.toml").write_text("")
    assert countersign("policy", "backtest", "same.toml").stdout == "4 calls, 0 would be decided otherwise.\n"
