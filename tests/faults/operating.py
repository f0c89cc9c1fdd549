"""Rows of what keeps the engine in order, so that every table has one to be looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bot.bootstrap import Countersign, new_id
from core.ids import AlarmId, CallId, ScheduleId, SwitchId, WebhookId
from core.model import Alarm, Breaker, BreakerState, DeadLetter, SignalKind, Switch, Target, Webhook
from core.ports import Records

LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)


async def filled(product: Countersign, schedule: str) -> None:
    """A time of this schedule, a past switch and breaker, an alarm that is over, a webhook that ended."""

    def work(records: Records) -> None:
        records.schedules.fired(ScheduleId(schedule), CallId(new_id()), at=LONG_AGO)
        _halted(records)
        _told(records, product)

    await product.db.writer.run("filled", work)


def _halted(records: Records) -> None:
    switch = Switch(
        id=SwitchId(new_id()),
        tenant_id=None,
        target=Target.TOOL,
        name="nothing",
        reason="a test",
        by_id=None,
        by_name="somebody",
        created_at=LONG_AGO,
        until=None,
    )
    records.switches.add(switch)
    records.switches.end(switch.id, by="somebody", now=LONG_AGO)
    closed = Breaker(
        adapter="nothing",
        state=BreakerState.CLOSED,
        failures=0,
        opened_at=None,
        retry_at=None,
        probe=None,
        probe_until=None,
        safe_since=None,
        changed_at=LONG_AGO,
        version=1,
    )
    assert records.breakers.put(None, closed)
    records.rates.hit("nothing", now=LONG_AGO, since=LONG_AGO)


def _told(records: Records, product: Countersign) -> None:
    records.alarms.put(
        Alarm(
            id=AlarmId(new_id()),
            tenant_id=None,
            kind="failures",
            subject="",
            detail="a test",
            since=LONG_AGO,
            last_at=LONG_AGO,
            count=1,
            told_at=None,
            cleared_at=LONG_AGO,
        )
    )
    webhook = Webhook(
        id=WebhookId(new_id()),
        tenant_id=product.home,
        url="https://example.org/",
        secret="a secret",
        kinds=frozenset(SignalKind),
        cursor=0,
        tries=0,
        not_before=LONG_AGO,
        created_at=LONG_AGO,
        created_by="somebody",
        ended_at=LONG_AGO,
    )
    records.webhooks.add(webhook)
    records.webhooks.bury(
        DeadLetter(
            webhook_id=webhook.id,
            tenant_id=product.home,
            seq=1,
            tries=1,
            error="410",
            at=LONG_AGO,
            replayed_at=LONG_AGO,
        )
    )
