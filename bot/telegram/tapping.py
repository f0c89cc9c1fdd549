"""One tap inside its transaction, and what it comes to: what the verbs of all buttons share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bot.telegram.render import toasts
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import reply
from bot.telegram.turn import Turn, principal
from core.approvals import refuse_decider, signers
from core.engine import Proposed, Refused
from core.engine.answers import refused
from core.errors import Code, Refusal
from core.guards import not_found, visible
from core.lifecycle import Status, in_words
from core.model import Card, Membership, Person, Principal, Role, ToolCall
from core.ports import Records
from core.tool import Tool


def acting_on(records: Records, turn: Turn, person: Person, call: ToolCall | None) -> Principal:
    """Who acts: in the call's own team, where they belong to it, whichever they speak for at the moment. A
    group speaks for one team: there it must show the call."""
    role = None if call is None else records.people.role(call.tenant_id, person.id)
    if call is None or role is None or not (turn.private or card_here(records, turn, call)):
        return turn.caller(records, person)
    return principal(person.id, call.tenant_id, role)


def card_here(records: Records, turn: Turn, call: ToolCall) -> Card | None:
    """The card of this call that this chat shows."""
    cards = (card for card in records.cards.showing(call) if card.chat == turn.chat.id)
    return next((card for card in cards if card.message_id is not None), None)


class Tap(Struct, frozen=True, kw_only=True):
    """One tap, inside its transaction. `card` is the tapped message, if it is a card of this call; `final`
    says that what the chat shows has settled."""

    records: Records
    turn: Turn
    call: ToolCall
    by: Principal
    card: Card | None
    message_id: int
    revision: int
    final: bool

    @property
    def here(self) -> Card | None:
        """The card of this call in this chat: the tapped message, or what its short messages stand under."""
        if self.card is not None:
            return self.card
        return card_here(self.records, self.turn, self.call)

    @property
    def shown(self) -> bool:
        """Whether the person sees this call in the chat in which they tap."""
        return self.here is not None

    @property
    def role(self) -> Role | None:
        """The person's role in the call's tenant today."""
        return (
            None if self.by.person is None else self.records.people.role(self.call.tenant_id, self.by.person)
        )

    @property
    def tool(self) -> Tool | None:
        """The call's tool, if it is still known."""
        return self.turn.front.env.registry.find(self.call.tool)

    @property
    def name(self) -> str:
        """How the person is called."""
        person = None if self.by.person is None else self.records.people.person(self.by.person)
        return "" if person is None else person.name

    def not_open(self) -> Refusal | None:
        """Why a button that only asks something has nothing to ask about; None where the call waits, and is
        as it was shown."""
        call = self.call
        if self.role is None:
            return Refusal(Code.NOT_A_MEMBER, "You have no access here. Ask an admin for an invite.")
        if not (self.shown or visible(call, by=self.by, role=self.role)):
            return not_found()
        if call.status is not Status.PROPOSED:
            told = f"Call #{call.short_id} {in_words(call.status)}."
            return Refusal(Code.ALREADY_DECIDED, told, current_status=call.status.value)
        if self.revision != call.revision:
            told = "This request changed since. Showing the latest version; please look again."
            return Refusal(Code.STALE_REVISION, told, current_revision=call.revision)
        return None

    def not_a_decider(self) -> Refusal | None:
        """Why this person may not decide the call; None where they may."""
        call = self.call

        def members() -> Sequence[Membership]:
            everybody = self.records.people.members(call.tenant_id)
            return signers(call.verdict, requester=call.requester_id, members=everybody)

        return refuse_decider(call, call.verdict, by=self.by, role=self.role, members=members)

    def refuse(self, refusal: Refusal, verb: str) -> Tapped:
        """Records a refusal of this door's own, and tells it."""
        answer = refused(self.records, refusal, verb=verb, by=self.by, now=self.turn.now.wall, call=self.call)
        return told_no(answer)

    def say(self, shown: Shown, *, ask: str | None = None) -> None:
        """A short message of its own under the card, since the card is the same for all who see it."""
        turn = self.turn
        reply(
            self.records,
            self.call.tenant_id,
            turn.chat.id,
            shown,
            now=turn.now.wall,
            thread=turn.thread,
            reply_to=self.message_id,
            ask=ask,
        )

    def rewrite(self, shown: Shown) -> None:
        """Replaces the tapped message, unless it is a card: those follow from what is recorded."""
        turn = self.turn
        if self.message_id and self.records.cards.at(turn.chat.id, self.message_id) is None:
            tenant = self.call.tenant_id
            reply(self.records, tenant, turn.chat.id, shown, now=turn.now.wall, edit=self.message_id)


class Tapped(Struct, frozen=True):
    """What a tap came to. `look_again`: the message it was on shows something old."""

    toast: Toast
    look_again: bool = False


class NotShownYet(Exception):
    """The card that was tapped is on its way through the relay: what it shows is recorded in a moment."""


_SHOWS_SOMETHING_OLD: Final = frozenset(
    {
        Code.ALREADY_DECIDED,
        Code.STALE_REVISION,
        Code.NOT_PENDING,
        Code.NOT_INTERRUPTED,
        Code.NOT_UNDOABLE,
    }
)


def told_no(answer: Refused) -> Tapped:
    """A tap that did not count, and why."""
    return Tapped(toasts.refusal(answer.refusal), look_again=answer.refusal.code in _SHOWS_SOMETHING_OLD)


def told(answer: Proposed | Refused, toast: Toast) -> Tapped:
    """What a verb that gives a call answered."""
    if isinstance(answer, Refused):
        return told_no(answer)
    if answer.repeated:
        return Tapped(toasts.there_already(answer.call), look_again=True)
    return Tapped(toast)
