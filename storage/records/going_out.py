"""The outbox and the cards: what must go out, and what chats show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import and_, null, or_, select, text, update

from core.digest import Json
from core.errors import CorruptRecord
from core.ids import AccountId, CallId, CardId, NewId, PersonId, TenantId
from core.json_text import read_json
from core.lifecycle import ENDS, Status
from core.model import Card, ToolCall
from core.ports import OutboxRow
from storage.schema import cards, deliveries, outbox, runs
from storage.statements import Row, Session, Statement, all_columns, arg, insert_into, insert_once
from storage.times import from_ms, to_ms

_o = outbox.c
_OUT: Final = insert_into(outbox)
# A card that waits already only learns the version it must reach; its place in the chat's order stays.
_OUT_CARD: Final = Statement(
    lambda insert: (put := insert(outbox).values(all_columns(outbox))).on_conflict_do_update(
        index_elements=["card_id"],
        index_where=text("done_at IS NULL AND card_id IS NOT NULL"),
        set_={"card_version": put.excluded.card_version},
    )
)
_COLUMNS: Final = (
    _o.id,
    _o.tenant_id,
    _o.chat,
    _o.kind,
    _o.card_id,
    _o.card_version,
    _o.payload,
    _o.created_at,
    _o.not_before,
    _o.tries,
)
_FIRST: Final = Statement(
    select(*_COLUMNS).where(_o.chat == arg("chat_"), _o.done_at.is_(None)).order_by(_o.id).limit(1)
)
_WAITS: Final = Statement(select(_o.id).where(_o.chat == arg("chat_"), _o.done_at.is_(None)).limit(1))
_CHATS: Final = Statement(select(_o.chat).where(_o.done_at.is_(None)).distinct())
_DONE: Final = Statement(
    update(outbox)
    .where(
        _o.id == arg("row_id"),
        _o.done_at.is_(None),
        or_(_o.card_version.is_(None), _o.card_version <= arg("reached")),
    )
    .values(done_at=arg("now_"), error=arg("failure"))
)
_POSTPONE: Final = Statement(
    update(outbox)
    .where(_o.id == arg("row_id"), _o.done_at.is_(None))
    .values(not_before=arg("until"), tries=_o.tries + 1)
)

_k = cards.c
_ADD_CARD: Final = insert_once(cards)
_CARD: Final = Statement(select(cards).where(_k.id == arg("id_")))
_CARD_AT: Final = Statement(select(cards).where(_k.chat == arg("chat_"), _k.message_id == arg("number")))
_CARDS_OF: Final = Statement(select(cards).where(_k.call_id == arg("call")).order_by(_k.id))
_RUN_CHANGED: Final = Statement(
    update(runs).where(runs.c.id == arg("run")).values(version=runs.c.version + 1)
)
_SHOWING: Final = Statement(
    select(cards).where(or_(_k.call_id == arg("call"), _k.run_id == arg("run"))).order_by(_k.id)
)
_CARDS_OF_STEP: Final = Statement(
    select(cards, runs.c.version)
    .outerjoin(runs, runs.c.id == cards.c.run_id)
    .where(or_(_k.call_id == arg("call"), _k.run_id == arg("run")))
    .order_by(_k.id)
)
_SHOWN: Final = Statement(
    update(cards)
    .where(and_(_k.id == arg("id_"), _k.shown_version <= arg("version")))
    .values(message_id=arg("number"), shown_version=arg("version"), shown_digest=arg("digest"))
)
_SEND_ANEW: Final = Statement(
    update(cards).where(_k.id == arg("id_")).values(message_id=null(), shown_version=0, shown_digest=null())
)
_LINE_SHOWS: Final = ENDS | {Status.INTERRUPTED, Status.PROPOSED}
"""A plain result line is sent once there is a result (or, after a lapse, a signature to give), unless it was
sent before because the call takes long."""
_UNSENT: Final = Statement(select(_k.call_id).where(_k.chat == arg("chat_"), _k.message_id.is_(None)))
_DELIVER: Final = insert_once(deliveries)
_DELIVERED: Final = Statement(
    select(deliveries.c.at).where(
        deliveries.c.call_id == arg("call"),
        deliveries.c.person_id == arg("person"),
        deliveries.c.consent_digest == arg("digest"),
    )
)


class Outbox:
    """Implements `core.ports.Outbox`."""

    def __init__(self, session: Session, *, new_id: NewId, touch: Callable[[str, int], None]) -> None:
        self._session = session
        self._new_id = new_id
        self._touch = touch

    def card(self, call: ToolCall, *, held: bool = False) -> None:
        """Queues every card of the call to be brought up to date; the plain line of one that is held too."""
        for card, version in self._cards(call):
            if card.line and card.message_id is None and not held and call.status not in _LINE_SHOWS:
                continue
            self._session.do(
                _OUT_CARD,
                id=self._new_id(),
                tenant_id=call.tenant_id,
                account_id=call.account_id,
                chat=card.chat,
                kind="card",
                card_id=card.id,
                card_version=version,
                payload="{}",
                created_at=to_ms(call.changed_at),
                not_before=0,
                tries=0,
                done_at=None,
                error=None,
            )
            self._touch("outbox", card.chat)

    def _cards(self, call: ToolCall) -> Sequence[tuple[Card, int]]:
        """The cards that show this call, and the version that each must reach."""
        if call.run_id is None:
            return [(_card(row), call.version) for row in self._session.all(_CARDS_OF, call=call.id)]
        self._session.do(_RUN_CHANGED, run=call.run_id)
        rows = self._session.all(_CARDS_OF_STEP, call=call.id, run=call.run_id)
        return [(_card(row[:-1]), call.version if row[-1] is None else row[-1]) for row in rows]

    def message(
        self,
        *,
        tenant_id: TenantId,
        account_id: AccountId | None,
        chat: int,
        kind: str,
        payload: Mapping[str, Json],
        now: datetime,
    ) -> None:
        """Queues one message to a chat."""
        self._session.do(
            _OUT,
            id=self._new_id(),
            tenant_id=tenant_id,
            account_id=account_id,
            chat=chat,
            kind=kind,
            card_id=None,
            card_version=None,
            payload=json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
            created_at=to_ms(now),
            not_before=0,
            tries=0,
            done_at=None,
            error=None,
        )
        self._touch("outbox", chat)

    def first(self, chat: int) -> OutboxRow | None:
        """The oldest message that waits for this chat. Raises CorruptRecord."""
        row = self._session.one(_FIRST, chat_=chat)
        return None if row is None else _outbox_row(row)

    def waits(self, chat: int) -> bool:
        """Whether anything waits for this chat."""
        return self._session.one(_WAITS, chat_=chat) is not None

    def chats(self) -> Sequence[int]:
        """Chats that something waits for."""
        return [row[0] for row in self._session.all(_CHATS)]

    def done(self, row: OutboxRow, *, now: datetime, error: str | None = None) -> bool:
        """Takes a row off the queue, unless its card has changed since it was read."""
        reached = row.card_version or 0
        return self._session.run(_DONE, row_id=row.id, now_=to_ms(now), failure=error, reached=reached) == 1

    def drop_first(self, chat: int, *, now: datetime, error: str) -> None:
        """Takes the oldest row of a chat off the queue unread."""
        found = self._session.one(_FIRST, chat_=chat)
        if found is not None:
            self._session.run(_DONE, row_id=found[0], now_=to_ms(now), failure=error, reached=1 << 30)

    def postpone(self, row: OutboxRow, *, until: datetime) -> None:
        """Not to be tried before `until`."""
        self._session.do(_POSTPONE, row_id=row.id, until=to_ms(until))


class Cards:
    """Implements `core.ports.Cards`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, card: Card) -> bool:
        """Adds a card; False where the chat has one of this call."""
        return self._session.run(_ADD_CARD, **asdict(card)) == 1

    def get(self, card_id: CardId) -> Card | None:
        """The card of this id."""
        return _maybe_card(self._session.one(_CARD, id_=card_id))

    def at(self, chat: int, message_id: int) -> Card | None:
        """The card that this message is."""
        return _maybe_card(self._session.one(_CARD_AT, chat_=chat, number=message_id))

    def of(self, call_id: CallId) -> Sequence[Card]:
        """All cards of a call."""
        return [_card(row) for row in self._session.all(_CARDS_OF, call=call_id)]

    def showing(self, call: ToolCall) -> Sequence[Card]:
        """All cards that show a call: its own, then those of the run that it is a step of."""
        if call.run_id is None:
            return self.of(call.id)
        cards = [_card(row) for row in self._session.all(_SHOWING, call=call.id, run=call.run_id)]
        return sorted(cards, key=lambda card: card.run_id is not None)

    def shown(self, card: Card) -> None:
        """Notes what the chat shows now; an older version never replaces a newer one."""
        self._session.do(
            _SHOWN,
            id_=card.id,
            number=card.message_id,
            version=card.shown_version,
            digest=card.shown_digest,
        )

    def unsent(self, chat: int) -> Sequence[CallId]:
        """The calls whose card in this chat has no message."""
        return [CallId(row[0]) for row in self._session.all(_UNSENT, chat_=chat)]

    def send_anew(self, card: Card) -> None:
        """Forgets the message that a card was."""
        self._session.do(_SEND_ANEW, id_=card.id)

    def delivered(self, call_id: CallId, person_id: PersonId, consent_digest: str, *, now: datetime) -> None:
        """Notes that this person was sent everything that this digest covers."""
        self._session.do(
            _DELIVER,
            call_id=call_id,
            person_id=person_id,
            consent_digest=consent_digest,
            at=to_ms(now),
        )

    def was_delivered(self, call_id: CallId, person_id: PersonId, consent_digest: str) -> bool:
        """Whether this person was sent everything that this digest covers."""
        row = self._session.one(_DELIVERED, call=call_id, person=person_id, digest=consent_digest)
        return row is not None


def _card(row: Row) -> Card:
    return Card(**dict(zip(Card.__struct_fields__, row, strict=True)))


def _maybe_card(row: Row | None) -> Card | None:
    return None if row is None else _card(row)


def _outbox_row(row: Row) -> OutboxRow:
    values: dict[str, Any] = dict(zip(OutboxRow.__struct_fields__, row, strict=True))
    try:
        payload = read_json(values["payload"])
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise CorruptRecord(outbox.name, values["id"], "payload")
    values.update(
        payload=payload,
        created_at=from_ms(values["created_at"]),
        not_before=from_ms(values["not_before"]),
    )
    return OutboxRow(**values)
