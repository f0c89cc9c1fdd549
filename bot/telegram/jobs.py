"""What the relay sends, read in one snapshot: a row of the outbox, and what its card shows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bot.telegram.outgoing import CARD, END_REPLY, REMINDER, SWITCH
from bot.telegram.render import card as render
from bot.telegram.render import pausing as render_pausing
from bot.telegram.render import run as render_run
from bot.telegram.render.message import Shown
from bot.telegram.render.reminder import for_nobody, reminder
from core.engine import Env
from core.engine.held import viewed, with_held
from core.engine.quiet import quiet_until
from core.engine.runs import RunView, run_digest, run_view
from core.ids import CallId, CardId, PersonId, SwitchId
from core.lifecycle import EXECUTING, Status
from core.live import Progress
from core.model import CallView, Card, Channel, ToolCall
from core.ports import OutboxRow, Records, view
from core.switches import as_seen

ProgressOf = Callable[[CallId], Progress | None]
_MOST_OPENED: Final = 1000


class Subject(Struct, frozen=True, kw_only=True):
    """What a card shows: one call, or all the steps of a run."""

    card: Card
    view: CallView
    whole: RunView | None = None
    left: bool = False  # the one who reads the card there is not in its team any more

    @property
    def calls(self) -> Sequence[ToolCall]:
        """The calls that it shows."""
        return (self.view.call,) if self.whole is None else self.whole.calls

    @property
    def to_sign(self) -> Sequence[ToolCall]:
        """Those of them that wait for a signature, which their digests are delivered for."""
        return [call for call in self.calls if self.whole is None or call.status is Status.PROPOSED]

    @property
    def version(self) -> int:
        """What the card must reach to be up to date with this."""
        return self.view.call.version if self.whole is None else self.whole.record.version

    @property
    def digest(self) -> str:
        """What whoever reads the card in full has been shown."""
        return shown_digest(self.calls, run=self.whole is not None)


class Job(Struct, frozen=True, kw_only=True):
    """What a row asks for: a card's subject, or a reply."""

    row: OutboxRow
    subject: Subject | None = None
    reply: Shown | None = None
    reply_to: int | None = None
    silent: bool = False  # it is quiet where it goes


class Opened:
    """The run cards on which somebody asked for buttons step by step. Kept in memory: after a restart a card
    has them again once some of its steps are decided."""

    def __init__(self) -> None:
        self._messages: OrderedDict[tuple[int, int], None] = OrderedDict()

    def set(self, chat: int, message_id: int, *, opened: bool) -> None:
        """From now on this message has them, or has not."""
        self._messages.pop((chat, message_id), None)
        if opened:
            self._messages[chat, message_id] = None
        while len(self._messages) > _MOST_OPENED:
            self._messages.popitem(last=False)

    def has(self, card: Card) -> bool:
        """Whether this card has them."""
        return (card.chat, card.message_id) in self._messages


def shown_digest(calls: Sequence[ToolCall], *, run: bool) -> str:
    """What a card that shows all of this has shown."""
    return run_digest(calls) if run else calls[0].consent_digest


def shows_whole(records: Records, card: Card, call: ToolCall) -> bool:
    """Whether this card shows all that a signature on this call covers, as it is now."""
    if card.run_id is None:
        return card.call_id == call.id and card.shown_digest == call.consent_digest
    if card.run_id != call.run_id or card.shown_digest is None:
        return False
    return card.shown_digest == run_digest(records.runs.calls(card.run_id))


def next_job(records: Records, chat: int, *, now: datetime, env: Env) -> Job | None:
    """What the chat's oldest row asks for. Raises CorruptRecord."""
    row = records.outbox.first(chat)
    if row is None:
        return None
    if row.kind == CARD and row.card_id is not None:
        card = records.cards.get(row.card_id)
        subject = None if card is None else subject_of(records, card, now=now, env=env)
        if subject is not None:
            return Job(row=row, subject=subject, silent=_comes_silently(records, subject, now=now))
    if row.kind == SWITCH:
        return Job(row=row, reply=_switch_told(records, row, now=now, env=env))
    if row.kind in {END_REPLY, REMINDER}:
        call = records.calls.get(CallId(str(row.payload["call_id"])))
        if call is not None:
            there = [card for card in records.cards.showing(call) if card.chat == chat]
            reply_to = there[-1].message_id if there else call.source_message
            said = reminder(call, now=now) if row.kind == REMINDER else _end_reply(records, call)
            return Job(row=row, reply=said, reply_to=reply_to)
    return Job(row=row)


def _comes_silently(records: Records, subject: Subject, *, now: datetime) -> bool:
    """Whether this is a new card for somebody else than its requester, in their quiet hours."""
    call, owner = subject.view.call, owner_of(records, subject.card)
    if subject.card.message_id is not None or owner is None or owner == call.requester_id:
        return False
    person, tenant = records.people.person(owner), records.people.tenant(call.tenant_id)
    if person is None or tenant is None:
        return False
    return quiet_until(person, timezone=tenant.timezone, now=now) is not None


def _switch_told(records: Records, row: OutboxRow, *, now: datetime, env: Env) -> Shown:
    """What an admin is told of a pause, as their team may see it."""
    switch = records.switches.get(SwitchId(str(row.payload["switch"])))
    if switch is None:
        return render_pausing.which((), now=now)
    seen = as_seen(switch, tenant_id=row.tenant_id, home=env.home)
    return render_pausing.told(seen, str(row.payload["what"]), now=now)


def _end_reply(records: Records, call: ToolCall) -> Shown:
    """How a call ended, or with the last of its steps a run."""
    run = None if call.run_id is None else records.runs.get(call.run_id)
    if run is None or call.status in {Status.DENIED, Status.INTERRUPTED}:
        return render.end_reply(view(records, call))
    return render_run.end_reply(run_view(records, run))


def card_at(records: Records, chat: int, message_id: int, *, now: datetime, env: Env) -> Subject | None:
    """What the card that this message is shows. Raises CorruptRecord."""
    card = records.cards.at(chat, message_id)
    return None if card is None else subject_of(records, card, now=now, env=env)


def still_unsent(records: Records, card_id: CardId, *, now: datetime, env: Env) -> Subject | None:
    """What this card shows, as long as its call runs and it has no message. Raises CorruptRecord."""
    card = records.cards.get(card_id)
    if card is None or card.message_id is not None:
        return None
    subject = subject_of(records, card, now=now, env=env)
    return subject if subject is not None and subject.view.call.status in EXECUTING else None


def subject_of(records: Records, card: Card, *, now: datetime, env: Env) -> Subject | None:
    """What this card shows, with what its calls wait for. Raises CorruptRecord."""
    call = records.calls.get(card.call_id)
    if call is None:
        return None
    run = None if card.run_id is None else records.runs.get(card.run_id)
    whole = None if run is None else _with_held(records, run_view(records, run), now=now, env=env)
    owner = owner_of(records, card)
    left = owner is not None and records.people.role(card.tenant_id, owner) is None
    seen = viewed(records, call, now=now, env=env)
    return Subject(card=card, view=seen, whole=whole, left=left)


def _with_held(records: Records, run: RunView, *, now: datetime, env: Env) -> RunView:
    return replace(run, views=tuple(with_held(records, each, now=now, env=env) for each in run.views))


def cards_showing(records: Records, call_id: CallId) -> Sequence[Card]:
    """All cards that show this call. Raises CorruptRecord."""
    call = records.calls.get(call_id)
    return [] if call is None else records.cards.showing(call)


def owner_of(records: Records, card: Card) -> PersonId | None:
    """Whose private chat a card is in."""
    if not card.private:
        return None
    identity = records.people.identity(Channel.TELEGRAM, str(card.chat))
    return None if identity is None else identity.person_id


def has_all(records: Records, subject: Subject, about: str = "") -> bool:
    """Whether the owner of the card's chat was sent all that is to be signed there, or the file `about`."""
    owner = owner_of(records, subject.card)
    return owner is not None and all(
        records.cards.was_delivered(call.id, owner, about or call.consent_digest) for call in subject.to_sign
    )


def note_sent(records: Records, subject: Subject, about: str = "", *, now: datetime) -> None:
    """Notes that the owner of the card's chat was sent what is to be signed there, or the file `about`."""
    owner = owner_of(records, subject.card)
    if owner is None:
        return
    for call in subject.to_sign:
        records.cards.delivered(call.id, owner, about or call.consent_digest, now=now)


def rendered(
    subject: Subject, *, env: Env, now: datetime, progress_of: ProgressOf, one_by_one: bool = False
) -> Shown:
    """The message that a card is."""
    card, seen, registry = subject.card, subject.view, env.registry
    if subject.left:
        return for_nobody(seen.call)
    if subject.whole is not None:
        return render_run.card(
            subject.whole,
            now=now,
            registry=registry,
            private=card.private,
            progress_of=progress_of,
            one_by_one=one_by_one,
        )
    tool = registry.find(seen.call.tool)
    progress = progress_of(seen.call.id) if seen.call.status in EXECUTING else None
    if card.line:
        return render.line(
            seen, tool=tool, now=now, registry=registry, private=card.private, progress=progress
        )
    return render.card(seen, tool=tool, now=now, registry=registry, private=card.private, progress=progress)
