"""Short words around a card: a signature is awaited, or the card is not for its reader any more."""

from __future__ import annotations

from datetime import datetime

from bot.telegram.render.message import Shown
from bot.telegram.render.times import moment
from core.lifecycle import Status
from core.model import ToolCall


def reminder(call: ToolCall, *, now: datetime) -> Shown:
    """One sentence under the card. It holds nothing of the arguments, so that it can be sent anywhere."""
    sign = f"<code>#{call.short_id}</code>"
    if call.status is not Status.PROPOSED or call.expires_at is None:
        return Shown(html=f"{sign} is settled by now; the card above shows how.", complete=False)
    until = moment(call.expires_at, now=now)
    told = f"⏰ {sign} still waits for a signature, until {until}. Without one nothing happens."
    return Shown(html=told, complete=False)


def for_nobody(call: ToolCall) -> Shown:
    """What becomes of a card in the private chat of somebody who has left the team: nothing of the call, and
    no buttons."""
    sign = f"<code>#{call.short_id}</code>"
    return Shown(html=f"🔒 {sign} belongs to a team that you are not in any more.", complete=False)
