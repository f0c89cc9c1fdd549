"""A call's attempts for people to read: how many it took, why each failed, and what carried it."""

from __future__ import annotations

from typing import Final

from bot.telegram.render.parts import Scene
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment
from core.lifecycle import Status
from core.model import WORKER_LOST, Attempt

_MOST: Final = 6
_ERROR_MOST: Final = 120
_ENDINGS: Final = {1: "st", 2: "nd", 3: "rd"}


def tried(scene: Scene) -> str:
    """What was special about it: that it took several attempts, or was carried by another adapter than the
    tool's own; "" for most calls."""
    begun = [each for each in scene.view.attempts if each.adapter is not None]
    if not begun:
        return ""
    by = _instead(scene, begun[-1])
    if len(begun) == 1:
        return f"🔁 Run{by}." if by else ""
    done = scene.view.call.status is Status.COMPLETED
    return f"🔁 {_nth(len(begun))}{by}." if done else f"🔁 Failed after {len(begun)} attempts{by}."


def attempts(scene: Scene) -> list[str]:
    """Each attempt that failed, and why; of many the last ones."""
    failed = [each for each in scene.view.attempts if each.error and each.adapter is not None]
    if len(scene.view.attempts) < 2:  # of one attempt the outcome says all
        return []
    earlier = len(failed) - _MOST
    last = [_failed(scene, one) for one in failed[-_MOST:]]
    return [f"… {earlier} earlier attempts", *last] if earlier > 0 else last


def again(scene: Scene) -> str:
    """Of a call that runs: which attempt it is; "" for the first."""
    live = scene.view.attempts[-1] if scene.view.attempts else None
    if live is None or live.number == 1:
        return ""
    before = scene.view.attempts[-2].error_class if len(scene.view.attempts) > 1 else WORKER_LOST
    lost = before in {None, WORKER_LOST}
    return f"attempt {live.number}{', the worker before it stopped' if lost else ''}"


def _failed(scene: Scene, attempt: Attempt) -> str:
    at, by = moment(attempt.started_at, now=scene.now), _instead(scene, attempt)
    why = brief(scene.clean(attempt.error or ""), _ERROR_MOST)
    return f"Attempt {attempt.number}, {at}{by}: <i>{why}</i>"


def _instead(scene: Scene, attempt: Attempt) -> str:
    """The adapter, where it is not the tool's own."""
    if scene.tool is None or attempt.adapter in {None, scene.tool.adapter}:
        return ""
    own, other = brief(scene.tool.adapter, 40), brief(str(attempt.adapter), 40)
    return f" over {other}, since {own} did not answer"


def _nth(count: int) -> str:
    teen = 10 < count % 100 < 20
    return f"Done at the {count}{'th' if teen else _ENDINGS.get(count % 10, 'th')} attempt"
