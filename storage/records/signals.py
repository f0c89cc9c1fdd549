"""Signals, the webhooks that they are delivered to, and those that were not taken."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, or_, select, update

from core.ids import AccountId, TenantId, WebhookId
from core.model import DeadLetter, Signal, SignalKind, Webhook
from storage.schema import dead_letters, signals, webhooks
from storage.statements import Row, Session, Statement, all_columns, arg, insert_into
from storage.times import from_ms, maybe_from_ms, to_ms

_s = signals.c
_ADD: Final = Statement(
    lambda insert: (
        insert(signals)
        .values({name: arg(name) for name in ("tenant_id", "account_id", "kind", "subject", "at")})
        .on_conflict_do_nothing()
    )
)
_AFTER: Final = Statement(
    select(signals)
    .where(_s.tenant_id == arg("tenant"), _s.seq > arg("last"))
    .order_by(_s.seq)
    .limit(arg("most"))
)
_GET: Final = Statement(select(signals).where(_s.seq == arg("number")))
_NEWEST: Final = Statement(select(func.max(_s.seq)))

_w = webhooks.c
_ADD_WEBHOOK: Final = insert_into(webhooks)
_WEBHOOK: Final = Statement(select(webhooks).where(_w.id == arg("id_")))
_LIVE: Final = Statement(
    select(webhooks)
    .where(_w.ended_at.is_(None), or_(arg("any_tenant") == 1, _w.tenant_id == arg("tenant")))
    .order_by(_w.id)
)
_PUT: Final = Statement(
    update(webhooks)
    .where(_w.id == arg("id_"))
    .values({name: bound for name, bound in all_columns(webhooks).items() if name != "id"})
)

_d = dead_letters.c
_BURY: Final = Statement(
    lambda insert: (put := insert(dead_letters).values(all_columns(dead_letters))).on_conflict_do_update(
        index_elements=["webhook_id", "seq"],
        set_={name: put.excluded[name] for name in ("tries", "error", "at", "replayed_at")},
    )
)
_DEAD: Final = Statement(
    select(dead_letters)
    .where(_d.tenant_id == arg("tenant"), _d.replayed_at.is_(None))
    .order_by(_d.seq)
    .limit(arg("most"))
)
_DEAD_OF: Final = Statement(
    select(dead_letters)
    .where(_d.tenant_id == arg("tenant"), _d.replayed_at.is_(None), _d.webhook_id == arg("webhook"))
    .order_by(_d.seq)
    .limit(arg("most"))
)


class Signals:
    """Implements `core.ports.Signals`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self, kind: SignalKind, *, tenant_id: TenantId, account_id: AccountId, subject: str, now: datetime
    ) -> None:
        """Adds a fact; one that is there already stays as it is."""
        self._session.do(
            _ADD,
            tenant_id=tenant_id,
            account_id=account_id,
            kind=kind.value,
            subject=subject,
            at=to_ms(now),
        )

    def after(self, tenant_id: TenantId, seq: int, *, limit: int) -> Sequence[Signal]:
        """A team's facts that follow number `seq`, in order."""
        return [_signal(row) for row in self._session.all(_AFTER, tenant=tenant_id, last=seq, most=limit)]

    def get(self, seq: int) -> Signal | None:
        """The fact of this number."""
        row = self._session.one(_GET, number=seq)
        return None if row is None else _signal(row)

    def newest(self) -> int:
        """The number of the newest fact of all; 0 before the first."""
        row = self._session.one(_NEWEST)
        return 0 if row is None or row[0] is None else int(row[0])


class Webhooks:
    """Implements `core.ports.Webhooks`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, webhook: Webhook) -> None:
        """Adds a webhook."""
        self._session.do(_ADD_WEBHOOK, **_webhook_row(webhook))

    def get(self, webhook_id: WebhookId) -> Webhook | None:
        """The webhook of this id, also one that was ended."""
        row = self._session.one(_WEBHOOK, id_=webhook_id)
        return None if row is None else _webhook(row)

    def live(self, tenant_id: TenantId | None = None) -> Sequence[Webhook]:
        """Those that were not ended, of one team or of all, oldest first."""
        rows = self._session.all(_LIVE, any_tenant=int(tenant_id is None), tenant=tenant_id or "")
        return [_webhook(row) for row in rows]

    def put(self, webhook: Webhook) -> None:
        """Changes the webhook of this id."""
        row = _webhook_row(webhook)
        self._session.do(_PUT, id_=row.pop("id"), **row)

    def bury(self, letter: DeadLetter) -> None:
        """Adds, or changes, a dead letter."""
        row: dict[str, Any] = {name: getattr(letter, name) for name in DeadLetter.__slots__}
        row.update(at=to_ms(letter.at), replayed_at=to_ms(letter.replayed_at))
        self._session.do(_BURY, **row)

    def dead(
        self, tenant_id: TenantId, *, webhook: WebhookId | None = None, limit: int
    ) -> Sequence[DeadLetter]:
        """A team's dead letters that were not replayed, oldest first, perhaps of one webhook only."""
        if webhook is None:
            rows = self._session.all(_DEAD, tenant=tenant_id, most=limit)
        else:
            rows = self._session.all(_DEAD_OF, tenant=tenant_id, webhook=webhook, most=limit)
        return [_letter(row) for row in rows]


def _signal(row: Row) -> Signal:
    values: dict[str, Any] = dict(zip(Signal.__slots__, row, strict=True))
    return Signal(**{**values, "kind": SignalKind(values["kind"]), "at": from_ms(values["at"])})


def _webhook_row(webhook: Webhook) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(webhook, name) for name in Webhook.__slots__}
    row.update({name: to_ms(row[name]) for name in ("not_before", "created_at", "ended_at")})
    row.update(kinds=_listed(webhook.kinds))
    return row


def _listed(kinds: Collection[SignalKind]) -> str:
    return " ".join(sorted(kind.value for kind in kinds))


def _webhook(row: Row) -> Webhook:
    values: dict[str, Any] = dict(zip(Webhook.__slots__, row, strict=True))
    values.update({name: from_ms(values[name]) for name in ("not_before", "created_at")})
    values.update(
        kinds=frozenset(SignalKind(kind) for kind in values["kinds"].split()),
        ended_at=maybe_from_ms(values["ended_at"]),
    )
    return Webhook(**values)


def _letter(row: Row) -> DeadLetter:
    values: dict[str, Any] = dict(zip(DeadLetter.__slots__, row, strict=True))
    values.update(at=from_ms(values["at"]), replayed_at=maybe_from_ms(values["replayed_at"]))
    return DeadLetter(**values)
