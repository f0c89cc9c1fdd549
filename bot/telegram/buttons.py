"""Button payloads: a verb, an opaque id and a revision, typed and never longer than Telegram's 64 bytes.

A payload proves nothing: whoever taps, what they may do and what they were shown is checked at every tap.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

from core.ids import CallId, RunId, from_opaque, opaque

MAX_BYTES: Final = 64


class Verb(StrEnum):
    """What a button on a call does."""

    APPROVE = "a"
    DENY = "d"
    CANCEL = "c"  # withdraw the call
    UNDO = "u"
    AGAIN = "g"  # ask again, or retry: a new call
    MARK_DONE = "md"
    MARK_NOT_DONE = "mn"
    RUN_AGAIN = "mr"
    DETAILS = "i"
    EDIT = "ed"  # opens the question which field to change
    EXTEND = "x"  # one hour more to decide
    REASONS = "r"  # opens the quick reasons for a denial
    TOO_EXPENSIVE = "ra"
    NOT_NOW = "rb"
    WRONG_DETAILS = "rc"
    NOT_ALLOWED = "rd"
    OTHER_REASON = "ro"  # asks for it in words
    SIMILAR = "w"  # opens the row of spans
    GRANT_HOUR = "wh"
    GRANT_TODAY = "wt"
    GRANT_CHAT = "wc"
    BACK = "b"  # closes such a row
    DENY_WITH_IT = "kd"  # what a reply to the card said is the reason
    APPROVE_WITH_IT = "ka"  # or the comment


class RunVerb(StrEnum):
    """What a button on a run does."""

    APPROVE_ALL = "pa"
    DENY_ALL = "pd"
    CANCEL_ALL = "pc"
    EXTEND_ALL = "px"  # one hour more to decide
    ONE_BY_ONE = "pe"  # opens the buttons of each step
    TOGETHER = "pt"  # closes them
    REPORT = "pr"  # what became of each step, as a file


class Page(StrEnum):
    """What a button on a list or a question does; its argument is small text."""

    HISTORY = "h"  # "<n or o><opaque call id>.<filters>": see `histories`
    CHOOSE = "y"  # "<message>.<number>" of a candidate of "Did you mean", or "<message>.none"
    SETTING = "s"  # "<name>=<value>"
    SAY = "e"  # an example of /start, by number
    MEMBER = "m"  # a page of /members, a person there, what to make of them: see `member_taps`
    INVITE = "j"  # the beginning of the hash of an open invite's code, to be ended
    TEAM = "t"  # what to do about one of one's teams, and its id: see `teams`
    FIELD = "f"  # "<opaque call id>.<revision>.<number of the field>" to be changed
    NEXT = "n"  # "<opaque call id>" after which the queue of /pending goes on
    GRANT = "v"  # "<r: revoke, p: page><opaque grant id>"
    ALARM = "al"  # "<opaque alarm id>": somebody has seen it
    STATUS = "st"  # "again": look again in place; "new": in a message of its own
    PAUSE = "ps"  # what to pause for how long, why, or which to resume: see `pausing`
    WEBHOOK = "wb"  # "<opaque webhook id>": what it did not take is sent again
    SCHEDULE = "sc"  # what to do, and about which: see `schedules`
    POLICY = "pl"  # the amount from which on to ask, or "usual"


class CallButton(Struct, frozen=True):
    """A button about one revision of one call."""

    verb: Verb
    call_id: CallId
    revision: int

    def encode(self) -> str:
        """The callback data: `<verb>:<22 characters>:<revision>`."""
        return f"{self.verb.value}:{opaque(self.call_id)}:{self.revision}"


class RunButton(Struct, frozen=True):
    """A button about a whole run. `revision` is `core.engine.runs.asked` of the steps that were shown."""

    verb: RunVerb
    run_id: RunId
    revision: int

    def encode(self) -> str:
        """The callback data, as of a button on a call."""
        return f"{self.verb.value}:{opaque(self.run_id)}:{self.revision}"


class PageButton(Struct, frozen=True):
    """A button about a list or a question. Raises ValueError where the data would not fit."""

    page: Page
    argument: str

    def encode(self) -> str:
        """The callback data: `<page>:<argument>`."""
        data = f"{self.page.value}:{self.argument}"
        if len(data.encode()) > MAX_BYTES:
            raise ValueError(f"button data of {len(data.encode())} bytes; Telegram takes {MAX_BYTES}")
        return data


_CALL: Final = re.compile(r"([a-z]{1,2}):([A-Za-z0-9_-]{22}):([0-9]{1,9})")
_PAGE: Final = re.compile(r"([a-z]{1,2}):([\x21-\x7e]{1,60})")


def decode(data: str | None) -> CallButton | RunButton | PageButton | None:
    """The payload that callback data spells exactly; None for anything forged, mutated or foreign."""
    if data is None or len(data) > MAX_BYTES:
        return None
    call = _CALL.fullmatch(data)
    if call is not None and call[1] in set(Verb):
        call_id = from_opaque(call[2])
        return None if call_id is None else CallButton(Verb(call[1]), CallId(call_id), int(call[3]))
    if call is not None and call[1] in set(RunVerb):
        run_id = from_opaque(call[2])
        return None if run_id is None else RunButton(RunVerb(call[1]), RunId(run_id), int(call[3]))
    page = _PAGE.fullmatch(data)
    if page is not None and page[1] in set(Page):
        return PageButton(Page(page[1]), page[2])
    return None
