"""Lists: history, what waits, audit; and one call in full."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from bot.telegram.buttons import CallButton, Verb
from bot.telegram.render.details import call_details
from bot.telegram.render.message import Button, Rows, Shown, in_rows
from bot.telegram.render.parts import NAME_MOST, SIGNS, WORDS, fitted, lines
from bot.telegram.render.safe import brief
from bot.telegram.render.times import local, moment, stamp, zone_of
from core.audit import AuditEvent
from core.model import ToolCall
from core.queries import HistoryRow, Page
from core.registry import ToolRegistry

__all__ = ["audit", "call_details", "general_titles", "history", "queue"]

_TITLE_MOST: Final = 70
_QUEUE: Final = 5
_FACTS_MOST: Final = 200
_DIGEST: Final = re.compile(r"^[0-9a-f]{64}$")
_LESS: Final = frozenset({"revision", "channel", "facts"})
_KINDS: Final[Mapping[str, str]] = {
    "call.proposed": "asked for, awaiting signature",
    "call.pending": "cleared to run",
    "call.vote": "a vote, more are needed",
    "call.approved": "signed, more are needed",
    "call.edited": "changed, to be signed anew",
    "call.extended": "given more time",
    "call.escalated": "others are asked as well",
    "call.reminded": "reminded",
    "call.rerouted": "others may sign now",
    "call.unreached": "nobody who may sign is reached",
    "call.ready": "its turn in the run",
    "call.requested": "asked for over HTTP",
    "grant.made": "a grant was made from it",
    "grant.spent": "let through by a grant",
    "grant.revoked": "its grant was revoked",
    "call.running": "started",
    "call.validating": "ran, being checked",
    "call.completed": "done",
    "call.failed": "failed",
    "call.timed_out": "timed out",
    "call.stop_asked": "asked to stop",
    "call.cancelled": "cancelled",
    "call.denied": "denied",
    "call.expired": "expired",
    "call.interrupted": "interrupted",
    "call.attempt": "started again",
    "call.late_result": "a late result was refused",
    "call.undone": "undone",
    "refused": "refused",
}


def history(
    page: Page,
    *,
    narrowed_words: str,
    now: datetime,
    timezone: str,
    newer: str | None = None,
    older: str | None = None,
    titles: Mapping[str, str] | None = None,
) -> Shown:
    """A page of calls, newest first. `newer` and `older` are the data of paging buttons, None at an end.

    `titles` by tool stand in for the calls' own (`general_titles`, for chats that are not private).
    """
    top = f"📜 <b>History</b> · <i>{brief(narrowed_words, 200)}</i>"
    zone = zone_of(timezone)
    rows = [_row(row, titles, local(row.created_at, now=now, zone=zone)) for row in page.rows]
    if not rows:
        return Shown(html=lines(top, "No calls here."), buttons=_paging(newer, older))
    example = page.rows[0].short_id
    bottom = f"Times in {brief(zone.key, 40)}. <code>/call {example}</code> shows one call in full."
    return Shown(html=fitted(top, rows, bottom), buttons=_paging(newer, older))


def _row(row: HistoryRow, titles: Mapping[str, str] | None, at: str) -> str:
    decided = f" → {brief(row.decided_by, NAME_MOST)}" if row.decided_by else ""
    aside = " — ⚠️ cannot be read, set aside" if row.set_aside else ""
    return (
        f"{SIGNS[row.status]} <code>#{row.short_id}</code> {_title(row, titles)} "
        f"{WORDS[row.status]} — <i>{brief(row.requester_name, NAME_MOST)}{decided}</i>, {at}{aside}"
    )


def _title(row: HistoryRow, titles: Mapping[str, str] | None) -> str:
    return f"<b>{brief((titles or {}).get(row.tool, row.title), _TITLE_MOST)}</b>"


def general_titles(registry: ToolRegistry) -> Mapping[str, str]:
    """What stands in a group's list for calls whose own titles may hold what only one person may see."""
    return {tool.name: tool.title for tool in registry if tool.sensitive}


def _paging(newer: str | None, older: str | None) -> Rows:
    row = []
    if newer is not None:
        row.append(Button(text="‹ Newer", data=newer))  # noqa: RUF001 - an arrow
    if older is not None:
        row.append(Button(text="Older ›", data=older))  # noqa: RUF001 - an arrow
    return (tuple(row),) if row else ()


def queue(
    rows: Sequence[HistoryRow],
    *,
    at: int,
    more: bool,
    show: str | None,
    following: str | None,
    now: datetime,
    titles: Mapping[str, str] | None = None,
) -> Shown:
    """What waits for this person's signature, oldest first, from number `at` (from 0) on. `show` and
    `following` are the data of the buttons that bring its card here and go on to the next one; `more`: there
    are others after these. `titles` as in `history`."""
    if not rows:
        return Shown(html="✅ Nothing waits for your signature.")
    if at >= len(rows):
        return Shown(html="📋 Nothing more waits for your signature.")
    count = f"{len(rows)} or more" if more else str(len(rows))
    seen = rows[at : at + _QUEUE]
    told = [
        f"{'▸' if row is rows[at] else '·'} <code>#{row.short_id}</code> {_title(row, titles)} — "
        f"<i>{brief(row.requester_name, NAME_MOST)}</i>, {moment(row.created_at, now=now)}"
        for row in seen
    ]
    after = len(rows) - at - len(seen)
    rest = f"… and {after} {'or more ' if more else ''}after these" if after > 0 else ""
    where = f", this is number {at + 1}" if len(rows) > 1 else ""
    buttons = [Button(text=f"🔍 Show #{rows[at].short_id}", data=show)] if show else []
    buttons += [Button(text=f"Next ▸ ({at + 2} of {count})", data=following)] if following else []
    return Shown(
        html=lines(f"📋 <b>{count} waiting</b> for your signature{where}", *told, rest),
        buttons=(tuple(buttons),) if buttons else (),
    )


def unsettled(rows: Sequence[HistoryRow], *, titles: Mapping[str, str] | None = None) -> Shown:
    """The calls whose end nobody saw and that this person may settle, with the way to their cards; "" where
    there are none."""
    if not rows:
        return Shown(html="")
    top = f"⚠️ <b>{len(rows)} interrupted</b>, needs your word: was it done?"
    told = [f"· <code>#{row.short_id}</code> {_title(row, titles)}" for row in rows]
    buttons = [
        Button(text=f"⚠️ Show #{row.short_id}", data=CallButton(Verb.DETAILS, row.id, 0).encode())
        for row in rows
    ]
    return Shown(html=lines(top, *told), buttons=in_rows(buttons, per_row=2))


def audit(call: ToolCall, events: Sequence[AuditEvent], *, names: Mapping[str, str]) -> Shown:
    """What happened to a call, oldest first, as the audit chain holds it. `names`: people's, by their ids."""
    top = f"🧾 <b>Audit</b> · <code>#{call.short_id}</code>"
    if not events:
        return Shown(html=lines(top, "There are no events of this call."))
    last = events[-1]
    bottom = (
        f"<i>Event {last.seq} has the hash {brief(last.hash[:16], 32)}…; "
        "countersign audit verify checks the chain.</i>"
    )
    return Shown(html=fitted(top, [_event(event, names) for event in events], bottom))


def _event(event: AuditEvent, names: Mapping[str, str]) -> str:
    facts = _facts(event.content)
    name = names.get(event.actor, event.actor)
    words = _KINDS.get(event.kind, event.kind)
    return f"{event.seq}. {stamp(event.at)} <b>{brief(words, 60)}</b> by <i>{brief(name, NAME_MOST)}</i>" + (
        f"\n    <code>{brief(facts, _FACTS_MOST)}</code>" if facts else ""
    )


def _facts(content: str) -> str:
    """The facts of an event on one line; its raw content where that is not what it should be."""
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if not isinstance(read, dict):
        return content
    told = {name: value for name, value in read.items() if name not in _LESS and value is not None}
    return ", ".join(f"{name}: {_DIGEST.sub(_short_digest, str(value))}" for name, value in told.items())


def _short_digest(found: re.Match[str]) -> str:
    return f"{found[0][:12]}…"
