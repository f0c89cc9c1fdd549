"""One update's turn: who speaks, where, and the one transaction that holds its whole effect.

The effect and the mark that the update is done are committed together: a turn that is cut short is taken
again after the restart, one that is repeated finds itself done and changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from telegram import Chat, Message, Update, User

from bot.clock import SystemClock
from bot.telegram.api import Api
from core.engine import Env
from core.ids import AccountId, ConversationId, PersonId, TenantId
from core.model import Channel, Conversation, Identity, Person, Principal, Role, Tenant
from core.ports import Now, Reader, Records, UnitOfWork
from core.queries import Pages

T = TypeVar("T")


class Wake(Protocol):
    """What a turn may ask of the relay."""

    async def settled(self, chat: int) -> None:
        """Returns once nothing is under way to this chat."""
        ...

    def wake(self, chat: int) -> None:
        """Something waits for this chat."""
        ...

    def refresh(self, chat: int, message_id: int) -> None:
        """Brings one message that is a card up to date, whatever is recorded of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What all turns share. `home` is the tenant that this bot serves; `registered` sets the command menu of
    a private chat whose person has a role."""

    uow: UnitOfWork
    reader: Reader
    env: Env
    clock: SystemClock
    relay: Wake
    api: Api
    pages: Pages
    registered: Callable[[int, Role], Awaitable[None]]
    home: TenantId
    bot_id: int
    bot_username: str


class AlreadyHandled(Exception):
    """This update had its effect before. Nothing is to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Who speaks, where, as the database knows them. `person` None: a stranger."""

    person: Person | None
    role: Role | None
    tenant: Tenant
    principal: Principal
    conversation: Conversation | None

    @property
    def timezone(self) -> str:
        """The person's zone, or the tenant's."""
        return (self.person and self.person.timezone) or self.tenant.timezone

    @property
    def currency(self) -> str:
        """The person's currency, or the tenant's."""
        return (self.person and self.person.currency) or self.tenant.currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One update being handled."""

    front: Front
    update_id: int
    user: User
    chat: Chat
    thread: int | None
    now: Now

    async def effect(self, name: str, work: Callable[[Records], T]) -> T:
        """Runs `work` and marks the update done in one transaction. Once a turn.

        Raises AlreadyHandled, with nothing changed, where the update was done before.
        """

        def whole(records: Records) -> T:
            result = work(records)
            if not records.inbox.done(self.front.bot_id, self.update_id, now=self.now.real):
                raise AlreadyHandled
            return result

        return await self.front.uow.run(name, whole)

    def speaker(self, records: Records) -> Speaker:
        """Who speaks, without changing anything."""
        return speaker(records, self.front, self.user, self.chat.id, self.thread)

    @property
    def private(self) -> bool:
        """Whether this is a private chat with the bot."""
        return self.chat.type == Chat.PRIVATE


def speaker(records: Records, front: Front, user: User, chat: int, thread: int | None) -> Speaker:
    """Looks up a Telegram user and place."""
    tenant = records.people.tenant(front.home)
    if tenant is None:
        raise LookupError(f"tenant {front.home} is made when the bot starts")
    identity = records.people.identity(Channel.TELEGRAM, str(user.id))
    person = None if identity is None else records.people.person(identity.person_id)
    role = None if person is None else records.people.role(tenant.id, person.id)
    return Speaker(
        person=person,
        role=role,
        tenant=tenant,
        principal=principal(person.id if person else None, tenant.id, role),
        conversation=records.people.conversation_at(tenant.id, Channel.TELEGRAM, str(chat), thread),
    )


def principal(person: PersonId | None, tenant: TenantId, role: Role | None) -> Principal:
    """Who acts through Telegram. A stranger has no person and passes no guard."""
    return Principal(
        person=person,
        tenant=tenant,
        roles=frozenset() if role is None else frozenset({role}),
        channel=Channel.TELEGRAM,
    )


def known_person(records: Records, turn: Turn) -> Person:
    """The person behind the turn's user, made on first sight: being known is not being a member."""
    identity = records.people.identity(Channel.TELEGRAM, str(turn.user.id))
    private_chat = turn.chat.id if turn.private else None
    if identity is None:
        person = Person(
            id=PersonId(turn.front.env.new_id()),
            name=turn.user.full_name or f"user {turn.user.id}",
            timezone=None,
            currency=None,
            end_replies=True,
        )
        records.people.add_person(person, now=turn.now.wall)
        records.people.add_identity(
            Identity(
                channel=Channel.TELEGRAM,
                subject=str(turn.user.id),
                person_id=person.id,
                private_chat=private_chat,
            ),
            username=turn.user.username or "",
        )
        return person
    if private_chat is not None and identity.private_chat != private_chat:
        records.people.set_private_chat(Channel.TELEGRAM, str(turn.user.id), private_chat)
    person_known = records.people.person(identity.person_id)
    if person_known is None:
        raise LookupError(f"identity {turn.user.id} names a person who is not there")
    return person_known


def place(records: Records, turn: Turn, owner: PersonId | None) -> Conversation:
    """The conversation that this turn happens in, made on first sight. One account a chat."""
    front = turn.front
    found = records.people.conversation_at(front.home, Channel.TELEGRAM, str(turn.chat.id), turn.thread)
    if found is not None:
        return found
    fresh = Conversation(
        id=ConversationId(front.env.new_id()),
        tenant_id=front.home,
        account_id=AccountId(f"{front.home}:telegram:{turn.chat.id}"),
        channel=Channel.TELEGRAM,
        chat=str(turn.chat.id),
        thread=turn.thread,
        private=turn.private,
        owner_id=owner if turn.private else None,
    )
    name = turn.chat.title or turn.chat.full_name or str(turn.chat.id)
    records.people.add_conversation(fresh, account_name=name, now=turn.now.wall)
    return fresh


def turn_of(front: Front, update: Update) -> Turn | None:
    """The turn of an update that has a person and a chat; None for others."""
    user, chat = update.effective_user, update.effective_chat
    if user is None or chat is None:
        return None
    message = update.effective_message
    in_topic = isinstance(message, Message) and bool(message.is_topic_message)
    return Turn(
        front=front,
        update_id=update.update_id,
        user=user,
        chat=chat,
        thread=message.message_thread_id if in_topic and isinstance(message, Message) else None,
        now=front.clock.both(),
    )
