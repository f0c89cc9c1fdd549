"""What comes in and what goes out: inbox, open questions, outbox, cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from core.digest import Json
from core.ids import AccountId, CallId, CardId, PersonId, TenantId
from core.model import (
    Card,
    ToolCall,
)


class Inbox(Protocol):
    """Updates as they were received, until their effect is committed."""

    def store(self, bot_id: int, updates: Sequence[tuple[int, str]], *, now: datetime) -> None:
        """Keeps (update id, raw JSON) pairs; those kept already are left alone."""
        ...

    def undone(self, bot_id: int, *, limit: int) -> Sequence[tuple[int, str]]:
        """Updates not handled yet, oldest first."""
        ...

    def is_done(self, bot_id: int, update_id: int) -> bool:
        """Whether this update was handled already."""
        ...

    def done(self, bot_id: int, update_id: int, *, now: datetime, error: str | None = None) -> bool:
        """Marks an update handled, in the transaction of its effect. False where it was handled before."""
        ...


class Dialogue(Struct, frozen=True, kw_only=True):
    """A question that the bot asked one person in one chat and whose answer it waits for."""

    chat: int
    person_id: PersonId
    tenant_id: TenantId
    kind: str
    state: Mapping[str, Json]
    at: datetime


class Dialogues(Protocol):
    """Open questions: at most one for a person in a chat."""

    def get(self, chat: int, person_id: PersonId) -> Dialogue | None:
        """The open question."""
        ...

    def put(self, dialogue: Dialogue) -> None:
        """Asks; replaces an open question."""
        ...

    def drop(self, chat: int, person_id: PersonId) -> bool:
        """Closes the open question; False where there is none."""
        ...


class OutboxRow(Struct, frozen=True, kw_only=True):
    """Something that must go out. `card_version` is the version that the card must reach, for `card` rows."""

    id: str
    tenant_id: TenantId
    chat: int
    kind: str
    card_id: CardId | None
    card_version: int | None
    payload: Mapping[str, Json]
    created_at: datetime
    not_before: datetime
    tries: int


class Outbox(Protocol):
    """What must go out to people, in order per chat."""

    def card(self, call: ToolCall, *, held: bool = False) -> None:
        """All cards of this call are to be brought up to the committed state. Ten changes cost one edit. Of a
        run's step it counts a change of the run, whose cards show it. A plain line is left out until there is
        something to tell: a result, or that the call is `held`."""
        ...

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
        """One message to a chat. `kind` names the notifier's method, `payload` what it needs."""
        ...

    def first(self, chat: int) -> OutboxRow | None:
        """The oldest message that waits for this chat."""
        ...

    def waits(self, chat: int) -> bool:
        """Whether anything waits for this chat."""
        ...

    def chats(self) -> Sequence[int]:
        """Chats that something waits for."""
        ...

    def done(self, row: OutboxRow, *, now: datetime, error: str | None = None) -> bool:
        """Takes a row off the queue. False where its card has changed since it was read: it stays queued."""
        ...

    def drop_first(self, chat: int, *, now: datetime, error: str) -> None:
        """Takes the oldest row of a chat off the queue unread: it, or what it tells of, cannot be read."""
        ...

    def postpone(self, row: OutboxRow, *, until: datetime) -> None:
        """Not to be tried before `until`; counts a try."""
        ...


class Cards(Protocol):
    """The messages that mirror calls, and who was shown what."""

    def add(self, card: Card) -> bool:
        """Adds a card, not sent yet. False where the chat has a card of this call."""
        ...

    def at(self, chat: int, message_id: int) -> Card | None:
        """The card that this message is."""
        ...

    def shown(self, card: Card) -> None:
        """Notes what the chat shows now: message id, version, digest."""
        ...

    def get(self, card_id: CardId) -> Card | None:
        """The card of this id."""
        ...

    def of(self, call_id: CallId) -> Sequence[Card]:
        """All cards of a call."""
        ...

    def showing(self, call: ToolCall) -> Sequence[Card]:
        """All cards that show a call: its own, then those of the run that it is a step of."""
        ...

    def unsent(self, chat: int) -> Sequence[CallId]:
        """The calls whose card in this chat has no message."""
        ...

    def send_anew(self, card: Card) -> None:
        """Forgets the message that a card was; the next time it goes out, it is a new one."""
        ...

    def delivered(self, call_id: CallId, person_id: PersonId, consent_digest: str, *, now: datetime) -> None:
        """Notes that this person was sent everything that this digest covers."""
        ...

    def was_delivered(self, call_id: CallId, person_id: PersonId, consent_digest: str) -> bool:
        """Whether this person was sent everything that this digest covers."""
        ...
