"""The benchmarks of the bot: what they take for a decision, what makes them void, what they start."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from benchmarks.bot.bots import HERE, STOCK, environment, network, token_of
from benchmarks.bot.counts import EVENTS, check_counts
from benchmarks.bot.rounds import Series
from benchmarks.bot.stage import Stage, open_stage
from benchmarks.bot.taps import faster, slower

BUTTONS = {"inline_keyboard": [[{"text": "Approve", "callback_data": "a:1"}]]}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as opened:
        opened.invite(1)
        yield opened


async def call(stage: Stage, method: str, **parameters: Any) -> Any:
    """What a bot asks of the sandbox."""
    url = f"{stage.url}/bot{token_of(STOCK)}/{method}"
    async with aiohttp.ClientSession() as session, session.post(url, json=parameters) as answer:
        read = await answer.json()
        assert read["ok"], read
        return read["result"]


async def edit(stage: Stage, number: int, text: str, **more: Any) -> None:
    chat = stage.people[0].id
    await call(stage, "editMessageText", chat_id=chat, message_id=number, text=text, **more)


async def test_a_tap_is_shown_by_the_first_edit_without_its_button_and_ends_with_its_mark(
    stage: Stage,
) -> None:
    bot, person = stage.open(token_of(STOCK)), stage.people[0]
    stage.deal(bot, chats=1, each=1)
    [card] = stage.cards(bot, person)
    tap = stage.tap(person, card, mark="Stamped.")
    [update] = await call(stage, "getUpdates")
    await call(stage, "answerCallbackQuery", callback_query_id=update["callback_query"]["id"])

    await edit(stage, card.message_id, "Stamped. Or not?", reply_markup=BUTTONS)
    assert not tap.shown.is_set(), "it can still be decided"
    await edit(stage, card.message_id, "Approved.")
    assert tap.shown.is_set()
    assert not tap.ended.is_set()
    shown_at = tap.shown_at
    await edit(stage, card.message_id, "Stamped.")
    await stage.finish(tap)
    assert tap.begun < shown_at == tap.shown_at < tap.ended_at
    assert stage.cards(bot, person) == []


async def test_the_first_answer_to_a_start_is_seen(stage: Stage) -> None:
    bot = stage.open(token_of(STOCK))
    answered = stage.say_start(bot)
    [update] = await call(stage, "getUpdates")
    assert update["message"]["text"] == "/start"
    assert not answered.done()
    await call(stage, "sendMessage", chat_id=stage.people[0].id, text="Hello.")
    assert answered.done()


async def test_the_network_passes_everything_on_in_order(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    sent = bytes(range(256)) * 1000
    async with server, network(server.sockets[0].getsockname()[1], seconds=0.001, folder=tmp_path) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
        for start in range(0, len(sent), 10_000):
            writer.write(sent[start : start + 10_000])
        assert await reader.readexactly(len(sent)) == sent
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("sabotage", "told"),
    [
        ("DELETE FROM audit_events WHERE call_id = 'c1' AND kind = 'call.running'", "'audited': 1"),
        ("INSERT INTO audit_events VALUES ('c1', 'call.lapsed')", "'audited': 1"),
        ("UPDATE tool_calls SET status = 'running' WHERE id = 'c1'", "'completed': 1"),
        ("DELETE FROM approvals WHERE call_id = 'c1'", "'signatures': 1"),
        ("DELETE FROM outcomes WHERE call_id = 'c1'", "'outcomes': 1"),
        ("INSERT INTO tool_calls VALUES ('c3', 'proposed')", "'calls': 3"),
    ],
)
def test_a_wrong_count_voids_the_run(tmp_path: Path, sabotage: str, told: str) -> None:
    path = tmp_path / "counted.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(
            "CREATE TABLE tool_calls (id, status); CREATE TABLE approvals (call_id);"
            "CREATE TABLE outcomes (call_id, status); CREATE TABLE audit_events (call_id, kind);"
            "INSERT INTO audit_events VALUES (NULL, 'member.added');"
        )
        for number in ("c1", "c2"):
            connection.execute("INSERT INTO tool_calls VALUES (?, 'completed')", (number,))
            connection.execute("INSERT INTO approvals VALUES (?)", (number,))
            connection.execute("INSERT INTO outcomes VALUES (?, 'completed')", (number,))
            for kind in EVENTS:
                connection.execute("INSERT INTO audit_events VALUES (?, ?)", (number, kind))
        check_counts(path, calls=2)
        connection.execute(sabotage)
    with pytest.raises(SystemExit, match="void") as ended:
        check_counts(path, calls=2)
    assert told in str(ended.value)


@pytest.mark.parametrize(("ours", "met"), [(10.9, True), (11.1, False)])
def test_at_most_so_muchslower(ours: float, met: bool) -> None:
    assert slower("P6", 1.1, series(ours), series(10.0)).met is met


@pytest.mark.parametrize(("ours", "met"), [(31.0, True), (29.0, False)])
def test_at_least_so_muchfaster(ours: float, met: bool) -> None:
    assert faster("P7", 3.0, series(ours), series(10.0)).met is met


def series(median: float) -> Series:
    """Three rounds with this median."""
    return Series(shown=[1.0, median, 99.0], ended=[1.0], busy=[1.0], served=[1.0])


async def test_bots_start_from_an_environment_that_steers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX",
        "COUNTERSIGN_LOGGING__LEVEL",
        "https_proxy",
    ):
        monkeypatch.setenv(name, "1")
    kept = environment()
    assert not {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "COUNTERSIGN_LOGGING__LEVEL"} & set(kept)
    assert "https_proxy" not in kept
    assert "PATH" in kept


async def test_the_stock_bot_loads_nothing_of_ours(tmp_path: Path) -> None:
    """What its memory is measured with must be its own."""
    look = (
        f"import runpy, sys; runpy.run_path({str(HERE / 'bare.py')!r}, run_name='bare'); print(*sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", look, env=environment(), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    loaded = {name.split(".")[0] for name in printed.decode().split()}
    assert "telegram" in loaded
    assert not {"bot", "core", "storage", "benchmarks", "aiohttp", "sqlalchemy"} & loaded
