"""What the card of a call says of the schedule that it was made by."""

from __future__ import annotations

from typing import Final

from bot.telegram.render.parts import Scene
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment
from core.engine.fire import LATE
from core.schedule_rules import in_words

_WORDS_MOST: Final = 120


def occasion(scene: Scene) -> str:
    """The schedule in words, and where the call was made late, when it was due; "" without one."""
    found = scene.view.occasion
    if found is None:
        return ""
    said = in_words(found.rule)
    late = scene.view.call.created_at - found.at >= LATE
    due = f", late: it was due {moment(found.at, now=scene.now)}" if late else ""
    return f"🗓 Scheduled{'' if said == 'once' else f': {brief(said, _WORDS_MOST)}'}{due}"
