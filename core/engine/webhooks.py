"""Webhooks: added and ended at the machine, and what they did not take sent again by an admin."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from core import guards
from core.addresses import check_webhook_url, shown_url
from core.digest import Json
from core.engine.answers import Refused, refused
from core.engine.facts import caller
from core.engine.members import is_at_machine
from core.errors import Code, Refusal
from core.ids import WebhookId
from core.model import SYSTEM, DeadLetter, Principal, Role, Webhook
from core.ports import Now, Records


class Added(Struct, frozen=True, kw_only=True):
    """The webhook as recorded."""

    webhook: Webhook


class Ended(Struct, frozen=True, kw_only=True):
    """The webhook as it was. `before`: it had ended before, and nothing was changed."""

    webhook: Webhook
    before: bool


class Replaying(Struct, frozen=True, kw_only=True):
    """So many dead letters of this webhook are being sent again."""

    webhook: Webhook
    letters: int


def add_webhook(
    records: Records, webhook: Webhook, *, by: Principal, allow_private: bool, now: Now
) -> Added | Refused:
    """From now on what happens in this team is told there; what happened before is not.

    Only whoever sits at the machine adds webhooks. Refusals: the entry guards, `not_admin`, `invalid_input`.
    """
    try:
        _check_machine(records, by)
        if webhook.tenant_id != by.tenant:
            raise Refusal(Code.TENANT_MISMATCH, "This webhook is for another team.")
        check_webhook_url(webhook.url, allow_private=allow_private)
    except Refusal as refusal:
        return refused(records, refusal, verb="webhook.add", by=by, now=now.wall)
    records.webhooks.add(webhook)
    kinds: list[Json] = [kind.value for kind in sorted(webhook.kinds)]
    _tell(records, "webhook.added", webhook, by=by, now=now.wall, kinds=kinds)
    return Added(webhook=webhook)


def end_webhook(records: Records, webhook_id: WebhookId, *, by: Principal, now: Now) -> Ended | Refused:
    """From now on nothing is sent there, not even what waited. Ended again, it stays as it is.

    Refusals: the entry guards, `not_admin`, `not_found`.
    """
    try:
        _check_machine(records, by)
        webhook = _known(records, webhook_id, by=by)
    except Refusal as refusal:
        return refused(records, refusal, verb="webhook.remove", by=by, now=now.wall)
    if not records.webhooks.end(webhook_id, now=now.wall):
        return Ended(webhook=webhook, before=True)
    _tell(records, "webhook.removed", webhook, by=by, now=now.wall)
    return Ended(webhook=webhook, before=False)


def replay(records: Records, webhook_id: WebhookId, *, by: Principal, now: Now) -> Replaying | Refused:
    """Everything that this webhook did not take is sent again, before what waits, and that at once as well.

    Refusals: the entry guards, `not_admin`, `not_found`.
    """
    try:
        facts = caller(records, by=by)
        if is_at_machine(by):
            _check_machine(records, by)
        else:
            guards.check(facts, guards.ENTRY)
            if facts.role is not Role.ADMIN:
                raise Refusal(Code.NOT_ADMIN, "Only an admin may have it sent again.")
        webhook = _known(records, webhook_id, by=by)
        if webhook.ended_at is not None:
            raise Refusal(Code.NOT_FOUND, "This webhook was removed: nothing is sent there any more.")
    except Refusal as refusal:
        return refused(records, refusal, verb="webhook.replay", by=by, now=now.wall)
    letters = records.webhooks.ask(webhook_id, now=now.real)
    _tell(records, "webhook.replayed", webhook, by=by, now=now.wall, letters=letters)
    return Replaying(webhook=webhook, letters=letters)


def bury(records: Records, webhook: Webhook, letter: DeadLetter, *, now: Now) -> None:
    """Gives a signal up, and keeps it as a dead letter. An alarm tells admins of all that there are."""
    records.webhooks.bury(letter)
    _tell(
        records,
        "webhook.dead",
        webhook,
        by=SYSTEM,
        now=now.wall,
        signal=letter.seq,
        tries=letter.tries,
        error=letter.error,
    )


def _check_machine(records: Records, by: Principal) -> None:
    guards.check(caller(records, by=by), guards.ENTRY[1:4])
    if not is_at_machine(by):
        raise Refusal(Code.NOT_ADMIN, "Webhooks are added and removed at the machine: `countersign webhook`.")


def _known(records: Records, webhook_id: WebhookId, *, by: Principal) -> Webhook:
    webhook = records.webhooks.get(webhook_id)
    if webhook is None or webhook.tenant_id != by.tenant:
        raise Refusal(Code.NOT_FOUND, "There is no such webhook. `countersign webhook list` shows them.")
    return webhook


def _tell(
    records: Records, kind: str, webhook: Webhook, *, by: Principal, now: datetime, **more: Json
) -> None:
    records.audit.append(
        kind,
        tenant_id=webhook.tenant_id,
        actor=by.actor,
        content={
            "webhook": webhook.id,
            "to": shown_url(webhook.url),
            "channel": by.channel.value,
            **more,
        },
        now=now,
    )
