"""/webhooks: where other programs are told what was done, and what they did not take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from bot.telegram.render.message import Button, Shown, in_rows
from bot.telegram.render.parts import dotted, lines
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment
from core.addresses import shown_url
from core.ids import short_id
from core.model import DeadLetter, SignalKind, Webhook

_URL_MOST: Final = 80
_ERROR_MOST: Final = 120
_WORDS: Final[Mapping[SignalKind, str]] = {
    SignalKind.ACTION_EXECUTED: "done",
    SignalKind.ACTION_FAILED: "failed",
    SignalKind.EXECUTION_FINISHED: "ends of runs",
    SignalKind.TASK_STARTED: "started",
    SignalKind.TASK_COMPLETED: "completed",
    SignalKind.TASK_FAILED: "not completed",
}


class Told(Struct, frozen=True, kw_only=True):
    """One webhook, how many signals it did not take, and the newest of them. `replay`: its button's data."""

    webhook: Webhook
    dead: int
    last: DeadLetter | None
    replay: str


def webhooks(found: Sequence[Told], *, more: int, now: datetime) -> Shown:
    """All webhooks of a team, each with its state."""
    if not found:
        return Shown(
            html=lines(
                "🪝 <b>No other program is told</b> what is done here.",
                "<i>“countersign webhook add”, on the machine that I run on, makes that so.</i>",
            )
        )
    replays = [
        Button(text=f"🔁 Replay {short_id(each.webhook.id)}", data=each.replay) for each in found if each.dead
    ]
    return Shown(
        html=lines(
            "🪝 <b>Who is told what is done here</b>",
            *(_one(each, now=now) for each in found),
            f"And {more} more: “countersign webhook list”." if more else "",
            "<i>Replay sends everything that was not taken once more.</i>" if replays else "",
        ),
        buttons=in_rows(replays, per_row=2),
    )


def _one(told: Told, *, now: datetime) -> str:
    hook = told.webhook
    kinds = ", ".join(words for kind, words in _WORDS.items() if kind in hook.kinds)
    return lines(
        f"{_sign(told)} <code>#{short_id(hook.id)}</code> <i>{brief(shown_url(hook.url), _URL_MOST)}</i>",
        f"    {dotted(_state(told, now=now), f'told of: {kinds}')}",
        _dead(told),
    )


def _sign(told: Told) -> str:
    return "🔴" if told.dead else "🟠" if told.webhook.tries else "🟢"


def _state(told: Told, *, now: datetime) -> str:
    hook = told.webhook
    if not hook.tries:
        return "takes what it is sent" if not told.dead else "goes on"
    times = "once" if hook.tries == 1 else f"{hook.tries} times"
    return f"tried the next one {times}, again at {moment(hook.not_before, now=now)}"


def _dead(told: Told) -> str:
    if told.last is None:
        return ""
    again = " Being sent again." if told.last.asked_at is not None else ""
    number = "1 signal" if told.dead == 1 else f"{told.dead} signals"
    return f"    {number} not taken: <i>{brief(told.last.error, _ERROR_MOST)}</i>.{again}"
