"""Looking at everything that a bot needs, from outside: what is wrong, and how to mend it.

Nothing is changed and no lock is taken, so that it may be done beside a running bot as well.
"""

from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from msgspec import Struct

from bot.config import Settings, holds_secret
from bot.health import LOW_DISK_BYTES
from core.adapters import Adapter
from core.errors import ConfigError
from core.registry import ToolRegistry

_PATIENCE: Final = aiohttp.ClientTimeout(total=15)
_SKEW_S: Final = 30.0
"""From where on a clock is wrong enough to be mended; Telegram's own header is exact to a second."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `ok` None: it is not set up, or could not be told. `remedy` says what to
    do, where something is to be done."""

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""


def good(name: str, detail: str) -> Check:
    """Nothing to do."""
    return Check(name=name, ok=True, detail=detail)


def bad(name: str, detail: str, remedy: str) -> Check:
    """To be mended."""
    return Check(name=name, ok=False, detail=detail, remedy=remedy)


def untold(name: str, detail: str) -> Check:
    """Not set up, or not to be told."""
    return Check(name=name, ok=None, detail=detail)


# --- Telegram -----------------------------------------------------------------------------------------------


async def telegram(settings: Settings, *, now: Callable[[], datetime]) -> Sequence[Check]:
    """The token, who else takes its updates, this machine's clock, and the approvers' chat."""
    token = settings.telegram.token
    if token is None:
        remedy = "Ask @BotFather for one and give it with `countersign init`, or in telegram.token_file."
        return [bad("token", "telegram.token is not set", remedy)]
    api = _Api(settings, token.get_secret_value())
    proxy = settings.telegram.proxy
    try:
        async with aiohttp.ClientSession(
            timeout=_PATIENCE, proxy=None if proxy is None else proxy.get_secret_value()
        ) as session:
            me = await api.call(session, "getMe")
            found = [_token(me), _clock(me, now=now())]
            if me.result is not None:
                found.append(_webhook(await api.call(session, "getWebhookInfo")))
                found += await _approvers(settings, api, session)
            return found
    except (aiohttp.ClientError, TimeoutError) as error:
        # Not the error's own text, which may hold the address and with it the token.
        detail = f"{settings.telegram.api_base_url} cannot be reached ({type(error).__name__})"
        return [bad("telegram", detail, "Check the network, telegram.api_base_url and telegram.proxy.")]


class _Answer(Struct, frozen=True):
    status: int
    result: Any  # None where the API refused
    description: str
    date: str | None


class _Api:
    def __init__(self, settings: Settings, token: str) -> None:
        self._base = f"{settings.telegram.api_base_url}/bot{token}"

    async def call(self, session: aiohttp.ClientSession, method: str, **parameters: Any) -> _Answer:
        async with session.post(f"{self._base}/{method}", json=parameters) as response:
            try:
                body = await response.json(content_type=None)
            except ValueError:
                body = None
            told = body if isinstance(body, dict) else {}
            result = told.get("result") if told.get("ok") else None
            return _Answer(
                response.status, result, str(told.get("description", "")), response.headers.get("Date")
            )


def _token(me: _Answer) -> Check:
    if isinstance(me.result, dict):
        return good("token", f"@{me.result.get('username')}")
    if me.status in (401, 404):
        return bad("token", "no bot has this token", "Copy it from @BotFather once more (/mybots shows it).")
    return bad("token", f"the Bot API answered {me.status}", "Check telegram.api_base_url, or try again.")


def _clock(me: _Answer, *, now: datetime) -> Check:
    try:
        there = parsedate_to_datetime(me.date or "")
    except ValueError:
        return untold("clock", "Telegram gave no time to compare with")
    off = (now - there.replace(tzinfo=there.tzinfo or UTC)).total_seconds()
    if abs(off) <= _SKEW_S:
        return good("clock", "agrees with Telegram's")
    word = "fast" if off > 0 else "slow"
    remedy = "Set it, and keep it by NTP (`timedatectl set-ntp true`): expiries and tokens live by it."
    return bad("clock", f"{abs(off):.0f} s {word}", remedy)


def _webhook(info: _Answer) -> Check:
    url = info.result.get("url") if isinstance(info.result, dict) else None
    if url is None:
        return untold("updates", "the Bot API did not say who takes them")
    if url:
        host = str(url).split("/")[2] if "//" in str(url) else "somebody"
        remedy = "Take it away with deleteWebhook, or use a bot of its own: only one can take its updates."
        return bad("updates", f"a webhook at {host} takes them, so this bot gets none", remedy)
    waiting = int(info.result.get("pending_update_count", 0))
    return good("updates", f"no webhook is set, {waiting} wait; only one process may poll")


async def _approvers(settings: Settings, api: _Api, session: aiohttp.ClientSession) -> list[Check]:
    chat = settings.telegram.approvers_chat
    if chat is None:
        return [untold("approvers' chat", "none is set: approvers are asked in private")]
    answer = await api.call(session, "getChat", chat_id=chat)
    if isinstance(answer.result, dict):
        title = answer.result.get("title") or answer.result.get("first_name") or chat
        return [good("approvers' chat", str(title))]
    remedy = "Add the bot to that group, or correct telegram.approvers_chat (groups' ids are negative)."
    return [bad("approvers' chat", f"{chat}: {answer.description or answer.status}", remedy)]


# --- this machine -------------------------------------------------------------------------------------------


def machine(settings: Settings, *, config: Path | None) -> Sequence[Check]:
    """The data folder and its space, who may read secrets, the HTTP key, mail."""
    return [
        _folder(settings.storage.folder),
        _space(settings.storage.folder),
        *_secret_files(settings, config),
        _http(settings),
        untold("mail", "not set up: this version sends and reads none"),
    ]


def _folder(folder: Path) -> Check:
    if not folder.is_dir():
        return untold("data folder", f"{folder} is not there yet; the first start makes it")
    if folder.stat().st_mode & _OTHERS:
        detail = f"{folder} can be read by others on this machine"
        return bad("data folder", detail, f"chmod 700 {folder}")
    return good("data folder", str(folder))


def _space(folder: Path) -> Check:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / 1024**3:.1f} GB free"
    if free > LOW_DISK_BYTES:
        return good("space", detail)
    remedy = f"Make room on the disk of {there}; `countersign prune --dry-run` says what could go."
    return bad("space", detail, remedy)


def _secret_files(settings: Settings, config: Path | None) -> Iterable[Check]:
    files = {
        "telegram.token_file": settings.telegram.token_file,
        "http.key_file": settings.http.key_file,
        "metrics.token_file": settings.metrics.token_file,
        "config": config if config is not None and holds_secret(config) else None,
    }
    for name, path in files.items():
        if path is not None and path.is_file() and path.stat().st_mode & _OTHERS:
            yield bad(
                "secrets", f"{path} ({name}) can be read by others on this machine", f"chmod 600 {path}"
            )


def _http(settings: Settings) -> Check:
    http = settings.http
    if not http.enabled:
        return untold("http", "the door is closed")
    if http.key is None:
        return good("http", "tokens of another issuer only")
    # The settings take no shorter one than 32 bytes.
    return good("http", f"a key of {len(http.key.get_secret_value().encode())} bytes")


# --- tools --------------------------------------------------------------------------------------------------


def policy(settings: Settings, load: Callable[[Path | None], object]) -> Check:
    """The policy file."""
    file = settings.policy.file
    try:
        load(file)
    except ConfigError as error:
        return bad("policy", error.message, "Mend it; `countersign policy check` tells more.")
    return good("policy", "by risk only, no file" if file is None else str(file))


def schedules(settings: Settings, load: Callable[[Path | None], object]) -> Check:
    """The file of schedules."""
    file = settings.schedules.file
    try:
        load(file)
    except ConfigError as error:
        return bad("schedules", error.message, "Mend it; until then what is in force stays.")
    return untold("schedules", "no file") if file is None else good("schedules", str(file))


async def adapters(declared: Iterable[Adapter], registry: ToolRegistry) -> Sequence[Check]:
    """Those that have a health check, each asked now."""
    found = [await _adapter(each) for each in declared]
    return found or [untold("adapters", f"{len(list(registry))} tools, none of whose adapters has a check")]


async def _adapter(adapter: Adapter) -> Check:
    name = f"adapter {adapter.name}"
    if adapter.check is None:
        return untold(name, "has no check")
    try:
        await asyncio.wait_for(_done(adapter.check()), 15)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it is what is told
        told = str(error) or type(error).__name__
        return bad(name, told, "Mend what it connects to; until then its calls wait.")
    return good(name, "answers")


async def _done(work: Awaitable[None]) -> None:
    await work
