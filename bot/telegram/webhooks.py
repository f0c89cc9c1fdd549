"""/webhooks: admins see who is told what is done, and have what was not taken sent again."""

from __future__ import annotations

from typing import Final

from bot.telegram.buttons import Page, PageButton
from bot.telegram.render import texts, toasts
from bot.telegram.render import webhooks as render
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import say
from bot.telegram.turn import Turn, known_person
from core.engine import Refused
from core.engine.webhooks import replay
from core.errors import Code, Refusal
from core.ids import TenantId, WebhookId, from_opaque, opaque
from core.model import Principal, Role, Webhook
from core.ports import Records

MOST: Final = 12


def command(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    """/webhooks, for admins."""
    if not by.holds(Role.ADMIN):
        return texts.refusal(Refusal(Code.NOT_ADMIN, "Only admins see which other programs are told."))
    return _page(records, turn)


async def tap(turn: Turn, argument: str, message_id: int) -> Toast:
    """Replay, under /webhooks."""
    return await turn.effect("webhooks", lambda records: _tapped(records, turn, argument, message_id))


def _tapped(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    """Only admins have it; the verb checks that."""
    by = turn.caller(records, known_person(records, turn))
    found = from_opaque(argument)
    if found is None:
        return toasts.unknown_button()
    answer = replay(records, WebhookId(found), by=by, now=turn.now)
    if isinstance(answer, Refused):
        return toasts.refusal(answer.refusal)
    say(records, turn, _page(records, turn), edit=message_id)
    return toasts.replaying(answer.letters)


def _page(records: Records, turn: Turn) -> Shown:
    tenant = turn.tenant(records)
    live = records.webhooks.live(tenant)
    found = [_told(records, tenant, each) for each in live[:MOST]]
    return render.webhooks(found, more=len(live) - len(found), now=turn.now.real)


def _told(records: Records, tenant: TenantId, webhook: Webhook) -> render.Told:
    dead = records.webhooks.dead_count(webhook.id)
    letters = records.webhooks.dead(tenant, webhook=webhook.id, limit=1) if dead else ()
    return render.Told(
        webhook=webhook,
        dead=dead,
        last=letters[0] if letters else None,
        replay=PageButton(Page.WEBHOOK, opaque(webhook.id)).encode(),
    )
