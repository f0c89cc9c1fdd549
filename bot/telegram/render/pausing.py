"""/pause and /resume for people to read: what is paused, by whom, why, until when, and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bot.telegram.buttons import Page, PageButton
from bot.telegram.render.message import DANGER, SUCCESS, Button, Rows, Shown, in_rows
from bot.telegram.render.parts import Scene, fitted, lines, person
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment
from core.engine.switches import Paused, Resumed
from core.ids import SwitchId, opaque
from core.model import Switch, Target

REASONS: Final = ("incident", "maintenance", "deploy freeze")
"""The usual reasons, to be tapped."""
QUICK: Final = ((15, "15 min"), (60, "1 h"), (0, "until resumed"))
HERE: Final = "e"
EVERYWHERE: Final = "w"
_REASON_MOST: Final = 220


def page(live: Sequence[Switch], *, everywhere: bool, now: datetime) -> Shown:
    """/pause alone: what is paused, and the buttons to pause everything. `everywhere`: of all teams too."""
    top = "⏸ <b>Paused</b>" if live else "▶️ <b>Nothing is paused.</b>"
    bottom = lines(
        "Pause everything:" if not everywhere else "Pause everything, of this team or of all:",
        "<i>Or say it: </i><code>/pause tool create_task for 2h deploy freeze</code>",
    )
    rows = [_quick(HERE, "⏸ ")]
    if everywhere:
        rows.append(_quick(EVERYWHERE, "⏸ All teams, "))
    return Shown(
        html=fitted(top, [f"• {words(each, now=now)}" for each in live], bottom),
        buttons=(*rows, *_resumes(live)),
    )


def why(told: str, *, name: str) -> Shown:
    """Asks for the reason. `told` is what is to be paused, in plain words of ours and a tool's name."""
    buttons = [
        Button(text=reason.capitalize(), data=_data(f"q{number}")) for number, reason in enumerate(REASONS)
    ]
    return Shown(
        html=lines(
            f"⏸ {person(name)}, why is <b>{brief(told, 80)}</b> to be paused?",
            "<i>Write the reason, or tap one: with it, the pause begins. Everybody who waits reads it. "
            "Until then nothing is paused; /cancel leaves it.</i>",
        ),
        buttons=(*in_rows(buttons, per_row=3), (Button(text="‹ Leave it", data=_data("l")),)),  # noqa: RUF001 - an arrow
    )


def paused(done: Paused, *, now: datetime, running: int = 0) -> Shown:
    """To whoever paused: it holds from now on. `running`: so many calls it covers still run."""
    switch = done.switch
    buttons = [_resume(switch)]
    if running and not done.stopping:
        stop = Button(text=f"⏹ Also stop what runs ({running})", data=_switch("s", switch.id), style=DANGER)
        buttons.insert(0, stop)
    return Shown(
        html=lines(
            f"⏸ {_capital(words(switch, now=now))}.",
            "That was so before." if done.repeated else "Nothing that it covers starts from now on.",
            _running(done, running),
            f"{_calls(done.waiting)} for it to end." if done.waiting else "",
            "Asking and approving still work; what is approved is taken once the pause ends.",
        ),
        buttons=tuple((button,) for button in buttons),
    )


def resumed(done: Resumed) -> Shown:
    """To whoever resumed."""
    after = f" {_calls(done.waiting)}; they are taken in order." if done.waiting else ""
    return Shown(html=f"▶️ <b>Resumed</b>: {_what(done.switch)}.{after}")


def told(switch: Switch, kind: str, *, now: datetime) -> Shown:
    """To the other admins: something was paused, resumed, or ended by itself."""
    if kind == "paused":
        return Shown(html=f"⏸ {_capital(words(switch, now=now))}.", buttons=((_resume(switch),),))
    how = "The time of the pause is over" if kind == "ended" else "Resumed"
    return Shown(
        html=f"▶️ {how}: {_what(switch)}, paused by {person(switch.by_name)}. What waited is taken now."
    )


def which(live: Sequence[Switch], *, now: datetime) -> Shown:
    """/resume where several things are paused, or none."""
    if not live:
        return Shown(html="▶️ Nothing is paused here. Nothing was changed.")
    rows = [f"• {words(each, now=now)}" for each in live]
    return Shown(html=fitted("⏸ <b>What is to be resumed?</b>", rows, ""), buttons=_resumes(live))


def above(switch: Switch, *, now: datetime) -> str:
    """A line over what waits for a signature."""
    return f"⏸ {_capital(words(switch, now=now))}. Signing works; what is signed runs afterwards."


def words(switch: Switch, *, now: datetime) -> str:
    """One pause on one line."""
    until = f", until {moment(switch.until, now=now)}" if switch.until is not None else ""
    return (
        f"{_what(switch)} is paused by {person(switch.by_name)}: "
        f"<i>{brief(switch.reason, _REASON_MOST)}</i>{until}"
    )


def held(scene: Scene) -> str:
    """Why a call that is pending does not start now; "" where nothing holds it."""
    view = scene.view
    if not view.held:
        return ""
    until = f", until {moment(view.held_until, now=scene.now)}" if view.held_until is not None else ""
    return f"⏸ <i>{brief(view.held, _REASON_MOST + 80)}</i>{until}"


def _what(switch: Switch) -> str:
    teams = " of all teams" if switch.tenant_id is None else ""
    if switch.target is Target.EVERYTHING:
        return f"<b>everything</b>{teams}"
    return f"{switch.target.value} <code>{brief(switch.name, 60)}</code>{teams}"


def _running(done: Paused, running: int) -> str:
    if done.stopping:
        number = len(done.stopping)
        return f"{'1 running call was' if number == 1 else f'{number} running calls were'} asked to stop."
    return f"What runs ({running}) goes on to its end." if running else ""


def _calls(number: int) -> str:
    return "1 call waits" if number == 1 else f"{number} calls wait"


def _capital(text: str) -> str:
    return (
        text.replace("<b>everything</b>", "<b>Everything</b>", 1) if text.startswith("<b>") else f"The {text}"
    )


def _quick(kind: str, before: str) -> tuple[Button, ...]:
    return tuple(Button(text=f"{before}{label}", data=_data(f"{kind}{minutes}")) for minutes, label in QUICK)


def _resumes(live: Sequence[Switch]) -> Rows:
    return tuple((_resume(each, named=len(live) > 1),) for each in live[:10])


def _resume(switch: Switch, *, named: bool = False) -> Button:
    name = switch.name or "everything"
    teams = ", all teams" if switch.tenant_id is None else ""
    label = f"▶️ Resume {name[:30]}{teams}" if named or teams else "▶️ Resume"
    return Button(text=label, data=_switch("r", switch.id), style=SUCCESS)


def _switch(kind: str, switch_id: SwitchId) -> str:
    return _data(f"{kind}{opaque(switch_id)}")


def _data(argument: str) -> str:
    return PageButton(Page.PAUSE, argument).encode()
