"""What admins are told of a restore."""

from __future__ import annotations

from datetime import datetime

from bot.telegram.render.message import Shown
from bot.telegram.render.times import moment
from core.engine.restored import Restored


def restored(found: Restored, *, taken_at: datetime, now: datetime) -> Shown:
    """Which records these are now, what that changed, and what to look at."""
    return Shown(
        html=(
            f"⏪ <b>The records were restored</b> from a backup of {moment(taken_at, now=now)}. "
            "What happened since then is not in them.\n"
            f"{_calls(found)}\n"
            "Nothing runs before somebody signs again. Who signs should look first whether it has been done "
            "already.\n"
            "Roles and tokens are those of the backup: please look at /members."
        )
    )


def _calls(found: Restored) -> str:
    told = [
        f"Asked for again: {found.asked_again}.",
        f"Interrupted: {found.interrupted}." if found.interrupted else "",
        f"Out of time: {found.ended}." if found.ended else "",
        f"Schedules with a time meanwhile, not made up for: {found.passed}." if found.passed else "",
        f"Grants ended: {found.stopped.grants}." if found.stopped.grants else "",
        f"Invites ended: {found.stopped.invites}." if found.stopped.invites else "",
    ]
    return " ".join(part for part in told if part)
