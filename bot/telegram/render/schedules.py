"""Schedules as messages: one that was made, the list of them, what became of one. What people wrote comes in
raw and is made safe here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from bot.telegram.buttons import Page, PageButton
from bot.telegram.render.message import DANGER, Button, Rows, Shown
from bot.telegram.render.parts import lines, person
from bot.telegram.render.safe import brief
from bot.telegram.render.times import local, zone_of
from core.approvals import who_may_sign
from core.engine.fire import MADE_UP_FOR, Notice, Told
from core.ids import PersonId, opaque
from core.model import PolicyDecision, Schedule, Verdict
from core.registry import ToolRegistry
from core.schedule_rules import in_words

_TITLE_MOST: Final = 160
_REASON_MOST: Final = 300
FORMS: Final = (
    "every monday 9:00 expense 12 EUR coffee",
    "every weekday at 8am list tasks",
    "every 1st of the month 9:00 list expenses",
    "tomorrow 8am create task: call the bank",
    "in 2 hours list tasks",
)


class Reading(Struct, frozen=True, kw_only=True):
    """Who reads, and where: times are shown in their zone, and hidden values only to them alone."""

    registry: ToolRegistry
    zone: str
    private: bool
    now: datetime
    names: Mapping[PersonId, str]
    reader: PersonId | None


def made(
    schedule: Schedule, reading: Reading, *, verdict: Verdict | None = None, fresh: bool = True
) -> Shown:
    """A schedule by itself, with its buttons. `verdict` is what policy says of its calls today."""
    state = "⏸ <b>Paused</b>" if schedule.paused_at else "🗓 <b>Scheduled</b>"
    if schedule.ended_at is not None:
        state = "🗑 <b>Schedule ended</b>"
    return Shown(
        html=lines(
            f"{state} · <code>#{schedule.short_id}</code>",
            f"<b>{_title(schedule, reading)}</b>",
            _when(schedule, reading),
            _each_time(verdict) if fresh else "",
            "<i>/schedules lists them all.</i>" if fresh else "",
        ),
        buttons=() if schedule.ended_at is not None else (_buttons(schedule, alone=True),),
    )


def listed(
    found: Sequence[Schedule], reading: Reading, *, following: bool, begun: bool, first: int = 1
) -> Shown:
    """A page of schedules. `following`: there are more behind it; `begun`: there are some before it."""
    paging = _paging(found, following=following, begun=begun)
    if not found:
        return Shown(
            html=lines(
                "🗓 <b>Nothing is scheduled</b> here.",
                "Begin a sentence with a time, and it is asked for then:",
                *_examples(),
            ),
            buttons=paging,
        )
    rows = [_row(number, each, reading) for number, each in enumerate(found, first)]
    buttons = [_buttons(each, alone=False, number=number) for number, each in enumerate(found, first)]
    return Shown(html=lines("🗓 <b>What is scheduled</b>", *rows), buttons=(*buttons, *paging))


def shall_it_go(schedule: Schedule, reading: Reading, *, alone: bool) -> Shown:
    """Asks whether a schedule is to be deleted."""
    return Shown(
        html=lines(
            f"🗑 Delete this schedule for good? · <code>#{schedule.short_id}</code>",
            f"<b>{_title(schedule, reading)}</b>",
            _when(schedule, reading),
            "<i>What it has done stays as it is.</i>",
        ),
        buttons=(
            (
                Button(text="🗑 Yes, delete", data=data("x", schedule, alone=alone), style=DANGER),
                Button(text="Keep it", data=data("k", schedule, alone=alone)),
            ),
        ),
    )


def what_then(when: str) -> Shown:
    """A time, and nothing to do."""
    return Shown(
        html=lines(
            f"🤔 I know when ({brief(when, 100)}), and not what to do then. Nothing was scheduled.",
            "Say both in one sentence, such as:",
            *_examples(),
        )
    )


def not_understood(when: str, said: str) -> Shown:
    """A time, and something that was not understood."""
    return Shown(
        html=lines(
            f"🤷 I know when ({brief(when, 100)}), and did not understand what to do then: "
            f"<i>{brief(said, 200)}</i>. Nothing was scheduled.",
            "/tools shows everything I can do.",
        )
    )


def one_at_a_time() -> Shown:
    """Several actions behind one time."""
    return Shown(
        html="✋ A schedule does one thing, and these are several. Please say the time before each of them, "
        "in a message of its own. Nothing was scheduled."
    )


def known_forms(*, asked: bool = False) -> Shown:
    """What can be said. `asked`: somebody wrote /schedule and nothing else."""
    told = (
        "🗓 <b>Begin a sentence with a time</b>, and it is asked for then:"
        if asked
        else "🤷 I do not know that kind of repetition. Nothing was scheduled. What I know:"
    )
    return Shown(html=lines(told, *_examples(), "<i>/schedules lists what there is.</i>" if asked else ""))


def question(why: str) -> Shown:
    """Asks for a time that was not clear."""
    return Shown(html=lines(f"🗓 {brief(why, 300)}", "<i>Just write it, or /cancel to leave it.</i>"))


def notice(told: Notice, reading: Reading) -> Shown:
    """What became of a schedule, to whom it concerns."""
    schedule, over = told.schedule, told.schedule.ended_at is not None
    title, name = _title(schedule, reading), f"<code>#{schedule.short_id}</code>"
    was = brief(local(told.at, now=reading.now, zone=zone_of(schedule.timezone)), 40)
    if told.what is Told.LEFT:
        return Shown(
            html=lines(
                f"🗑 <b>Schedule ended</b> · {name}",
                f"<b>{title}</b>",
                "Who made it is not in the team any more. Nothing was done; it can be made anew.",
            )
        )
    if told.what is Told.MISSED:
        hours = int(MADE_UP_FOR.total_seconds()) // 3600
        return Shown(
            html=lines(
                f"⏰ <b>Missed</b> · {name}",
                f"<b>{title}</b>",
                f"It was due {was}, when I was not running: more than {hours} h ago, so it was not done.",
                "It was for that one time." if over else _when(schedule, reading),
            )
        )
    return Shown(
        html=lines(
            f"⏸ <b>{'Not done' if over else 'Schedule paused'}</b> · {name}",
            f"<b>{title}</b>",
            f"It was due {was} and could not be asked for: <i>{brief(told.why, _REASON_MOST)}</i>",
            "" if over else "Resume it once that is mended, or delete it.",
        ),
        buttons=() if over else (_buttons(schedule, alone=True),),
    )


def data(kind: str, schedule: Schedule, *, alone: bool) -> str:
    """The data of a button about a schedule; in capitals where the message is about it alone."""
    return PageButton(Page.SCHEDULE, f"{kind.upper() if alone else kind}{opaque(schedule.id)}").encode()


def _row(number: int, schedule: Schedule, reading: Reading) -> str:
    whose = reading.names.get(schedule.requester_id, "somebody who left")
    by = "" if schedule.requester_id == reading.reader else f" · by {person(whose)}"
    source = " · from the file" if schedule.source else ""
    return lines(
        f"{number}. <b>{_title(schedule, reading)}</b> · <code>#{schedule.short_id}</code>",
        f"    {_when(schedule, reading)}{by}{source}",
    )


def _when(schedule: Schedule, reading: Reading) -> str:
    """The rule in words, and the next time in the zone of who reads."""
    if schedule.ended_at is not None:
        return ""
    said = in_words(schedule.rule)
    theirs = "" if schedule.timezone == reading.zone else f" ({brief(schedule.timezone, 40)})"
    rule = "" if said == "once" else f"{brief(said[:1].upper() + said[1:], 200)}{theirs}, "
    if schedule.paused_at is not None:
        return f"{rule}paused: its times pass" if rule else "Paused: its time passes"
    if schedule.next_at is None:
        return ""
    there = local(schedule.next_at, now=reading.now, zone=zone_of(reading.zone))
    today = "today " if len(there) == len("00:00") else ""
    return f"{rule}{'next' if rule else 'Once,'} {today}{there} {brief(reading.zone, 40)}"


def _each_time(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    if verdict.decision is PolicyDecision.ALLOW:
        return "Runs by itself then."
    return f"A card asks for the signature of {brief(who_may_sign(verdict), 200)} then."


def _title(schedule: Schedule, reading: Reading) -> str:
    tool = reading.registry.find(schedule.tool)
    hidden = tool is not None and not reading.private and bool(tool.sensitive & schedule.arguments.keys())
    return brief(tool.title if tool is not None and hidden else schedule.title, _TITLE_MOST)


def _buttons(schedule: Schedule, *, alone: bool, number: int | None = None) -> tuple[Button, ...]:
    mark = "" if number is None else f" {number}"
    paused = schedule.paused_at is not None
    hold = Button(
        text=f"▶️ Resume{mark}" if paused else f"⏸ Pause{mark}",
        data=data("r" if paused else "p", schedule, alone=alone),
    )
    if schedule.source:
        return (hold,)
    return hold, Button(text=f"🗑 Delete{mark}", data=data("d", schedule, alone=alone), style=DANGER)


def _paging(found: Sequence[Schedule], *, following: bool, begun: bool) -> Rows:
    row: list[Button] = []
    if begun:
        row.append(Button(text="‹ First", data=PageButton(Page.SCHEDULE, "l").encode()))  # noqa: RUF001
    if following:
        row.append(Button(text="More ›", data=data("l", found[-1], alone=False)))  # noqa: RUF001
    return (tuple(row),) if row else ()


def _examples() -> list[str]:
    return [f"• <i>{each}</i>" for each in FORMS]
