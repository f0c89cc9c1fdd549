"""What the commands demo, sandbox and run start, and how they end: cleanly on Ctrl+C and TERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from bot import logs
from bot.bootstrap import Countersign, build, make_folder, open_demo_folder
from bot.clock import SystemClock
from bot.config import Settings, load
from core.errors import ConfigError
from core.ids import PersonId
from core.model import Channel, Identity, Person, Role
from core.ports import Records
from core.redaction import Redactor
from tools.catalog import demo_adapters, demo_tools

if TYPE_CHECKING:
    from bot.sandbox.server import RunningSandbox

DEMO_TOKEN: Final = "7000000001:sandbox-demo-bot"  # noqa: S105 - the sandbox takes any well-formed token
DEMO_TIMEZONE: Final = "Europe/Berlin"
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - named so that it can be warned of


async def run_demo(
    *, host: str, port: int, data: Path, fresh: bool, open_browser: bool, config: Path | None
) -> None:
    """The whole product over a sandbox, in one process. Prints its address once it can be used."""
    stopping = _stop_on_signals()
    open_demo_folder(data, load(config, environ=os.environ, data=data).storage, fresh=fresh)
    sandbox = await _listening(host, port, data)
    try:
        ours = {
            "COUNTERSIGN_TELEGRAM__TOKEN": DEMO_TOKEN,
            "COUNTERSIGN_TELEGRAM__API_BASE_URL": sandbox.url,
            "COUNTERSIGN_RESILIENCE__OPEN_FOR": "10s",  # whoever tries it does not want to wait for minutes
            "COUNTERSIGN_RESILIENCE__OPEN_AT_MOST": "20s",
            "COUNTERSIGN_WEBHOOKS__ALLOW_PRIVATE": "true",  # a receiver to try them with is on this machine
        }
        settings = load(config, environ={**os.environ, **ours}, data=data)
        _log(settings, settings.logging.file or data / "countersign.log")
        product = build(
            settings,
            clock=SystemClock(sandbox.clock.now),
            extra=demo_tools(data / "labels.jsonl"),
            adapters=demo_adapters(data),
        )
        await product.start()
        try:
            await _people_the_demo(product, sandbox)
            await _until(stopping, product.run(), _welcome(product, sandbox, host, open_browser=open_browser))
        finally:
            await product.stop()
    finally:
        await sandbox.stop()


async def run_sandbox(*, host: str, port: int, data: Path | None) -> None:
    """The Bot API server alone, for any bot."""
    stopping = _stop_on_signals()
    if data is not None:
        make_folder(data)
    sandbox = await _listening(host, port, data)
    _announce(sandbox.url, host)
    print(f"Bot API base URL: {sandbox.url}/bot  (any well-formed token is a bot)")  # noqa: T201
    await stopping.wait()
    await sandbox.stop()


async def run_bot(settings: Settings) -> None:
    """The bot on Telegram (or whatever speaks its API at `telegram.api_base_url`)."""
    stopping = _stop_on_signals()
    settings.telegram.required_token()
    _log(settings, settings.logging.file)
    product = build(settings)
    await product.start()
    try:
        code = await product.claim_code()
        if code is not None:
            print(f"No admin yet. Send this to the bot to claim it:  /start {code}")  # noqa: T201
        await _until(stopping, product.run(), _say_running(product))
    finally:
        await product.stop()


async def _listening(host: str, port: int, data: Path | None) -> RunningSandbox:
    """A sandbox at this address. Raises ConfigError where nothing can listen there."""
    os.umask(0o077)  # chats are nobody else's on this machine
    from bot.sandbox.server import start_sandbox  # noqa: PLC0415 - a bot at Telegram does without it

    try:
        return await start_sandbox(host=host, port=port, data=data)
    except OSError as error:
        raise ConfigError(
            f"Nothing can listen on --host {host} --port {port}: {error.strerror or error}. "
            "If another demo runs there, stop it, or choose another port."
        ) from None


def _log(settings: Settings, file: Path | None) -> None:
    redactor = Redactor()
    for secret in (*settings.secrets, DEMO_TOKEN):
        redactor.register(secret)
    told = settings.logging
    logs.configure(
        redactor=redactor,
        level=told.level,
        form=told.format,
        file=file,
        folder=told.folder,
        rotate_mb=told.rotate_mb,
    )


def _stop_on_signals() -> asyncio.Event:
    """Set by Ctrl+C and TERM. A second one ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return stopping


async def _until(
    stopping: asyncio.Event, work: Coroutine[None, None, None], greeting: Coroutine[None, None, None]
) -> None:
    """Runs until told to stop, or until `work` or the `greeting` ends with an error, which it raises."""
    running: asyncio.Future[object] = asyncio.ensure_future(work)
    greeted: asyncio.Future[object] = asyncio.ensure_future(greeting)
    told: asyncio.Future[object] = asyncio.ensure_future(stopping.wait())
    done, _ = await asyncio.wait({running, greeted, told}, return_when=asyncio.FIRST_COMPLETED)
    if done == {greeted} and greeted.exception() is None:
        done, _ = await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, greeted, told):
        task.cancel()
    for task in done:
        task.result()


async def _welcome(product: Countersign, sandbox: RunningSandbox, host: str, *, open_browser: bool) -> None:
    """Opens the chats, then says where the demo is: from then on it can be used."""
    await product.telegram.ready()
    await _say_start(sandbox)
    _announce(sandbox.url, host)
    if open_browser and sys.stdout.isatty():
        webbrowser.open(sandbox.url)


async def _say_running(product: Countersign) -> None:
    await product.telegram.ready()
    print(f"Countersign runs as @{product.telegram.username}. Ctrl+C stops it.", flush=True)  # noqa: T201


def _announce(url: str, host: str) -> None:
    print(f"\n  Countersign sandbox: {url}\n", flush=True)  # noqa: T201
    if host in _EVERYWHERE or not (host.startswith("127.") or host in ("localhost", "::1")):
        print(f"  It listens on {host}: everybody who reaches this machine can use it.\n", flush=True)  # noqa: T201


async def _people_the_demo(product: Countersign, sandbox: RunningSandbox) -> None:
    """Makes the sandbox's three people members with their roles, a time zone and a currency."""
    people = [person for person in sandbox.world.people.values() if person.key in set(Role)]

    def work(records: Records) -> None:
        now = product.clock.now()
        for someone in people:
            if records.people.identity(Channel.TELEGRAM, str(someone.id)) is not None:
                continue
            person = Person(
                id=PersonId(product.env.new_id()),
                name=someone.name,
                timezone=DEMO_TIMEZONE,
                currency=product.settings.tenant.currency,
                end_replies=True,
            )
            records.people.add_person(person, now=now)
            records.people.add_identity(
                Identity(
                    channel=Channel.TELEGRAM,
                    subject=str(someone.id),
                    person_id=person.id,
                    private_chat=someone.id,
                ),
                username=someone.username,
            )
            records.people.set_role(product.home, person.id, Role(someone.key), now=now)

    await product.db.writer.run("demo.people", work)


async def _say_start(sandbox: RunningSandbox) -> None:
    """Opens the three private chats as people do, where they are empty still."""
    async with aiohttp.ClientSession() as session:
        for role in Role:
            async with session.get(f"{sandbox.url}/sandbox/chats/{role}/messages") as seen:
                said = (await seen.json()).get("messages", [])
            if not said:
                body = {"from": role.value, "chat": role.value, "text": "/start"}
                async with session.post(f"{sandbox.url}/sandbox/messages", json=body) as sent:
                    sent.raise_for_status()
