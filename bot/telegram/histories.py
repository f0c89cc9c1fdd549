"""/history: a list that pages by buttons, whose whole state is in the button."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bot.telegram.buttons import Page, PageButton
from bot.telegram.render import lists, texts
from bot.telegram.render.message import Shown
from bot.telegram.replies import say
from bot.telegram.turn import Speaker, Turn, settle
from core.digest import sha256_hex
from core.errors import InvalidInput
from core.ids import CallId, from_opaque, opaque
from core.lifecycle import Status
from core.model import Role
from core.ports import Records
from core.queries import HistoryFilter
from core.registry import ToolRegistry

ROWS: Final = 8
_LETTERS: Final[Mapping[Status, str]] = {
    Status.PROPOSED: "p",
    Status.PENDING: "q",
    Status.RUNNING: "r",
    Status.VALIDATING: "v",
    Status.COMPLETED: "c",
    Status.FAILED: "f",
    Status.TIMED_OUT: "t",
    Status.CANCELLED: "x",
    Status.DENIED: "d",
    Status.EXPIRED: "e",
    Status.INTERRUPTED: "i",
}
_WORDS: Final[Mapping[str, Status]] = {
    **{status.value: status for status in Status},
    "done": Status.COMPLETED,
    "waiting": Status.PROPOSED,
    "approved": Status.PENDING,
}


class Narrowed(Struct, frozen=True, kw_only=True):
    """What a history is narrowed to, small enough for a button: "scf.tab12cd.d7.m"."""

    statuses: frozenset[Status] = frozenset()
    tool: str | None = None
    days: int | None = None
    mine: bool = False

    def encode(self) -> str:
        """The text in a button."""
        parts = []
        if self.statuses:
            parts.append("s" + "".join(sorted(_LETTERS[status] for status in self.statuses)))
        if self.tool:
            parts.append("t" + _mark(self.tool))
        if self.days:
            parts.append(f"d{self.days}")
        if self.mine:
            parts.append("m")
        return ".".join(parts)

    @property
    def words(self) -> str:
        """What people read: "completed, failed · create_task · last 7 days"."""
        parts = [", ".join(sorted(status.value for status in self.statuses)), self.tool or ""]
        parts += [f"last {self.days} days" if self.days else "", "mine" if self.mine else ""]
        return " · ".join(part for part in parts if part) or "everything"


def read_filters(text: str, registry: ToolRegistry) -> Narrowed:
    """Reads "/history failed 7d create_task mine". Raises InvalidInput naming the word it does not know."""
    narrowed = Narrowed()
    for word in text.lower().replace(",", " ").split():
        days = re.fullmatch(r"(\d{1,3})d", word)
        if word in _WORDS:
            narrowed = replace(narrowed, statuses=narrowed.statuses | {_WORDS[word]})
        elif registry.find(word) is not None:
            narrowed = replace(narrowed, tool=word)
        elif days is not None and int(days[1]) > 0:
            narrowed = replace(narrowed, days=int(days[1]))
        elif word in {"mine", "me", "my"}:
            narrowed = replace(narrowed, mine=True)
        else:
            allowed = "a status such as completed or denied, a tool's name, 7d for seven days, or mine"
            raise InvalidInput(field="/history", given=word, allowed=f"it takes {allowed}")
    return narrowed


def decode_filters(text: str, registry: ToolRegistry) -> Narrowed:
    """Reads what `encode` wrote; what it does not know does not narrow."""
    narrowed = Narrowed()
    by_letter = {letter: status for status, letter in _LETTERS.items()}
    for part in text.split("."):
        if part.startswith("s"):
            found = frozenset(by_letter[letter] for letter in part[1:] if letter in by_letter)
            narrowed = replace(narrowed, statuses=found)
        elif part.startswith("t"):
            tool = next((tool.name for tool in registry if _mark(tool.name) == part[1:]), None)
            narrowed = replace(narrowed, tool=tool)
        elif part.startswith("d") and part[1:].isdigit():
            narrowed = replace(narrowed, days=int(part[1:4]))
        elif part == "m":
            narrowed = replace(narrowed, mine=True)
    return narrowed


async def first(turn: Turn, text: str) -> None:
    """The newest page."""
    speaker = await turn.front.reader.read(turn.speaker)
    if speaker.role is None:
        shown = texts.no_access(turn.user.id)
    else:
        shown = await _newest(turn, speaker, text)
    await turn.effect("history", lambda records: _send(records, turn, shown))


async def _newest(turn: Turn, speaker: Speaker, text: str) -> Shown:
    try:
        narrowed = read_filters(text, turn.front.env.registry)
    except InvalidInput as problem:
        return texts.refusal(problem)
    return await _page(turn, narrowed, speaker, cursor="")


async def turned(turn: Turn, argument: str, message_id: int) -> bool:
    """Newer or older, in place; False, with nothing shown, for somebody who is no member. The argument is
    "<n or o><opaque call id>.<filters>"."""
    speaker = await turn.front.reader.read(turn.speaker)
    if speaker.role is None:
        await turn.effect("stranger", lambda records: None)
        return False
    cursor, _, filters = argument.partition(".")
    shown = await _page(turn, decode_filters(filters, turn.front.env.registry), speaker, cursor=cursor)
    await turn.effect("history", lambda records: _send(records, turn, shown, edit=message_id))
    return True


async def _page(turn: Turn, narrowed: Narrowed, speaker: Speaker, *, cursor: str) -> Shown:
    call_id = from_opaque(cursor[1:])
    page = await turn.front.pages.history(
        _filter(turn, narrowed, speaker),
        older_than=CallId(call_id) if call_id and cursor.startswith("o") else None,
        newer_than=CallId(call_id) if call_id and cursor.startswith("n") else None,
        limit=ROWS,
    )
    return lists.history(
        page,
        narrowed_words=narrowed.words,
        newer=_button("n", page.newer, narrowed),
        older=_button("o", page.older, narrowed),
        now=turn.now.wall,
        timezone=speaker.timezone,
        titles=_titles(turn),
    )


def _titles(turn: Turn) -> Mapping[str, str] | None:
    """In a group, calls of tools with sensitive fields are listed by the tool's title alone."""
    return None if turn.private else lists.general_titles(turn.front.env.registry)


def _filter(turn: Turn, narrowed: Narrowed, speaker: Speaker) -> HistoryFilter:
    """Members and approvers page through their own calls, admins through everybody's."""
    own = narrowed.mine or speaker.role is not Role.ADMIN
    return HistoryFilter(
        tenant_id=speaker.tenant.id,
        statuses=narrowed.statuses,
        tool=narrowed.tool,
        requester=speaker.person.id if own and speaker.person else None,
        since=turn.now.wall - timedelta(days=narrowed.days) if narrowed.days else None,
    )


def _button(direction: str, cursor: CallId | None, narrowed: Narrowed) -> str | None:
    if cursor is None:
        return None
    return PageButton(Page.HISTORY, f"{direction}{opaque(cursor)}.{narrowed.encode()}").encode()


def _mark(tool: str) -> str:
    return sha256_hex(tool.encode())[:6]


def _send(records: Records, turn: Turn, shown: Shown, *, edit: int | None = None) -> None:
    settle(records, turn)
    say(records, turn, shown, edit=edit)
