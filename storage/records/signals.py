"""Signals, the webhooks that they are delivered to, and those that were not taken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import exists, func, literal_column, or_, select, update

from core.ids import AccountId, TenantId, WebhookId
from core.model import DeadLetter, Signal, SignalKind, Webhook
from core.signals import FACTS, STRIDE
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
_t = signals.alias("told").c
_STARTED: Final = exists(
    select(_t.seq).where(_t.subject == _s.subject, _t.kind == SignalKind.TASK_STARTED.value)
)
"""Whether a row of its own tells that the call was started."""
_AFTER: Final = Statement(
    select(signals, _STARTED)
    .where(_s.tenant_id == arg("tenant"), _s.seq >= arg("first"))
    .order_by(_s.seq)
    .limit(arg("most"))
)
_GET: Final = Statement(select(signals, _STARTED).where(_s.seq == arg("row")))
_FINISHED: Final = Statement(
    select(signals, _STARTED)
    .where(_s.kind == literal_column("'EXECUTION_FINISHED'"), _s.seq > arg("row"))
    .order_by(_s.seq)
    .limit(arg("most"))
)
_NEWEST: Final = Statement(select(func.max(_s.seq)))

_w = webhooks.c
_ADD_WEBHOOK: Final = insert_into(webhooks)
_WEBHOOK: Final = Statement(select(webhooks).where(_w.id == arg("id_")))
_LIVE: Final = Statement(
    select(webhooks)
    .where(_w.ended_at.is_(None), or_(arg("any_tenant") == 1, _w.tenant_id == arg("tenant")))
    .order_by(_w.id)
)
_END: Final = Statement(
    update(webhooks).where(_w.id == arg("id_"), _w.ended_at.is_(None)).values(ended_at=arg("now_"))
)
_MOVE: Final = Statement(
    update(webhooks)
    .where(_w.id == arg("id_"), _w.ended_at.is_(None))
    .values(cursor=arg("place"), tries=arg("tried"), not_before=arg("again_at"))
)
_AT_ONCE: Final = Statement(
    update(webhooks).where(_w.id == arg("id_")).values(tries=0, not_before=arg("now_"))
)

_d = dead_letters.c
_BURY: Final = Statement(
    lambda insert: (put := insert(dead_letters).values(all_columns(dead_letters))).on_conflict_do_update(
        index_elements=["webhook_id", "seq"],
        set_={name: put.excluded[name] for name in ("tries", "error", "at", "replayed_at", "asked_at")},
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

_UNANSWERED: Final = _d.webhook_id == arg("webhook"), _d.replayed_at.is_(None)
_DEAD_COUNT: Final = Statement(select(func.count()).select_from(dead_letters).where(*_UNANSWERED))
_ASK: Final = Statement(update(dead_letters).where(*_UNANSWERED).values(asked_at=arg("now_")))
_ASKED: Final = Statement(
    select(dead_letters).where(*_UNANSWERED, _d.asked_at.is_not(None)).order_by(_d.seq).limit(arg("most"))
)

Touch = Callable[[str, int | str], None]


class Signals:
    """Implements `core.ports.Signals`. A row is told as all the facts that it stands for
    (`core.signals.FACTS`); the number of each is made of the row's and its place among them."""

    def __init__(self, session: Session, touch: Touch) -> None:
        self._session = session
        self._touch = touch

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
        self._touch("signal", tenant_id)
        if kind is SignalKind.EXECUTION_FINISHED:
            self._touch("run_end", subject)

    def after(self, tenant_id: TenantId, seq: int, *, limit: int) -> Sequence[Signal]:
        """A team's facts that follow number `seq`, in order: those of so many rows."""
        rows = self._session.all(_AFTER, tenant=tenant_id, first=seq // STRIDE, most=limit)
        return [signal for row in rows for signal in _signals(row) if signal.seq > seq]

    def get(self, seq: int) -> Signal | None:
        """The fact of this number."""
        row = self._session.one(_GET, row=seq // STRIDE)
        return None if row is None else next((each for each in _signals(row) if each.seq == seq), None)

    def finished(self, seq: int, *, limit: int) -> Sequence[Signal]:
        """The ends of runs, of every team, that follow number `seq`, in order."""
        rows = self._session.all(_FINISHED, row=seq // STRIDE, most=limit)
        return [signal for row in rows for signal in _signals(row)]

    def newest(self) -> int:
        """The number of the newest fact of all; 0 before the first."""
        row = self._session.one(_NEWEST)
        return 0 if row is None or row[0] is None else int(row[0]) * STRIDE + STRIDE - 1


class Webhooks:
    """Implements `core.ports.Webhooks`."""

    def __init__(self, session: Session, touch: Touch) -> None:
        self._session = session
        self._touch = touch

    def add(self, webhook: Webhook) -> None:
        """Adds a webhook."""
        self._session.do(_ADD_WEBHOOK, **_webhook_row(webhook))
        self._touch("webhook", webhook.id)

    def get(self, webhook_id: WebhookId) -> Webhook | None:
        """The webhook of this id, also one that was ended."""
        row = self._session.one(_WEBHOOK, id_=webhook_id)
        return None if row is None else _webhook(row)

    def live(self, tenant_id: TenantId | None = None) -> Sequence[Webhook]:
        """Those that were not ended, of one team or of all, oldest first."""
        rows = self._session.all(_LIVE, any_tenant=int(tenant_id is None), tenant=tenant_id or "")
        return [_webhook(row) for row in rows]

    def end(self, webhook_id: WebhookId, *, now: datetime) -> bool:
        """Ends a webhook. False where it was ended before."""
        self._touch("webhook", webhook_id)
        return self._session.run(_END, id_=webhook_id, now_=to_ms(now)) == 1

    def move(self, webhook_id: WebhookId, *, cursor: int, tries: int, not_before: datetime) -> bool:
        """Notes how far a webhook has come, and when it is next tried. False where it was ended."""
        again_at = to_ms(not_before)
        return self._session.run(_MOVE, id_=webhook_id, place=cursor, tried=tries, again_at=again_at) == 1

    def bury(self, letter: DeadLetter) -> None:
        """Adds, or changes, a dead letter."""
        row = asdict(letter)
        row.update({name: to_ms(row[name]) for name in ("at", "replayed_at", "asked_at")})
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

    def dead_count(self, webhook_id: WebhookId) -> int:
        """How many dead letters of a webhook were not replayed."""
        row = self._session.one(_DEAD_COUNT, webhook=webhook_id)
        return 0 if row is None else int(row[0])

    def ask(self, webhook_id: WebhookId, *, now: datetime) -> int:
        """Wants all dead letters of a webhook sent again, and it tried at once; how many."""
        asked = self._session.run(_ASK, webhook=webhook_id, now_=to_ms(now))
        self._session.do(_AT_ONCE, id_=webhook_id, now_=to_ms(now))
        self._touch("webhook", webhook_id)
        return asked

    def asked(self, webhook_id: WebhookId, *, limit: int) -> Sequence[DeadLetter]:
        """The dead letters of a webhook that are to be sent again, oldest first."""
        return [_letter(row) for row in self._session.all(_ASKED, webhook=webhook_id, most=limit)]


def _signals(row: Row) -> Iterator[Signal]:
    """The facts that a row stands for."""
    seq, tenant_id, account_id, kind, subject, at, started = row
    for place, told in enumerate(FACTS[SignalKind(kind)]):
        if told is SignalKind.TASK_STARTED and started and told != kind:
            continue  # a row of its own told it before
        yield Signal(
            seq=int(seq) * STRIDE + place,
            tenant_id=tenant_id,
            account_id=account_id,
            kind=told,
            subject=subject,
            at=from_ms(at),
        )


def _webhook_row(webhook: Webhook) -> dict[str, Any]:
    row = asdict(webhook)
    row.update({name: to_ms(row[name]) for name in ("not_before", "created_at", "ended_at")})
    row.update(kinds=_listed(webhook.kinds))
    return row


def _listed(kinds: Collection[SignalKind]) -> str:
    return " ".join(sorted(kind.value for kind in kinds))


def _webhook(row: Row) -> Webhook:
    values: dict[str, Any] = dict(zip(Webhook.__struct_fields__, row, strict=True))
    values.update({name: from_ms(values[name]) for name in ("not_before", "created_at")})
    values.update(
        kinds=frozenset(SignalKind(kind) for kind in values["kinds"].split()),
        ended_at=maybe_from_ms(values["ended_at"]),
    )
    return Webhook(**values)


def _letter(row: Row) -> DeadLetter:
    values: dict[str, Any] = dict(zip(DeadLetter.__struct_fields__, row, strict=True))
    values.update(
        at=from_ms(values["at"]),
        replayed_at=maybe_from_ms(values["replayed_at"]),
        asked_at=maybe_from_ms(values["asked_at"]),
    )
    return DeadLetter(**values)
