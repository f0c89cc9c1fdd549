"""`countersign init`: the file it writes, the token it checks, what it refuses."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.cli.init import _at_terminal
from bot.cli.template import config_text
from bot.config import load
from core.errors import ConfigError
from tests.kit.cli import Told, add, countersign

TOKEN = "123456789:AAE4c0Z-abcdefghijklmnop_qrstu"


@pytest.fixture(autouse=True)
def _token_file(_own_folder: None) -> None:
    Path("token").write_text(f"{TOKEN}\n")


def init(*arguments: str, ends: int = 0, typed: str | None = None) -> Told:
    result = countersign("init", *arguments, ends=ends, typed=typed)
    assert TOKEN not in result.output
    return result


@contextmanager
def bot_api(answer: Any, status: int = 200) -> Iterator[str]:
    """A Bot API server that gives this answer, in a thread of its own."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    url: list[str] = []

    async def get_me(request: web.Request) -> web.Response:
        known = request.path == f"/bot{TOKEN}/getMe"
        return web.json_response(answer if known else {"ok": False}, status=status if known else 401)

    async def serve() -> web.AppRunner:
        server = web.Application()
        server.router.add_get("/{path:.*}", get_me)
        runner = web.AppRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        return runner

    def work() -> None:
        runner = loop.run_until_complete(serve())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    try:
        yield url[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


ME = {"ok": True, "result": {"id": 1, "is_bot": True, "username": "acme_bot"}}


def test_it_writes_a_config_that_loads_and_prints_the_claim_code() -> None:
    with bot_api(ME) as url:
        shown = init(
            *("--token-file", "token", "--name", 'Our "team" \\ ü', "--currency", "chf"),
            *("--timezone", "Europe/Zurich", "--api-base-url", url, "--data", "kept"),
        ).stdout
    settings = load(Path("config.toml"), environ={})
    assert settings.telegram.required_token() == TOKEN
    assert settings.telegram.api_base_url == url
    assert (settings.tenant.name, settings.tenant.currency) == ('Our "team" \\ ü', "CHF")
    assert settings.tenant.timezone == "Europe/Zurich"
    assert settings.storage.folder == Path("kept").absolute()
    assert "https://t.me/acme_bot?start=" in shown
    assert "countersign run" in shown


def test_the_config_is_for_its_owner_only() -> None:
    init("--token-file", "token", "--no-check")
    assert stat.S_IMODE(Path("config.toml").stat().st_mode) == 0o600
    assert sorted(path.name for path in Path().iterdir()) == ["config.toml", "data", "token"]


def test_the_claim_code_makes_an_admin_and_there_is_none_once_there_is_one() -> None:
    first = json.loads(init("--token-file", "token", "--no-check", "--json").stdout)
    assert len(first["claim_code"]) == 10
    add(1, "Ann", "admin")
    again = init("--token-file", "token", "--no-check", "--force")
    assert "has an admin already" in again.stdout


def test_it_does_not_write_over_a_config() -> None:
    Path("config.toml").write_text("# mine\n")
    assert "--force" in init("--token-file", "token", "--no-check", ends=1).stderr
    assert Path("config.toml").read_text() == "# mine\n"
    init("--token-file", "token", "--no-check", "--force")
    assert Path("config.toml").read_text() != "# mine\n"


@pytest.mark.parametrize(
    ("option", "value", "key"),
    [("--currency", "euro", "currency"), ("--timezone", "Mars", "timezone"), ("--name", "x" * 81, "name")],
)
def test_a_wrong_value_leaves_nothing_behind(option: str, value: str, key: str) -> None:
    result = init("--token-file", "token", "--no-check", option, value, ends=1)
    assert f"tenant.{key}" in result.stderr
    assert not Path("config.toml").exists()
    assert [path.name for path in Path().iterdir()] == ["token"]


def test_a_token_that_nobody_has_is_refused() -> None:
    Path("token").write_text("1:wrong")
    with bot_api(ME) as url:
        result = init("--token-file", "token", "--api-base-url", url, ends=1)
    assert "No bot has this token" in result.stderr
    assert not Path("config.toml").exists()


@pytest.mark.parametrize("answer", [[], {"ok": True}, {"result": None}, "x"])
def test_what_is_no_bot_api_is_named(answer: Any) -> None:
    with bot_api(answer) as url:
        assert "not the Bot API" in init("--token-file", "token", "--api-base-url", url, ends=1).stderr


def test_no_network_is_told_without_the_token() -> None:
    result = init("--token-file", "token", "--api-base-url", "http://127.0.0.1:9", ends=1)
    assert "cannot be asked" in result.stderr
    assert TOKEN.split(":")[1] not in result.output


def test_a_token_file_that_is_absent_or_a_token_that_is_none() -> None:
    assert "cannot be read" in init("--token-file", "absent", ends=1).stderr
    Path("token").write_text("../../getMe?")
    assert "No bot has this token" in init("--token-file", "token", ends=1).stderr


def test_without_a_terminal_it_asks_nothing() -> None:
    result = init(ends=2, typed="")
    assert "--token-file" in result.stderr


def test_at_a_terminal_it_guides_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # The runner replaces standard input, so that it is the class that says it is a terminal.
    monkeypatch.setattr("bot.cli.init._at_terminal", lambda: True)
    with bot_api(ME) as url:
        typed = f"1:wrong\n{TOKEN}\nAcme\n\nEurope/Paris\n"
        shown = init("--api-base-url", url, typed=typed)
    assert "BotFather" in shown.stdout
    assert "No bot has this token" in shown.stderr
    settings = load(Path("config.toml"), environ={})
    assert (settings.tenant.name, settings.tenant.currency) == ("Acme", "EUR")
    assert settings.telegram.required_token() == TOKEN


def test_after_three_wrong_tokens_it_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cli.init._at_terminal", lambda: True)
    with bot_api(ME) as url:
        init("--api-base-url", url, typed="1:a\n1:b\n1:c\n", ends=1)
    assert not Path("config.toml").exists()


@given(name=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=80))
def test_any_printable_name_is_read_back(name: str) -> None:
    text = config_text(
        token="1:abc",
        token_file=None,
        api_base_url="u",
        folder=None,
        name=name,
        currency="EUR",
        timezone="UTC",
    )
    assert tomllib.loads(text)["tenant"]["name"] == name


def test_a_control_character_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be printed"):
        config_text(
            token="1:a",
            token_file=None,
            api_base_url="u",
            folder=None,
            name="a\nb",
            currency="E",
            timezone="U",
        )


def test_a_real_terminal_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert _at_terminal()
