"""What the documents say: everything there is stands in them, and their commands work as written."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.bootstrap import Countersign
from bot.sandbox.limits import Limits
from bot.sandbox.server import start_sandbox
from bot.telegram.commands import COMMANDS
from core.errors import Code
from core.lifecycle import Status
from storage.database import check_free
from tests.e2e.phone import Phones, running_demo
from tests.kit.cli import countersign, tree

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Countersign]:
    async with running_demo(tmp_path) as (_, running):
        yield running


CREATE = (
    '.venv/bin/countersign token create nightly-report --person "Mia Member" --days 90 --config config.toml'
)
_BEARER = 'curl -s -H "Authorization: Bearer $TOKEN" '
CURLS = (
    _BEARER + '-H "Idempotency-Key: report-7" --json \'{"text": "expense 900 EUR desk"}\' '
    "http://127.0.0.1:8790/v1/proposals",
    _BEARER + '"http://127.0.0.1:8790/v1/calls?status=proposed"',
)


def shell_commands() -> list[str]:
    """The commands of the README's shell blocks and the inline ones, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    listed = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`((?:make|\.venv/bin/countersign)[^`]*)`", README)
    return sorted({command for command in [*listed, *inline] if command})


LONG = (
    "make bench",
    "make sabotage",
    'make torture ARGS="T1 T2 T4"',
    'make torture ARGS="T14 T15"',
    'make torture ARGS="T17 T23"',
    'make torture ARGS="T25 T26"',
    'make torture ARGS="T40 T42"',
    "make torture ARGS=T16",
    "make torture ARGS=T7",
)


def command_paths() -> list[str]:
    """Every command of the command line, such as "audit verify"."""
    group = tree()
    paths = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        paths += [f"{name} {below}" for below in inner] if inner else [name]
    return paths


async def test_every_command_tool_status_and_code_is_documented(product: Countersign) -> None:
    tools = list(product.registry)
    wanted = [f"`/{name}" for name in COMMANDS]
    wanted += [f"`{tool.name}`" for tool in tools] + [f"`/{tool.command}`" for tool in tools if tool.command]
    wanted += [f"`countersign {path}`" for path in command_paths()]
    wanted += [f"`{code.value}`" for code in Code] + [f"`{status.value}`" for status in Status]
    assert not [entry for entry in wanted if entry not in REFERENCE]


def test_the_readme_names_no_command_that_is_not_tried_here() -> None:
    assert [command for command in shell_commands() if command not in LONG] == [
        ".venv/bin/countersign audit verify --data demo-data",
        ".venv/bin/countersign init",
        ".venv/bin/countersign run --config config.toml",
        ".venv/bin/countersign sandbox",
        CREATE,
        *sorted(CURLS),
        "make demo",
        'make demo ARGS="--port 8801 --data DIR --fresh"',
        "make test",  # this very run
    ]


@pytest.mark.parametrize("command", LONG)
def test_what_takes_hours_is_a_command_all_the_same(command: str) -> None:
    """It is only looked at what would be run; its parts have tests of their own."""
    assert command in shell_commands()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    asked = [*shlex.split(command), "--dry-run"]
    dry = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, env=environ, check=False)
    assert dry.returncode == 0, dry.stderr
    assert re.search(r"python -m (tests\.torture|tests\.sabotage|benchmarks)", dry.stdout)


@asynccontextmanager
async def running(*command: str, cwd: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A command that serves, and the address that it prints; stopped by TERM, cleanly."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    environ["PYTHONPATH"] = str(ROOT)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environ, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            seen = ""
            while not (found := re.search(r"http://\S+|Ctrl\+C stops it", seen)):
                line = await process.stdout.readline()
                assert line, f"{command} ended: {seen}"
                seen += line.decode()
        yield process, found[0]
        os.killpg(process.pid, signal.SIGTERM)
        async with asyncio.timeout(20):
            await process.communicate()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def test_make_demo_is_started_used_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "demo-data"
    demo: tuple[str, ...] = (
        "make",
        "-s",
        "-C",
        str(ROOT),
        "demo",
        f"ARGS=--port 0 --no-open --data {data} --fresh",
    )
    if not (ROOT / ".venv" / ".project").exists():  # not set up by make: the same command without it
        bare = (sys.executable, "-m", "bot.cli.main")
        demo = (*bare, "demo", "--port", "0", "--no-open", "--data", str(data))
    async with running(*demo, cwd=ROOT) as (process, url), aiohttp.ClientSession() as session:
        phones = Phones(url, session)
        await phones.say("member", "expense 12.50 EUR coffee")
        await phones.see("member", lambda m: "12.50" in m["text"] and m["from"]["is_bot"])
    # make itself ends by the signal, or says 2; the demo under it has stopped and given its folder free.
    assert process.returncode in (0, 2, -signal.SIGTERM)
    check_free(data / "countersign.sqlite3")
    monkeypatch.chdir(tmp_path)
    told = await asyncio.to_thread(countersign, "audit", "verify", "--data", str(data))
    assert "holds" in told.output


async def test_init_and_run_with_a_token_and_claim_with_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = await start_sandbox(limits=Limits.off())
    try:
        token = "7100000001:readme-token-of-a-test"
        (tmp_path / "token").write_text(token)
        monkeypatch.chdir(tmp_path)
        told = await asyncio.to_thread(
            countersign,
            *shlex.split(f"init --yes --token-file token --api-base-url {sandbox.url} --name Team"),
            *shlex.split("--currency EUR --timezone Europe/Berlin --config config.toml"),
        )
        claim = re.search(r"/start (\w{10})", told.output)
        assert claim, told.output
        command = (sys.executable, "-m", "bot.cli.main", "run", "--config", "config.toml")
        async with running(*command, cwd=tmp_path) as (process, _), aiohttp.ClientSession() as session:
            phones = Phones(sandbox.url, session)
            await phones.say("admin", f"/start {claim[1]}")
            await phones.see("admin", lambda m: "admin" in m["text"] and m["from"]["is_bot"])
            await phones.say("member", f"/start {claim[1]}")
            await phones.see(
                "member",
                lambda m: (m["from"]["is_bot"] and "admin already" in m["text"]) or "not valid" in m["text"],
            )
        assert process.returncode == 0
        log = b"".join(path.read_bytes() for path in tmp_path.rglob("*.log"))
        assert token.encode() not in log
    finally:
        await sandbox.stop()


async def test_the_sandbox_alone_takes_any_bot(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "bot.cli.main", "sandbox", "--port", "0")
    async with (
        running(*command, cwd=tmp_path) as (_, url),
        aiohttp.ClientSession() as session,
        session.get(f"{url}/bot123:any-well-formed-token/getMe") as answer,
    ):
        assert (await answer.json())["ok"]


async def test_a_program_comes_in_over_http_as_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The people of a demo, then its bot stopped, a token, and the demo again with the door open."""
    config = tmp_path / "config.toml"
    config.write_text(f'[http]\nenabled = true\nport = 0\nkey = "{"k" * 48}"\n[storage]\nfolder = "data"\n')
    async with running_demo(tmp_path / "data", config=config):
        pass
    monkeypatch.chdir(tmp_path)
    made = await asyncio.to_thread(countersign, *shlex.split(CREATE)[1:])
    token = made.output.split()[0]
    async with running_demo(tmp_path / "data", config=config) as (phones, product):
        assert product.http is not None
        found = []
        for command in CURLS:
            process = await asyncio.create_subprocess_shell(
                command.replace("http://127.0.0.1:8790", product.http.url),
                env={**os.environ, "TOKEN": token},
                stdout=asyncio.subprocess.PIPE,
            )
            told, _ = await process.communicate()
            found.append(json.loads(told))
        await phones.see("approver", lambda m: "desk" in m["text"] and m["buttons"])
    assert found[0]["status"] == "proposed"
    assert [row["call_id"] for row in found[1]["calls"]] == [found[0]["call_id"]]
