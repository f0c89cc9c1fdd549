"""/pause and /resume: the kill switch in chat. Whether somebody may is decided by the verbs, each time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from telegram import Message

from bot.telegram.asking import open_question, put
from bot.telegram.render import pausing as render
from bot.telegram.render import texts, toasts
from bot.telegram.render.message import Shown
from bot.telegram.render.times import zone_of
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import say
from bot.telegram.turn import Turn, known_person, rest_of, settle
from core.engine import Refused
from core.engine.held import stopped_for
from core.engine.switches import (
    Paused,
    is_everywhere,
    listed,
    pause,
    resume,
    resume_one,
    running_under,
    stop_running,
)
from core.errors import InvalidInput
from core.ids import SwitchId, TenantId, from_opaque
from core.model import Principal, Role, Switch, Target
from core.parsing.pausing import PauseWish, read_pause, read_resume
from core.ports import Dialogue, Records

WHY: Final = "why_pause"
"""A dialogue that waits for the reason of a pause."""
ANSWERED_WITHIN: Final = timedelta(minutes=10)
"""Whatever is said later is no reason: nobody pauses everything by surprise."""


async def paused(turn: Turn, message: Message) -> None:
    """/pause, alone or with what, until when and why."""
    rest = rest_of(message)
    await turn.effect("command", lambda records: _pause_command(records, turn, message, rest))


async def resumed(turn: Turn, message: Message) -> None:
    """/resume, alone or with what."""
    rest = rest_of(message)
    await turn.effect("command", lambda records: _resume_command(records, turn, rest))


def asks_why(dialogue: Dialogue | None, turn: Turn) -> bool:
    """Whether what the person says now is the reason that they were asked for."""
    return dialogue is not None and dialogue.kind == WHY and turn.now.wall - dialogue.at <= ANSWERED_WITHIN


async def reasoned(turn: Turn, text: str) -> None:
    """The reason came: the pause begins."""

    def work(records: Records) -> None:
        by = _caller(records, turn)
        state = _asked(records, turn, by)
        say(records, turn, texts.left() if state is None else _pause(records, turn, by, state, text))

    await turn.effect("said", work)


async def tap(turn: Turn, argument: str, message_id: int) -> Toast:
    """A button of /pause."""
    return await turn.effect("pause", lambda records: _tapped(records, turn, argument, message_id))


def waits_for(records: Records, turn: Turn, tenant: TenantId) -> str:
    """A line over a list of what waits: that everything is paused; "" where it is not."""
    env, now = turn.front.env, turn.now.wall
    found = stopped_for(records, tenant, now=now, env=env)
    return render.above(found[0], now=now) if found else ""


def _pause_command(records: Records, turn: Turn, message: Message, rest: str) -> None:
    by = _caller(records, turn)
    if not by.roles:
        say(records, turn, texts.no_access(turn.user.id))
        return
    try:
        wish = read_pause(rest, now=turn.now.wall, zone=zone_of(turn.speaker(records).timezone))
    except InvalidInput as problem:
        say(records, turn, texts.refusal(problem))
        return
    if not by.holds(Role.ADMIN) or wish.reason:
        say(records, turn, _pause(records, turn, by, _state(wish, message.message_id), wish.reason or "?"))
    elif rest:
        _ask(records, turn, by, wish, message.message_id)
    else:
        say(records, turn, _page(records, turn, by))


def _resume_command(records: Records, turn: Turn, rest: str) -> None:
    by = _caller(records, turn)
    if not by.roles:
        say(records, turn, texts.no_access(turn.user.id))
        return
    try:
        wish = read_resume(rest)
    except InvalidInput as problem:
        say(records, turn, texts.refusal(problem))
        return
    live = _live(records, turn, by)
    if wish is None and (rest or len(live) != 1):
        say(records, turn, render.which(live, now=turn.now.wall))
        return
    say(records, turn, _resume(records, turn, by, wish or _just(live[0])))


def _pause(records: Records, turn: Turn, by: Principal, state: Any, reason: str) -> Shown:
    return _told_paused(records, turn, _begun(records, turn, by, state, reason))


def _begun(records: Records, turn: Turn, by: Principal, state: Any, reason: str) -> Paused | Refused:
    until = None if state["until"] is None else datetime.fromisoformat(state["until"])
    if state["minutes"]:
        until = turn.now.wall + timedelta(minutes=state["minutes"])
    return pause(
        records,
        by=by,
        target=Target(state["target"]),
        name=state["name"],
        everywhere=state["everywhere"],
        reason=reason,
        until=until,
        cancel_running=False,
        now=turn.now,
        env=turn.front.env,
    )


def _told_paused(records: Records, turn: Turn, answer: Paused | Refused) -> Shown:
    if isinstance(answer, Refused):
        return texts.refusal(answer.refusal)
    running = len(running_under(records, answer.switch, env=turn.front.env))
    return render.paused(answer, now=turn.now.wall, running=running)


def _resume(records: Records, turn: Turn, by: Principal, wish: PauseWish) -> Shown:
    target, name, now = wish.target, wish.name, turn.now.wall
    team = turn.tenant(records)
    answer = resume(
        records,
        by=by,
        target=target,
        name=name,
        everywhere=is_everywhere(records, team, target, name, everywhere=wish.everywhere, now=now),
        now=turn.now,
        env=turn.front.env,
    )
    return texts.refusal(answer.refusal) if isinstance(answer, Refused) else render.resumed(answer)


def _ask(
    records: Records, turn: Turn, by: Principal, wish: PauseWish, message_id: int, minutes: int = 0
) -> None:
    put(records, turn, by, WHY, _state(wish, message_id, minutes=minutes))
    teams = " of all teams" if wish.everywhere else ""
    what = "everything" if wish.target is Target.EVERYTHING else f"{wish.target.value} {wish.name}"
    say(records, turn, render.why(f"{what}{teams}", name=known_person(records, turn).name))


def _asked(records: Records, turn: Turn, by: Principal) -> Any:
    """What this person was asked the reason of, and is no more; None where it was too long ago."""
    dialogue = None if by.person is None else open_question(records, turn, by.person)
    if dialogue is None or by.person is None or not asks_why(dialogue, turn):
        return None
    records.dialogues.drop(turn.chat.id, by.person)
    return dialogue.state


def _state(wish: PauseWish, message_id: int, *, minutes: int = 0) -> dict[str, Any]:
    return {
        "target": wish.target.value,
        "name": wish.name,
        "everywhere": wish.everywhere,
        "until": None if wish.until is None else wish.until.isoformat(),
        "minutes": minutes,
        "message": message_id,
    }


def _tapped(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    by = _caller(records, turn)
    kind, rest = argument[:1], argument[1:]
    found = from_opaque(rest)
    if kind in {render.HERE, render.EVERYWHERE} and rest in {str(minutes) for minutes, _ in render.QUICK}:
        return _quick(
            records, turn, by, everywhere=kind == render.EVERYWHERE, minutes=int(rest), at=message_id
        )
    if kind == "q" and rest in {str(number) for number in range(len(render.REASONS))}:
        return _with_reason(records, turn, by, render.REASONS[int(rest)], message_id)
    if kind == "s" and found is not None:
        answer = stop_running(records, by=by, switch_id=SwitchId(found), now=turn.now, env=turn.front.env)
        if isinstance(answer, Refused):
            return toasts.refusal(answer.refusal)
        return _shown(records, turn, _told_paused(records, turn, answer), message_id)
    if kind == "r" and found is not None:
        return _resume_one(records, turn, by, SwitchId(found), message_id)
    if argument == "l":
        _asked(records, turn, by)
        return _shown(records, turn, texts.left(), message_id)
    return toasts.unknown_button()


def _quick(records: Records, turn: Turn, by: Principal, *, everywhere: bool, minutes: int, at: int) -> Toast:
    """Everything, for so long: asks why. Who may not is told so at once, by the verb."""
    wish = PauseWish(target=Target.EVERYTHING, name="", everywhere=everywhere)
    if not by.holds(Role.ADMIN):
        refusal = _begun(records, turn, by, _state(wish, at), "?")
        return toasts.refusal(refusal.refusal) if isinstance(refusal, Refused) else toasts.too_old()
    _ask(records, turn, by, wish, at, minutes)
    return toasts.write_below()


def _with_reason(records: Records, turn: Turn, by: Principal, reason: str, message_id: int) -> Toast:
    state = _asked(records, turn, by)
    if state is None:
        return toasts.too_old()
    return _shown(records, turn, _pause(records, turn, by, state, reason), message_id)


def _resume_one(records: Records, turn: Turn, by: Principal, switch_id: SwitchId, message_id: int) -> Toast:
    answer = resume_one(records, by=by, switch_id=switch_id, now=turn.now, env=turn.front.env)
    if isinstance(answer, Refused):
        return toasts.refusal(answer.refusal)
    return _shown(records, turn, render.resumed(answer), message_id)


def _shown(records: Records, turn: Turn, shown: Shown, message_id: int) -> Toast:
    """Puts it in place of the message that was tapped."""
    say(records, turn, shown, edit=message_id)
    return toasts.done()


def _page(records: Records, turn: Turn, by: Principal) -> Shown:
    several = len(records.people.tenants()) > 1 and turn.front.env.home in {None, by.tenant}
    return render.page(_live(records, turn, by), everywhere=several, now=turn.now.wall)


def _live(records: Records, turn: Turn, by: Principal) -> list[Switch]:
    return list(listed(records, by=by, now=turn.now.wall, env=turn.front.env))


def _just(switch: Switch) -> PauseWish:
    return PauseWish(target=switch.target, name=switch.name, everywhere=switch.tenant_id is None)


def _caller(records: Records, turn: Turn) -> Principal:
    person = known_person(records, turn)
    settle(records, turn)
    return turn.caller(records, person)
