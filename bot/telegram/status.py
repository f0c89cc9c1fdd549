"""/status: how everything is, for admins."""

from __future__ import annotations

from msgspec.structs import replace

from bot.telegram.render import status as render
from bot.telegram.render import texts, toasts
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import say
from bot.telegram.turn import Turn, known_person
from core.engine.status import overview
from core.errors import Code, Refusal
from core.model import Principal, Role
from core.ports import Records


def command(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    """/status: one screen, for admins."""
    return page(records, turn, by) if by.holds(Role.ADMIN) else texts.admins_only()


def page(records: Records, turn: Turn, by: Principal) -> Shown:
    """What this admin's team may know of how everything is."""
    env = turn.front.env
    machine = turn.front.machine
    seen = overview(records, tenant=by.tenant, home=env.home, registry=env.registry, now=turn.now)
    inbox = replace(seen.inbox, count=max(0, seen.inbox.count - 1))  # this very update is one of them
    return render.status(
        replace(seen, inbox=inbox),
        version=machine.version,
        disk=machine.disk(),
        limits=machine.limits,
        now=turn.now,
    )


async def tap(turn: Turn, argument: str, message_id: int) -> Toast:
    """Looks again, in place; from an alarm's message in a message of its own."""
    return await turn.effect("status", lambda records: _tapped(records, turn, argument, message_id))


def _tapped(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    by = turn.caller(records, known_person(records, turn))
    if not by.holds(Role.ADMIN):
        return toasts.refusal(Refusal(Code.NOT_ADMIN, "Only admins see this."))
    again = argument == "again" and records.cards.at(turn.chat.id, message_id) is None
    say(records, turn, page(records, turn, by), edit=message_id if again else None)
    return Toast("")
