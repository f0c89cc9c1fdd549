"""Ways to the boundaries of what other programs are told: calls that take long, webhooks, a run's report."""

from __future__ import annotations

from uuid import UUID

from bot.telegram.buttons import Page, PageButton
from core.ids import opaque
from core.signals import STRIDE, USUAL
from tests.crash.cases import Trigger, reaches, saying, tapping
from tests.crash.stage import Stage, data_of, has

_NOBODY = "http://127.0.0.1:9/"
"""Where nothing listens: each delivery fails at once, and is tried again later."""


@reaches("task.started")
async def a_call_that_takes_a_while(stage: Stage) -> Trigger:
    await stage.up()
    return saying(stage, "member", f"/slow {stage.fresh()}", calls=1)


async def a_webhook(stage: Stage) -> str:
    """The data of its Replay button. The one before it ends, so that there is one at a time."""
    await stage.up()
    await stage.down()
    number = stage.seen.number("SELECT count(*) FROM webhooks") + 1
    newest = stage.seen.number("SELECT COALESCE(max(seq), 0) FROM signals") * STRIDE + STRIDE - 1
    webhook_id = str(UUID(int=(7 << 76) | (2 << 62) | number))
    stage.seen.change("UPDATE webhooks SET ended_at = 1")
    stage.seen.change(
        "INSERT INTO webhooks (id, tenant_id, url, secret, kinds, cursor, tries, not_before, created_at, "
        "created_by) VALUES (?, 'main', ?, 'secret', ?, ?, 0, 0, 0, 'cli')",
        webhook_id,
        _NOBODY,
        " ".join(sorted(USUAL)),
        newest,
    )
    await stage.up()
    return PageButton(Page.WEBHOOK, opaque(webhook_id)).encode()


@reaches("webhook.sent")
async def a_signal_that_is_sent(stage: Stage) -> Trigger:
    await a_webhook(stage)
    return saying(stage, "member", f"/tick {stage.fresh()}", calls=1)


@reaches("webhooks", replies=1)
async def replaying(stage: Stage) -> Trigger:
    button = await a_webhook(stage)
    asked = await stage.say("admin", "/webhooks")
    shown = await stage.phones.see(
        "admin", lambda m: m["message_id"] > asked["message_id"] and "Who is told" in m["text"]
    )
    await stage.settled()
    return tapping(stage, "admin", shown, data=button)


@reaches("tap.report")
async def asking_for_a_report(stage: Stage) -> Trigger:
    await stage.up()
    word = stage.fresh()
    await stage.say("member", f"/tick {word}a\n/tick {word}b", calls=2)
    card = await stage.phones.see("member", lambda m: f"{word}b" in m["text"] and has(m, "Report"))
    await stage.settled()
    return tapping(stage, "member", card, data=data_of(card, "Report"))
