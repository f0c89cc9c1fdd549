"""To admins: what became of the file of schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from bot.telegram.render.message import Shown
from bot.telegram.render.parts import fitted, lines
from bot.telegram.render.safe import brief

_NAMES_MOST: Final = 300


class Taken(Protocol):
    """What is told of it; see `bot.schedules_in_force.Taken`."""

    @property
    def entries(self) -> int: ...  # noqa: D102
    @property
    def added(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def changed(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def ended(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def idle(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def problem(self) -> str: ...  # noqa: D102


def taken(found: Taken) -> Shown:
    """What is in force now, or why nothing was changed."""
    if found.problem:
        return Shown(
            html=lines(
                "⚠️ <b>The file of schedules changed, and cannot be used</b>. Nothing was changed: the "
                "schedules of before go on.",
                brief(found.problem, 700),
                "Please mend it; I look again as soon as it is saved.",
            )
        )
    many = f"{found.entries} schedule{'' if found.entries == 1 else 's'}"
    top = lines(
        f"🗓 <b>The file of schedules is in force</b>. It has {many}.",
        *_named("New", found.added),
        *_named("Changed", found.changed),
        *_named("Ended", found.ended),
    )
    rows = [
        f"⚠️ Not in force: <b>{brief(name, 80)}</b> — {brief(why, 300)}" for name, why in found.idle.items()
    ]
    return Shown(html=fitted(top, rows, "/schedules shows them."))


def _named(word: str, names: Sequence[str]) -> list[str]:
    return [f"{word}: {brief(', '.join(names), _NAMES_MOST)}"] if names else []
