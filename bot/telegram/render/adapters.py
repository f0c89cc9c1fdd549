"""Adapters in safe mode, for admins to read."""

from __future__ import annotations

from bot.telegram.render.message import Shown
from bot.telegram.render.parts import lines
from bot.telegram.render.safe import brief
from core.model import Breaker


def safe_mode(breaker: Breaker) -> Shown:
    """Calls queue from now on."""
    name = brief(breaker.adapter, 60)
    return Shown(
        html=lines(
            f"🛟 <b>Safe mode: {name} does not answer</b> (failed {breaker.failures} times in a row).",
            "Calls that need it are asked for and signed as ever; then they queue instead of failing. "
            "I try it from time to time; once it answers they run, in order.",
            f"Please see to {name}. /status shows how it stands.",
        )
    )


def back(adapter: str) -> Shown:
    """They run again."""
    return Shown(html=f"✅ <b>{brief(adapter, 60)} answers again</b>. What waited for it runs now, in order.")
