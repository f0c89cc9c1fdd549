"""/schedules and the taps on it, and what people are told of a schedule. Whether somebody may is decided by
the verbs, at each tap."""

from __future__ import annotations

from typing import Final

from bot.telegram.members import admins_chats
from bot.telegram.render import schedules as render
from bot.telegram.render import toasts
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import reply, say
from bot.telegram.turn import Turn, known_person
from core.engine import Env, Refused
from core.engine.fire import Notice, Told
from core.engine.schedules import delete, find, listed, pause, resume
from core.errors import Code, Refusal
from core.ids import ScheduleId, TenantId, from_opaque
from core.model import Channel, Principal, Schedule
from core.ports import Now, Records

ROWS: Final = 5
_VERBS: Final = {"p": pause, "r": resume, "x": delete}
_TOASTS: Final = {"p": "Paused. Its times pass.", "r": "It goes on.", "x": "Deleted."}


def command(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    """/schedules: what is scheduled, as far as this person may know."""
    return _page(records, turn, by, after=None)


async def tap(turn: Turn, argument: str, message_id: int) -> Toast:
    """A button of the list, or of one schedule."""
    return await turn.effect("schedules", lambda records: _tapped(records, turn, argument, message_id))


def reading(records: Records, turn: Turn, by: Principal) -> render.Reading:
    """Who reads what is shown in this turn."""
    speaker = turn.speaker(records)
    return render.Reading(
        registry=turn.front.env.registry,
        zone=speaker.timezone,
        private=turn.private,
        now=turn.now.wall,
        names={member.person_id: member.name for member in records.people.members(speaker.tenant.id)},
        reader=by.person,
    )


def tell(records: Records, notice: Notice, *, now: Now, env: Env) -> None:
    """Queues what became of a schedule: to where its calls go, and of one whose maker has left to admins."""
    schedule = notice.schedule
    place = records.people.conversation(schedule.conversation_id)
    left = notice.what is Told.LEFT
    chats: dict[int, int | None] = {}
    if place is not None and place.channel is Channel.TELEGRAM and not (left and place.private):
        chats[int(place.chat)] = place.thread
    if left or not chats:
        chats |= {chat: None for chat in admins_chats(records, schedule.tenant_id) if chat not in chats}
    private = place is not None and place.private
    shown = render.notice(notice, _unread(records, schedule, env=env, now=now, private=private))
    for chat, thread in chats.items():
        reply(records, schedule.tenant_id, chat, shown, now=now.wall, thread=thread)


def tell_admins(records: Records, shown: Shown, *, tenant: TenantId, now: Now) -> None:
    """Queues a message about the file of schedules, to every admin's private chat."""
    for chat in admins_chats(records, tenant):
        reply(records, tenant, chat, shown, now=now.wall)


def _unread(records: Records, schedule: Schedule, *, env: Env, now: Now, private: bool) -> render.Reading:
    """Where nobody asked: in the zone of who made the schedule."""
    person = records.people.person(schedule.requester_id)
    return render.Reading(
        registry=env.registry,
        zone=(person and person.timezone) or schedule.timezone,
        private=private,
        now=now.wall,
        names={},
        reader=schedule.requester_id,
    )


def _page(records: Records, turn: Turn, by: Principal, *, after: ScheduleId | None) -> Shown:
    """In a group, only what is scheduled there: the rest is nobody's business who reads along."""
    here = None
    if not turn.private:
        conversation = turn.speaker(records).conversation
        here = None if conversation is None else conversation.id
        if here is None:
            return render.listed([], reading(records, turn, by), following=False, begun=False)
    found = listed(records, by=by, here=here, after=after, limit=ROWS + 1)
    return render.listed(
        found[:ROWS],
        reading(records, turn, by),
        following=len(found) > ROWS,
        begun=after is not None,
    )


def _tapped(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    by = turn.caller(records, known_person(records, turn))
    if not by.roles:
        return toasts.refusal(
            Refusal(Code.NOT_A_MEMBER, "You have no access here. Ask an admin for an invite.")
        )
    kind, alone, found = argument[:1].lower(), argument[:1].isupper(), from_opaque(argument[1:])
    if kind == "l":
        after = None if found is None else ScheduleId(found)
        say(records, turn, _page(records, turn, by, after=after), edit=message_id)
        return Toast("")
    if found is None or kind not in (*_VERBS, "d", "k"):
        return toasts.unknown_button()
    schedule_id = ScheduleId(found)
    if kind in _VERBS:
        answer = _VERBS[kind](records, by=by, schedule_id=schedule_id, now=turn.now)
        if isinstance(answer, Refused):
            return toasts.refusal(answer.refusal)
        _show(records, turn, by, answer.schedule, alone=alone, message_id=message_id)
        return Toast(_TOASTS[kind])
    schedule = find(records, by=by, schedule_id=schedule_id)
    if schedule is None:
        return toasts.refusal(Refusal(Code.NOT_FOUND, "There is no such schedule here any more."))
    if kind == "d":
        shown = render.shall_it_go(schedule, reading(records, turn, by), alone=alone)
        say(records, turn, shown, edit=message_id)
        return Toast("")
    _show(records, turn, by, schedule, alone=alone, message_id=message_id)
    return Toast("It stays.")


def _show(
    records: Records, turn: Turn, by: Principal, schedule: Schedule, *, alone: bool, message_id: int
) -> None:
    """Brings the message up to date: one schedule, or the list again."""
    shown = (
        render.made(schedule, reading(records, turn, by), fresh=False)
        if alone
        else _page(records, turn, by, after=None)
    )
    say(records, turn, shown, edit=message_id)
