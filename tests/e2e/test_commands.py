"""The bot's own commands, as each role sees them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.phone import labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, joins, short, stranger_in_group


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def test_help_and_tools_tell_what_each_role_may(demo: Demo) -> None:
    phones, product = demo
    for role in ("member", "approver"):
        told = (await ask(phones, role, "/help"))["text"]
        assert "plain words" in told
        assert "/history" in told
        assert "/invite" not in told
    admins = (await ask(phones, "admin", "/help"))["text"]
    assert "/invite" in admins
    assert "/audit" in admins
    tools = (await ask(phones, "member", "/tools"))["text"]
    for tool in product.registry:
        assert tool.title in tools
        assert f"/{tool.command}" in tools or tool.name in tools
    assert "high" in next(line for line in tools.splitlines() if "print_label" in line)


async def test_whoami_names_person_role_zone_and_currency(demo: Demo) -> None:
    phones, _ = demo
    told = (await ask(phones, "approver", "/whoami"))["text"]
    for words in ("Paul Approver", "approver", "Our team", "Europe/Berlin", "EUR", "1002", "sign"):
        assert words in told


async def test_in_a_group_whoami_tells_its_id(demo: Demo) -> None:
    phones, _ = demo
    told = await ask(phones, "approver", "/whoami", "Paul Approver", chat="group")
    assert told["chat_id"] < 0
    assert f"This group's id: {told['chat_id']}" in told["text"]
    assert "group" not in (await ask(phones, "approver", "/whoami", "Paul Approver"))["text"]


async def test_any_white_space_may_follow_a_command(demo: Demo) -> None:
    phones, product = demo
    await ask(
        phones, "admin", "/pause\ntool list_tasks jammed", "tool list_tasks is paused by Ada Admin: jammed"
    )
    await ask(
        phones, "admin", "/pause\ttool\nprint_label\n jammed", "tool print_label is paused by Ada Admin"
    )
    live = await product.db.reader.read(lambda r: r.switches.live(now=product.clock.now()))
    assert sorted(each.name for each in live) == ["list_tasks", "print_label"]
    await ask(phones, "admin", "/resume\ntool list_tasks", "Resumed: tool list_tasks")
    await ask(phones, "admin", "/schedule\ntomorrow 8am create task: call the bank", "Scheduled")
    await ask(phones, "admin", "/history\nfailed", "No calls")
    await ask(phones, "admin", "/policy explain\nexpense 900 EUR desk", "900")
    await ask(phones, "admin", "/settings quiet\n22-7", "22:00")


async def test_commands_may_be_spelt_in_capitals_and_stand_under_a_file(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "/WhoAmI", "Mia Member")
    await ask(phones, "member", "/whoami", "Mia Member", file={"name": "a.txt", "text": "hello"})


async def test_settings_change_by_taps_in_the_same_message(demo: Demo) -> None:
    phones, _ = demo
    shown = await ask(phones, "member", "/settings")
    assert {"✓ Berlin", "✓ EUR", "Turn replies off"} <= set(labels(shown))
    said = await phones.tap("member", shown, "New York")
    assert not said["alert"]
    assert "America/New_York" in said["text"]
    shown = await becomes(phones, shown, "America/New_York")
    assert "✓ New York" in labels(shown)
    assert "Berlin" in labels(shown)
    await phones.tap("member", shown, "USD")
    shown = await becomes(phones, shown, lambda m: "✓ USD" in labels(m))
    assert "replies off" in (await phones.tap("member", shown, "Turn replies off"))["text"]
    shown = await becomes(phones, shown, lambda m: "Turn replies on" in labels(m))
    await phones.tap("member", shown, "Turn replies on")
    await becomes(phones, shown, lambda m: "Turn replies off" in labels(m))
    told = (await ask(phones, "member", "/whoami"))["text"]
    assert "America/New_York" in told
    assert "USD" in told
    # What was set counts: 12.50 are dollars now, which are not the team's currency, so it asks.
    await ask(phones, "member", "expense 12.50 coffee", "USD")


@pytest.mark.parametrize(
    "forged", ["s:tz=Mars/Olympus", "s:cur=QQQ", "s:replies=maybe", "s:role=admin", "hf:x", "e:99", "e:x"]
)
async def test_a_forged_setting_changes_nothing(demo: Demo, forged: str) -> None:
    phones, _ = demo
    shown = await ask(phones, "member", "/settings")
    said = await phones.tap("member", shown, data=forged)
    assert said["alert"]
    assert "do not know this button" in said["text"]
    told = (await ask(phones, "member", "/whoami"))["text"]
    assert "Europe/Berlin" in told
    assert "EUR" in told


async def test_a_strangers_tap_changes_nothing_and_says_why(demo: Demo) -> None:
    phones, _ = demo
    stranger = await stranger_in_group(phones)
    shown = await ask(phones, "member", "/settings", chat="group")
    welcome = await ask(phones, "member", "/start", chat="group")
    for message, label in ((shown, "London"), (welcome, "create task")):
        said = await phones.tap(stranger, message, label, chat="group")
        assert said["alert"]
        assert "no access" in said["text"]
    after = {m["message_id"]: m["text"] for m in await phones.messages("group")}
    assert after[shown["message_id"]] == shown["text"]
    assert "No calls" in (await ask(phones, "admin", "/history"))["text"]


async def test_strangers_are_told_how_to_get_in_whatever_they_write(demo: Demo) -> None:
    phones, _ = demo
    await phones.post("people", key="stranger", action="add", name="Sam Stranger")
    for text in (
        "/help",
        "/history",
        "/history all",
        "/pending",
        "/call A7F3Q2",
        "/cancel",
        "/settings",
        "hello",
    ):
        told = await ask(phones, "stranger", text)
        assert "no access" in told["text"]
        assert "invite" in told["text"]
    wrong = await ask(phones, "stranger", "/start NOSUCHCODE", "not valid")
    assert "invite" in wrong["text"]
    assert wrong["text"].count("Nothing was changed") == 1


async def test_members_is_for_admins(demo: Demo) -> None:
    phones, _ = demo
    told = (await ask(phones, "admin", "/members"))["text"]
    for words in ("3 members", "Ada Admin · admin", "Paul Approver · approver", "Mia Member · member"):
        assert words in told
    for other in ("member", "approver"):
        refused = (await ask(phones, other, "/members"))["text"]
        assert "Only admins" in refused
        assert "Ada" not in refused


@pytest.mark.parametrize("role", ["member", "approver", "admin"])
async def test_an_invite_gives_its_role_once(demo: Demo, role: str) -> None:
    phones, _ = demo
    await joins(phones, "nora", role)
    await ask(phones, "nora", "/whoami", f"Nora New, {role}")
    settings = await phones.see("nora", "Settings")
    assert "Turn replies off" in labels(settings), "somebody new is asked for time zone and currency"
    assert f"Nora New · {role}" in (await ask(phones, "admin", "/members"))["text"]
    code = (await phones.see("admin", "start="))["text"].split("start=")[1].split()[0]
    await phones.post("people", key="late", action="add", name="Lou Late")
    assert "not valid" in (await ask(phones, "late", f"/start {code}"))["text"]
    assert "no access" in (await ask(phones, "late", "/whoami"))["text"]
    menu = (await phones.get("state?from=nora"))["menu"]
    assert ("invite" in str(menu)) == (role == "admin")


async def test_an_invite_without_a_role_is_for_a_member_and_ends_after_a_week(demo: Demo) -> None:
    phones, _ = demo
    invited = await ask(phones, "admin", "/invite")
    assert "member" in invited["text"]
    assert "7 days" in invited["text"]
    assert "once" in invited["text"]
    code = invited["text"].split("start=")[1].split()[0]
    await phones.post("clock", advance_s=8 * 86400)
    await phones.post("people", key="late", action="add", name="Lou Late")
    assert "not valid" in (await ask(phones, "late", f"/start {code}"))["text"]


async def test_an_invite_that_cannot_be_made(demo: Demo) -> None:
    phones, _ = demo
    for bad in ("/invite boss", "/invite approver bob"):
        told = (await ask(phones, "admin", bad))["text"]
        assert "No invite was made" in told
        assert "/invite approver" in told
    for text in ("/invite", "/invite approver", "/invite boss"):
        told = (await ask(phones, "approver", text))["text"].lower()
        assert "only a" in told
        assert "admin" in told
        assert "nothing was changed" in told
        assert "start=" not in told


async def test_cancel_leaves_a_question_or_withdraws_a_call(demo: Demo) -> None:
    phones, _ = demo
    assert "no open question" in (await ask(phones, "member", "/cancel"))["text"]
    await ask(phones, "member", "/expense", "How much")
    assert "Never mind" in (await ask(phones, "member", "/cancel"))["text"]
    assert "did not understand" in (await ask(phones, "member", "12.50"))["text"]
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    copy = await card_at(phones, "approver", "laptop")
    short_id = short(card)
    assert "no such call" in (await ask(phones, "member", "/cancel ZZZZZZ"))["text"]
    withdrawn = (await ask(phones, "member", f"/cancel #{short_id.lower()}"))["text"]
    assert short_id in withdrawn
    assert "withdrawn" in withdrawn
    ended = await becomes(phones, card, "Cancelled")
    assert "Mia Member" in ended["text"]
    await becomes(phones, copy, "Cancelled")
    assert "cancelled" in (await ask(phones, "member", f"/cancel {short_id}"))["text"]
    late = await phones.tap("approver", copy, data=data(copy, "Approve"))
    assert late["alert"]


async def test_call_and_audit_by_any_spelling_for_those_who_may_see(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    copy = await card_at(phones, "approver", "laptop")
    await phones.tap("approver", copy, "Approve")
    await becomes(phones, card, "Done")
    short_id = short(card)
    for person, spelt in (
        ("member", short_id),
        ("member", f"#{short_id.lower()}"),
        ("approver", short_id.lower()),
        ("admin", f"#{short_id}"),
    ):
        told = (await ask(phones, person, f"/call {spelt}"))["text"]
        for words in (short_id, "laptop", "900.00", "Mia Member", "Paul Approver", "high", "1 attempt"):
            assert words in told
        trail = (await ask(phones, person, f"/audit {spelt}"))["text"]
        places = [trail.index(words) for words in ("asked for", "cleared to run", "started", "done by")]
        assert places == sorted(places)
        assert "Paul Approver" in trail


async def test_foreign_and_unknown_calls_are_alike(demo: Demo) -> None:
    phones, _ = demo
    own = short(await ask(phones, "admin", "create task: a secret of the admin", "Added"))
    for command in ("call", "audit", "cancel"):
        foreign = (await ask(phones, "member", f"/{command} {own}"))["text"]
        unknown = (await ask(phones, "member", f"/{command} ZZZZZZ"))["text"]
        assert foreign == unknown
        assert "no such call" in foreign
        assert "secret" not in foreign
    assert "which call" in (await ask(phones, "member", "/call"))["text"]
    assert "secret" in (await ask(phones, "admin", f"/call {own}"))["text"]


async def test_the_head_of_the_audit_chain_is_for_admins(demo: Demo) -> None:
    phones, product = demo
    told = (await ask(phones, "admin", "/audit"))["text"]
    seq, digest = await product.db.reader.read(lambda records: records.audit.head(product.home))
    assert digest in told
    assert re.search(rf"\b{seq}\b", told)
    assert "countersign audit verify" in told
    assert "Say which call" in (await ask(phones, "member", "/audit"))["text"]
    await product.telegram.post_head()
    await phones.see("admin", digest, times=2)
    assert not [m for m in await phones.messages("approver") if digest in m["text"]]


async def test_the_examples_of_start_do_what_they_say(demo: Demo) -> None:
    phones, _ = demo
    welcome = await phones.see("member", lambda m: m["buttons"])
    examples = labels(welcome)
    assert len(examples) == 3
    for example in examples:
        said = await phones.tap("member", welcome, example)
        assert said["text"] == example
        assert not said["alert"]
    await phones.see("member", "Added task #1: review the budget")
    await phones.see("member", "12.50 EUR for team lunch")
    await phones.see("member", lambda m: "900.00" in m["text"] and "Approval needed" in m["text"])
    await card_at(phones, "approver", "900.00")


async def test_a_code_that_is_none_leaves_a_members_role(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "/start NOSUCHCODE", "not valid")
    assert "member" in (await ask(phones, "member", "/whoami"))["text"]


async def test_a_forwarded_command_of_the_bots_own_does_nothing(demo: Demo) -> None:
    phones, _ = demo
    theirs = await phones.say("approver", "/whoami", chat="group")
    origin = {"chat": "group", "message_id": theirs["message_id"]}
    await ask(phones, "member", "", "I did nothing", forward_of=origin)


async def test_settings_are_taken_in_words(demo: Demo) -> None:
    phones, _ = demo
    assert "Europe/Lisbon" in (await ask(phones, "member", "/settings europe/lisbon", "Settings"))["text"]
    assert "SEK" in (await ask(phones, "member", "/settings sek", "Currency: SEK"))["text"]
    assert "off" in (await ask(phones, "member", "/settings replies off", "Replies: off"))["text"]
    assert "Nothing was changed" in (await ask(phones, "member", "/settings Mars", "do not know"))["text"]


async def test_quiet_hours_and_being_away_are_set_and_shown(demo: Demo) -> None:
    phones, _ = demo
    shown = await ask(phones, "approver", "/settings", "Quiet hours: off")
    await phones.tap("approver", shown, "Quiet 22")
    shown = await becomes(phones, shown, "Quiet hours: 22:00-07:00")
    await phones.tap("approver", shown, "Away 1 day")
    shown = await becomes(phones, shown, "Away: until")
    await phones.tap("approver", shown, "I am back")
    await becomes(phones, shown, "Away: no")
    words = await ask(phones, "approver", "/settings quiet 23-6", "Quiet hours: 23:00-06:00")
    assert "Quiet off" in labels(words)
    await ask(phones, "approver", "/settings away 3d", "Away: until")
    await ask(phones, "approver", "/settings stand-in Ada Admin", "Stand-in: Ada Admin")
    refused = await ask(phones, "approver", "/settings stand-in Nobody", "obody else here")
    assert "Nothing was changed" in refused["text"]
    await ask(phones, "approver", "/settings away off", "Away: no")
    assert "Stand-in: Ada Admin" in (await ask(phones, "approver", "/settings"))["text"]
    await phones.post("clock", advance_s=60)
    forged = await phones.tap("approver", shown, data="s:quiet=99-99")
    assert forged["alert"]
