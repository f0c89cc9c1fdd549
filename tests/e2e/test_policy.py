"""Policy as its people meet it: what it says, why it decides so, limits by buttons, a file that changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.phone import labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, short, stranger_in_group

RULES = """
[[rule]]
name = "gifts <b>"
tool = "create_expense"
when = "args.description.contains('gift') && 1 < 2"
decision = "deny"
reason = "no gifts & no vouchers"

[[rule]]
name = "labels"
tool = "print_label"
decision = "requires_approval"
approvers = "admin"
"""


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


@pytest.fixture
async def ruled(tmp_path: Path) -> AsyncIterator[tuple[Demo, Path]]:
    policy, config = tmp_path / "policy.toml", tmp_path / "config.toml"
    policy.write_text(RULES)
    config.write_text('[policy]\nfile = "policy.toml"\n')
    async with running_demo(tmp_path / "data", config=config) as running:
        yield running, policy


async def test_everybody_reads_the_rules_and_admins_have_the_limits(ruled: tuple[Demo, Path]) -> None:
    (phones, _), _ = ruled
    for role in ("member", "approver", "admin"):
        told = await ask(phones, role, "/policy")
        for words in (
            "1. gifts <b>: create_expense, when args.description.contains('gift') && 1 < 2 → is denied",
            "no gifts & no vouchers",
            "2. labels: print_label → is signed by an admin",
            "low risk runs at once",
            "critical risk needs two approvers",
        ):
            assert words in told["text"]
        wanted = ["Ask above 20", "Ask above 50", "Ask above 200", "✓ Ask as usual"]
        assert labels(told) == (wanted if role == "admin" else [])


async def test_a_limit_set_by_a_button_lets_amounts_up_to_it_run(demo: Demo) -> None:
    phones, product = demo
    page = await ask(phones, "admin", "/policy")
    await ask(phones, "member", "expense 30 EUR paper", "Added expense")
    said = await phones.tap("admin", page, "Ask above 20")
    assert said["text"] == "Saved: asks above 20 EUR."
    page = await becomes(phones, page, "amounts up to 20 EUR run at once")
    assert "✓ Ask above 20" in labels(page)
    card = await ask(phones, "member", "expense 30.50 EUR paper", "Approval needed")
    assert "up to 20 EUR" in (await ask(phones, "member", f"/policy explain {short(card)}"))["text"]
    await ask(phones, "member", "expense 19 EUR pens", "Added expense")
    await phones.tap("admin", page, "Ask above 200")
    page = await becomes(phones, page, "amounts up to 200 EUR run at once")
    await ask(phones, "member", "expense 199 EUR chair", "Added expense")
    await ask(phones, "member", "expense 201 EUR desk", "Approval needed")
    assert (await phones.tap("admin", page, "Ask as usual"))["text"] == "Saved: asks as usual."
    await becomes(phones, page, lambda m: "✓ Ask as usual" in labels(m))
    await ask(phones, "member", "expense 51 EUR lamp", "Approval needed")
    events = await product.db.reader.read(
        lambda records: [
            event.content
            for event in records.audit.after(product.home, 0, limit=100)
            if event.kind == "policy.limit"
        ]
    )
    assert events == [
        '{"after":"20","before":null,"channel":"telegram"}',
        '{"after":"200","before":"20","channel":"telegram"}',
        '{"after":null,"before":"200","channel":"telegram"}',
    ]


async def test_only_admins_set_a_limit_whoever_has_the_button(demo: Demo) -> None:
    phones, product = demo
    page = await ask(phones, "admin", "/policy", chat="group")
    stranger = await stranger_in_group(phones)
    for person, says in (("member", "Only an admin"), ("approver", "Only an admin"), (stranger, "")):
        said = await phones.tap(person, page, "Ask above 200", chat="group")
        assert said["alert"]
        assert says in said["text"]
    for forged in ("pl:1000000", "pl:NaN", "pl:-1"):
        said = await phones.tap("admin", page, data=forged, chat="group")
        assert "do not know this button" in said["text"]
    tenant = await product.db.reader.read(lambda records: records.people.tenant(product.home))
    assert tenant is not None
    assert tenant.ask_above is None


async def test_explaining_a_text_tells_every_rule_tried_and_proposes_nothing(
    ruled: tuple[Demo, Path],
) -> None:
    (phones, _), _ = ruled
    told = (await ask(phones, "member", "/policy explain expense 900 EUR new desk"))["text"]
    for words in (
        "▫️ gifts <b>: its condition is not true of it: args.description.contains('gift')",
        "▫️ labels: the tool is create_expense, not print_label",
        "➡️ default for high risk: no rule speaks of it",
        "It needs a signature of an approver, by “default for high risk”",
        "Nothing was asked for",
    ):
        assert words in told
    denied = (await ask(phones, "member", "/policy explain expense 5 EUR gift card"))["text"]
    assert "➡️ gifts <b>: it matches" in denied
    assert "It is denied, by “gifts <b>”" in denied
    assert "no gifts & no vouchers" in denied
    assert "It runs at once" in (await ask(phones, "member", "/policy explain create task: x"))["text"]
    assert "No calls" in (await ask(phones, "admin", "/history"))["text"]


async def test_what_cannot_be_explained_is_told_what_would_be(demo: Demo) -> None:
    phones, _ = demo
    for text, says in (
        ("/policy explain", "I can explain one call"),
        ("/policy change it", "I can explain one call"),
        ("/policy explain the weather", "did not understand"),
        ("/policy explain /expense", "I would first ask for amount"),
        ("/policy explain ZZZZZZ", "did not understand"),
        ("/policy explain create_expense amount=-1 currency=EUR description=x", "amount"),
    ):
        assert says in (await ask(phones, "member", text))["text"], text
    own = short(await ask(phones, "admin", "create task: a secret of the admin", "Added"))
    assert "did not understand" in (await ask(phones, "member", f"/policy explain {own}"))["text"]
    assert "a secret" in (await ask(phones, "admin", f"/policy explain #{own}"))["text"]


async def test_a_changed_file_is_in_force_and_told_and_a_broken_one_is_only_told(
    ruled: tuple[Demo, Path],
) -> None:
    (phones, product), policy = ruled
    policy.write_text(RULES + '\n[[rule]]\nname = "tasks"\ntool = "create_task"\ndecision = "deny"\n')
    await product.policy.look()
    told = await phones.see("admin", "The policy file changed")
    assert "It has 3 rules now" in told["text"]
    assert "New: tasks" in told["text"]
    await ask(phones, "member", "create task: x", "tasks")
    policy.write_text(RULES.replace("'gift'", "gift'"))
    await product.policy.look()
    told = await phones.see("admin", "cannot be used")
    assert "line 5, column" in told["text"]
    await ask(phones, "member", "create task: y", "tasks")
    for role in ("member", "approver"):
        assert not [m for m in await phones.messages(role) if "policy file" in m["text"]]


async def test_a_running_bot_looks_at_the_file_by_itself(ruled: tuple[Demo, Path]) -> None:
    (phones, _), policy = ruled
    policy.write_text(RULES.replace("no gifts", "really no gifts"))
    told = await phones.see("admin", "The policy file changed")
    assert "Changed: gifts <b>" in told["text"]


async def test_too_few_people_for_a_rule_is_said_on_the_card_at_once(tmp_path: Path) -> None:
    policy, config = tmp_path / "policy.toml", tmp_path / "config.toml"
    policy.write_text(
        '[[rule]]\nname = "three"\ntool = "create_task"\ndecision = "requires_approval"\ncount = 3\n'
        "self_approval = false\n"
    )
    config.write_text('[policy]\nfile = "policy.toml"\n')
    async with running_demo(tmp_path / "data", config=config) as (phones, _):
        card = await ask(phones, "member", "create task: x", "Approval needed")
        assert "This needs 3 signatures, and only 2 people can sign here." in card["text"]
        assert "/invite approver" in card["text"]
        told = (await ask(phones, "member", "/policy explain create task: x"))["text"]
        assert "only 2 people can sign here" in told
