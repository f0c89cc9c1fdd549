"""Alarms in chat: to whom each goes, and the tap that says that somebody has seen it."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from bot.telegram.members import admins_chats
from bot.telegram.render import alarms as render
from bot.telegram.render import toasts
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import reply, say
from bot.telegram.turn import Turn, known_person
from core.engine import Refused
from core.engine.alarms import Told, acknowledge
from core.ids import AlarmId, TenantId, from_opaque
from core.model import Alarm
from core.ports import Records


class Audience(Struct, frozen=True, kw_only=True):
    """Who is told. `chat` is the admin chat of the bot's own team, None: its admins' private chats."""

    home: TenantId
    chat: int | None

    def tell(self, records: Records, alarm: Alarm, told: Told, *, now: datetime) -> None:
        """Queues the message. A team's alarm goes to that team alone; one that nobody has seen goes to all
        of its admins."""
        team = alarm.tenant_id or self.home
        shown = render.alarm(alarm, told, now=now)
        for chat in self._chats(records, team, told):
            reply(records, team, chat, shown, now=now)

    def _chats(self, records: Records, team: TenantId, told: Told) -> list[int]:
        first = [self.chat] if self.chat is not None and team == self.home else []
        if first and told is not Told.ESCALATED:
            return first
        return [*first, *admins_chats(records, team)]


async def tap(turn: Turn, argument: str, message_id: int) -> Toast:
    """Somebody has seen an alarm."""
    return await turn.effect("alarm", lambda records: _seen(records, turn, argument, message_id))


def _seen(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    person = known_person(records, turn)
    answer = acknowledge(
        records,
        by=turn.caller(records, person),
        name=person.name,
        alarm_id=AlarmId(from_opaque(argument) or ""),
        now=turn.now.wall,
        env=turn.front.env,
    )
    if isinstance(answer, Refused):
        return toasts.refusal(answer.refusal)
    say(records, turn, render.seen(answer, now=turn.now.wall), edit=message_id)
    return toasts.done()
