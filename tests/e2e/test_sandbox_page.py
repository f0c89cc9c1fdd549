"""The sandbox's page in a real browser: three phones and one bot, over the server that the demo starts."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from bot.sandbox.server import Limits, Rules, RunningSandbox, start_sandbox
from tests.e2e.browser import FLAGS, PARSE, RESET, SIDEWAYS, WAIT, Loop, Page, TinyBot, missing

ONE_RENDERER = (
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
    "--disable-features=SpareRendererForSitePerProcess",
    "--disable-extensions",
)
"""The browser starts no new process for each page: all of them are the sandbox's."""


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    running = Loop()
    yield running
    running.close()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    absent = missing()
    if absent and os.environ.get("CI") != "true":
        pytest.skip(reason=f"the page is tried in a browser: {absent}")
    assert not absent, absent
    profile: Path = tmp_path_factory.mktemp("profile")
    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, *ONE_RENDERER, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield chrome
    chrome.quit()


@pytest.fixture
def page(loop: Loop, driver: webdriver.Chrome, tmp_path: Path) -> Iterator[Page]:
    shown = Page(driver, loop.run(_sandbox(tmp_path)))
    yield shown
    complaints = shown.errors()
    driver.get("about:blank")
    loop.run(shown.sandbox.stop())
    assert complaints == []


async def _sandbox(data: Path, port: int = 0) -> RunningSandbox:
    rules = Rules(bots_may_write_first=True, tap_wait=WAIT)
    return await start_sandbox(port=port, data=data, limits=Limits.off(), rules=rules)


@pytest.fixture
def bot(loop: Loop, page: Page) -> TinyBot:
    made = TinyBot(loop, page.sandbox.url)
    made.call("getMe")
    return made


def test_it_shows_three_phones_that_fit_the_screen(page: Page, bot: TinyBot) -> None:
    page.open()
    page.phone("admin", ".start")
    assert [one.get_attribute("data-person") for one in page.all("section[data-person]")] == [
        "member",
        "approver",
        "admin",
    ]
    assert all(one.is_displayed() for one in page.all("section[data-person]"))
    for phone in page.all("section[data-person] .frame"):
        assert phone.rect["y"] + phone.rect["height"] <= 800
    assert _overflow(page) <= 0


def test_a_phone_without_a_bot_says_how_to_connect_one(page: Page, loop: Loop) -> None:
    page.open()
    page.phone("member", ".empty code", f"{page.sandbox.url}/bot")
    TinyBot(loop, page.sandbox.url).call("getMe")
    page.phone("member", ".start").click()
    page.phone("member", "article.own", "/start")


def test_what_the_member_writes_reaches_the_bot_and_the_answer_comes_back(page: Page, bot: TinyBot) -> None:
    page.open()
    page.write(
        "member", "expense 12.50 EUR coffee", Keys.SHIFT, Keys.ENTER, Keys.NULL, "second line", Keys.ENTER
    )
    said = bot.update("message")
    assert said["text"] == "expense 12.50 EUR coffee\nsecond line"
    assert said["from"]["id"] == page.ids["member"]
    page.phone("member", f'article.own[data-message-id="{said["message_id"]}"]', "second line")
    bot.call(
        "sendMessage",
        chat_id=page.ids["member"],
        text="noted",
        reply_parameters={"message_id": said["message_id"]},
    )
    page.phone("member", "article.other", "noted")
    page.phone("member", "article.other .reply", "expense 12.50")
    assert not page.all("section[data-person=approver] article")


def test_a_card_is_tapped_spins_alerts_and_changes_in_place(page: Page, bot: TinyBot) -> None:
    page.open()
    number = bot.card(page.ids["approver"])
    article = page.phone("approver", f'article[data-message-id="{number}"]', "Refund €40.00")
    assert not page.all("section[data-person=member] article")
    keys = article.find_elements(By.CSS_SELECTOR, ".key")
    assert [key.tag_name for key in keys] == ["button", "button", "a"]
    assert "success" in (keys[0].get_attribute("class") or "")
    keys[0].click()
    query = bot.update("callback_query")
    assert (query["data"], query["from"]["id"]) == ("approve:1", page.ids["approver"])
    assert page.phone("approver", '.key[aria-busy="true"] .spinner').is_displayed()
    bot.call("answerCallbackQuery", callback_query_id=query["id"], text="Ask somebody else.", show_alert=True)
    alert = page.phone("approver", "[role=alertdialog]", "Ask somebody else.")
    page.gone('[aria-busy="true"].key')
    assert not page.all("section[data-person=member] [role=alertdialog]")
    alert.find_element(By.CSS_SELECTOR, "button").send_keys(Keys.ESCAPE)
    page.gone("[role=alertdialog]")
    bot.call(
        "editMessageText",
        chat_id=page.ids["approver"],
        message_id=number,
        text="<b>Done</b>",
        parse_mode="HTML",
    )
    page.phone("approver", f'article[data-message-id="{number}"] b', "Done")
    page.gone("section[data-person=approver] .key")
    assert article.find_element(By.CSS_SELECTOR, ".edited").is_displayed()
    assert len(page.all("section[data-person=approver] article")) == 1
    bot.call("deleteMessage", chat_id=page.ids["approver"], message_id=number)
    page.gone("section[data-person=approver] article")


def test_hostile_text_is_shown_and_does_nothing(page: Page, bot: TinyBot) -> None:
    page.open()
    hostile = (
        "<script>window.hurt=1</script><img src=x onerror=window.hurt=1><b onclick=window.hurt=1>bold</b>"
        '<a href="javascript:window.hurt=1">link</a><svg/onload=window.hurt=1><style>*{display:none}</style>'
    )
    page.write("member", hostile, Keys.ENTER)
    said = bot.update("message")
    assert said["text"] == hostile
    page.phone("member", "article.own", hostile)
    escaped = hostile.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    bot.card(page.ids["member"], f'<b>{escaped}</b> <a href="tg://user?id=1">x</a>')
    page.phone("member", "article.other b", hostile)
    # Even markup that a broken server would let through is not markup here.
    raw = page.driver.execute_async_script(PARSE, hostile)
    assert raw[0] == 0
    assert "window.hurt=1</script>" in raw[1]
    assert page.script("return window.hurt") is None
    assert (
        page.script("return document.querySelectorAll('.log script, .log img, .log svg:not(.icon)').length")
        == 0
    )


def test_a_group_message_is_counted_where_it_is_not_seen(page: Page, bot: TinyBot) -> None:
    page.open()
    group = page.sandbox.world.group.id
    number = bot.card(group)
    for person in ("member", "approver", "admin"):
        assert page.phone(person, ".chat-tab .badge").text == "1"
    page.phone("admin", ".chat-tab", "Team").click()
    card = page.phone("admin", f'article[data-message-id="{number}"]')
    assert "Countersign" in card.find_element(By.CSS_SELECTOR, ".name").text
    page.gone("section[data-person=admin] .chat-tab .badge")
    assert page.phone("member", ".chat-tab .badge").text == "1"


def test_a_bot_that_asks_for_a_reply_gets_one(page: Page, bot: TinyBot) -> None:
    page.open()
    asked = bot.call(
        "sendMessage",
        chat_id=page.ids["approver"],
        text="Why not?",
        reply_markup={"force_reply": True, "input_field_placeholder": "Reason"},
    )
    page.phone("approver", ".mode", "Why not?")
    assert page.phone("approver", "textarea").get_attribute("placeholder") == "Reason"
    page.write("approver", "no receipt", Keys.ENTER)
    assert bot.update("message")["reply_to_message"]["message_id"] == asked["message_id"]


def test_commands_files_and_edits(page: Page, bot: TinyBot, tmp_path: Path) -> None:
    commands = [
        {"command": "history", "description": "What was done"},
        {"command": "help", "description": "How"},
    ]
    bot.call("setMyCommands", commands=commands)
    page.open()
    page.write("member", "/hi")
    assert page.phone("member", ".commands [role=option]").text.startswith("/history")
    assert len(page.all("section[data-person=member] [role=option]")) == 1
    page.write("member", Keys.ARROW_DOWN, Keys.ENTER)
    said = bot.update("message")
    assert said["text"] == "/history"
    paper = tmp_path / "receipt.txt"
    paper.write_text("12.50 EUR")
    page.all("section[data-person=member] input[type=file]")[0].send_keys(str(paper))
    page.phone("member", ".mode.file", "receipt.txt")
    page.write("member", "my receipt", Keys.ENTER)
    sent = bot.update("message")
    assert (sent["document"]["file_name"], sent["caption"]) == ("receipt.txt", "my receipt")
    page.phone("member", "article.own .document", "receipt.txt")
    page.phone("member", "article.own .text", "my receipt").click()
    page.phone("member", "[role=menu] button", "Edit").click()
    page.write("member", " today", Keys.ENTER)
    assert bot.update("edited_message")["caption"] == "my receipt today"
    page.phone("member", "article.own .edited")


def test_an_example_is_typed_and_sent_for_the_member(page: Page, bot: TinyBot) -> None:
    page.open(motion="no-preference")
    page.find(".chip", "print label Hello").click()
    said = bot.update("message")
    assert (said["text"], said["from"]["id"]) == ("print label Hello", page.ids["member"])


def test_the_controls_move_time_break_calls_and_reset(page: Page, bot: TinyBot) -> None:
    page.open()
    page.write("member", "hello", Keys.ENTER)
    page.phone("member", "article.own", "hello")
    before = page.sandbox.clock.now()
    page.find("#open-controls").click()
    page.find("#drawer button", "+24 h").click()
    page.find("#drawer .note", "moved")
    assert page.sandbox.clock.now() >= before + 86400
    page.find("#drawer button", "502").click()
    page.find("#drawer .note", "fail")
    assert [fault.status for fault in page.sandbox.world.faults.waiting()] == [502]
    page.find("#drawer .bad", "Reset").click()
    page.find("#drawer .bad", "Really").click()
    page.gone("article")
    page.phone("member", ".start")


def test_a_narrow_screen_shows_one_phone_at_a_time(page: Page, bot: TinyBot) -> None:
    page.open(375, 700)
    page.phone("member", ".start")
    tabs = page.all("#people [role=tab]")
    assert [tab.text for tab in tabs] == ["Member", "Approver", "Admin"]
    assert [one.is_displayed() for one in page.all("section[data-person]")] == [True, False, False]
    bot.card(page.ids["approver"], "x" * 300)
    page.find("#people .badge", "1")
    page.find("#people [role=tab]", "Approver").click()
    page.phone("approver", "article", "xxx")
    page.gone("#people .badge")
    assert [one.is_displayed() for one in page.all("section[data-person]")] == [False, True, False]
    assert _overflow(page) <= 0
    assert page.script(SIDEWAYS) is False


def _overflow(page: Page) -> int:
    width: int = page.script("return document.documentElement.scrollWidth - window.innerWidth")
    return width


def test_it_catches_up_after_the_stream_broke(page: Page, bot: TinyBot, loop: Loop, tmp_path: Path) -> None:
    page.open()
    first, second = bot.card(page.ids["approver"], "first"), bot.card(page.ids["approver"], "second")
    page.phone("approver", "article", "second")
    loop.run(page.sandbox.stop())
    page.find("#connection[data-live=false]")
    elsewhere = loop.run(_sandbox(tmp_path))
    unseen = TinyBot(loop, elsewhere.url)
    unseen.call("editMessageText", chat_id=page.ids["approver"], message_id=first, text="changed")
    unseen.call("deleteMessage", chat_id=page.ids["approver"], message_id=second)
    unseen.card(page.ids["approver"], "meanwhile")
    loop.run(elsewhere.stop())
    page.sandbox = loop.run(_sandbox(tmp_path, int(page.sandbox.url.rpartition(":")[2])))
    page.find("#connection[data-live=true]")
    shown = [one.text for one in page.all("section[data-person=approver] article .text")]
    assert shown == ["changed", "meanwhile"]
    page.errors()  # the browser tells of the connections that failed; that was the point


def test_a_long_quote_unfolds_and_times_are_the_readers(page: Page, bot: TinyBot) -> None:
    page.open()
    lines = "\n".join(f"argument_{number}: value" for number in range(30))
    time = '<tg-time unix="1795250000" format="t">14:13</tg-time>'
    bot.card(page.ids["member"], f"<blockquote expandable>{lines}</blockquote>expires {time}")
    quote = page.phone("member", "blockquote.folds")
    folded = quote.rect["height"]
    button = page.phone("member", ".fold")
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    assert quote.rect["height"] > 3 * folded
    local = "return new Date(1795250000000).toLocaleTimeString([], {hour: 'numeric', minute: '2-digit'})"
    assert page.phone("member", ".text time").text == page.script(local)
    assert page.phone("member", ".text time").get_attribute("datetime") == "2026-11-21T08:33:20.000Z"


def test_an_invite_link_starts_the_bot_and_a_reset_leaves_no_trace(page: Page, bot: TinyBot) -> None:
    page.open()
    name = bot.call("getMe")["username"]
    bot.card(page.ids["admin"], f"Invite: https://t.me/{name}?start=abc-123 or /help.")
    page.phone("admin", "article .text a", "start=abc-123").click()
    assert bot.update("message")["text"] == "/start abc-123"
    page.phone("admin", "article .command", "/help").click()
    assert bot.update("message")["text"] == "/help"
    assert len(page.driver.window_handles) == 1
    bot.card(page.sandbox.world.group.id)
    page.phone("admin", ".chat-tab .badge", "1")
    page.script(RESET)
    page.gone("article")
    page.gone(".badge:not([hidden])")
