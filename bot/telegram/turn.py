"""One update's turn: who speaks, where, and the one transaction that holds its whole effect.

The effect and the mark that the update is done are committed together: a turn that is cut short is taken
again after the restart, one that is repeated finds itself done and changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct, field
from telegram import Chat, Message, Update, User

from bot.clock import SystemClock
from bot.machine import Machine
from bot.telegram.api import Api
from bot.telegram.first_taps import FirstTaps
from core.engine import Env
from core.engine.routing import reach
from core.engine.tenants import spoken_for
from core.ids import AccountId, ConversationId, PersonId, TenantId
from core.model import Channel, Conversation, Identity, Person, Principal, Role, Tenant
from core.parsing import ParseContext
from core.parsing.text import first_word
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

    def step_buttons(self, chat: int, message_id: int, *, opened: bool) -> None:
        """A run's card has buttons for each step the next time that it is shown, or has not. Any thread may
        call this."""
        ...


class Front(Struct, frozen=True, kw_only=True):
    """What all turns share. `home` is the bot's own tenant, for whoever speaks for no other (a turn's is
    `Turn.tenant`); `registered` sets the command menu of a private chat by its
    person's role (None: they belong to no team)."""

    uow: UnitOfWork
    reader: Reader
    env: Env
    clock: SystemClock
    relay: Wake
    api: Api
    pages: Pages
    registered: Callable[[int, Role | None], Awaitable[None]]
    home: TenantId
    bot_id: int
    bot_username: str
    machine: Machine = field(default_factory=lambda: Machine(Path()))
    first_taps: FirstTaps = field(default_factory=FirstTaps)


class AlreadyHandled(Exception):
    """This update had its effect before. Nothing is to be done."""


class Speaker(Struct, frozen=True, kw_only=True):
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


class Turn(Struct, frozen=True, kw_only=True):
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

    def tenant(self, records: Records) -> TenantId:
        """The team that this turn is for: the group's own, else the one that the person speaks for. To be
        asked for inside the transaction that acts on it."""
        if self.chat.id == self.front.env.approvers_chat:
            return self.front.home
        if not self.private:
            theirs = records.people.tenant_at(Channel.TELEGRAM, str(self.chat.id))
            if theirs is not None:
                return theirs
        identity = records.people.identity(Channel.TELEGRAM, str(self.user.id))
        person = None if identity is None else records.people.person(identity.person_id)
        return self.front.home if person is None else spoken_for(records, person, home=self.front.home)

    def team(self, records: Records) -> Tenant:
        """The same team, as recorded."""
        tenant = records.people.tenant(self.tenant(records))
        if tenant is None:
            raise LookupError("a turn's team is recorded, and none is ever taken away")
        return tenant

    def caller(self, records: Records, person: Person) -> Principal:
        """This person as who acts in this turn, with the role that they have in its team today."""
        tenant = self.tenant(records)
        return principal(person.id, tenant, records.people.role(tenant, person.id))

    def speaker(self, records: Records) -> Speaker:
        """Who speaks, without changing anything."""
        tenant = self.team(records)
        identity = records.people.identity(Channel.TELEGRAM, str(self.user.id))
        person = None if identity is None else records.people.person(identity.person_id)
        role = None if person is None else records.people.role(tenant.id, person.id)
        return Speaker(
            person=person,
            role=role,
            tenant=tenant,
            principal=principal(person.id if person else None, tenant.id, role),
            conversation=records.people.conversation_at(
                tenant.id, Channel.TELEGRAM, str(self.chat.id), self.thread
            ),
        )

    @property
    def private(self) -> bool:
        """Whether this is a private chat with the bot."""
        return self.chat.type == Chat.PRIVATE


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
        reach(records, identity.person_id, now=turn.now, env=turn.front.env)
    person_known = records.people.person(identity.person_id)
    if person_known is None:
        raise LookupError(f"identity {turn.user.id} names a person who is not there")
    return person_known


def context_of(records: Records, turn: Turn) -> ParseContext:
    """How this person writes dates and amounts."""
    speaker = turn.speaker(records)
    return ParseContext(now=turn.now.wall, timezone=speaker.timezone, currency=speaker.currency)


def rest_of(message: Message) -> str:
    """What follows the command, whatever white space stands between."""
    return first_word(message.text or message.caption or "")[1]


def place(records: Records, turn: Turn, owner: PersonId | None) -> Conversation:
    """The conversation that this turn happens in, made on first sight. One account a chat."""
    front, tenant = turn.front, turn.tenant(records)
    found = records.people.conversation_at(tenant, Channel.TELEGRAM, str(turn.chat.id), turn.thread)
    if found is not None:
        return found
    fresh = Conversation(
        id=ConversationId(front.env.new_id()),
        tenant_id=tenant,
        account_id=AccountId(f"{tenant}:telegram:{turn.chat.id}"),
        channel=Channel.TELEGRAM,
        chat=str(turn.chat.id),
        thread=turn.thread,
        private=turn.private,
        owner_id=owner if turn.private else None,
    )
    name = turn.chat.title or turn.chat.full_name or str(turn.chat.id)
    records.people.add_conversation(fresh, account_name=name, now=turn.now.wall)
    return fresh


def settle(records: Records, turn: Turn) -> None:
    """A group in which a member speaks to the bot is their team's from then on, if it is none's yet."""
    if not turn.private and turn.speaker(records).role is not None:
        place(records, turn, None)


def keep(
    records: Records, turn: Turn, conversation: Conversation, person: Person, *, number: int, text: str
) -> None:
    """Keeps what somebody said here, once."""
    records.people.add_message(
        turn.front.env.new_id(),
        conversation,
        number=number,
        person_id=person.id,
        text=text,
        now=turn.now.wall,
    )


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
