"""/pending: what waits for one person's signature, a card at a time, with Next to step through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from bot.telegram import pausing
from bot.telegram.buttons import CallButton, Page, PageButton, Verb
from bot.telegram.render import lists, texts, toasts
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import reply, say
from bot.telegram.tapping import Tap, Tapped
from bot.telegram.turn import Turn, known_person, settle
from core.engine.readable import readable
from core.engine.routing import show_here
from core.guards import not_found, visible
from core.ids import from_opaque, opaque
from core.lifecycle import Status
from core.model import Membership, Principal, Role, ToolCall
from core.ports import Records
from core.queries import HistoryFilter, HistoryRow

MOST: Final = 50
"""So many are counted; "50 or more" where there are others."""
MOST_UNSETTLED: Final = 6


async def first(turn: Turn) -> None:
    """How many wait, and the card of the first of them."""
    rows = await _waiting(turn)
    if rows is None:
        await turn.effect("stranger", lambda records: _no_access(records, turn))
        return
    unsettled = await _unsettled(turn)
    await turn.effect("pending", lambda records: _show(records, turn, rows, at=0, unsettled=unsettled))


async def turned(turn: Turn, argument: str, message_id: int) -> Toast | None:
    """Next: the card of the first that waits after the one shown before; None for somebody who is no member.
    What was decided meanwhile is left out."""
    rows, after = await _waiting(turn), from_opaque(argument)
    if rows is None or after is None:
        await turn.effect("pending.next", lambda records: None)
        return None if rows is None else toasts.unknown_button()
    at = next((number for number, row in enumerate(rows) if row.id > after), len(rows))

    def work(records: Records) -> Toast:
        _turn_page(records, turn, rows, at=at, message_id=message_id)
        return toasts.done() if at < len(rows) else toasts.nothing_more()

    return await turn.effect("pending.next", work)


def _turn_page(records: Records, turn: Turn, rows: Sequence[HistoryRow], *, at: int, message_id: int) -> None:
    """The next one: under its card in private, in place of the one before in a group."""
    if records.cards.at(turn.chat.id, message_id) is not None:
        return  # forged: a card follows from what is recorded
    if turn.private and at < len(rows):
        _tell(records, turn, texts.shown_below(at + 1), edit=message_id)
        _show(records, turn, rows, at=at)
    else:
        _show(records, turn, rows, at=at, edit=message_id)


async def _waiting(turn: Turn) -> Sequence[HistoryRow] | None:
    """What waits for this person, oldest first; None where they are no member."""
    speaker = await turn.front.reader.read(turn.speaker)
    if speaker.person is None or speaker.role is None:
        return None
    member = Membership(
        tenant_id=speaker.tenant.id,
        person_id=speaker.person.id,
        role=speaker.role,
        name=speaker.person.name,
    )
    return await turn.front.pages.waiting_for(member, limit=MOST + 1)


async def _unsettled(turn: Turn) -> Sequence[HistoryRow]:
    """The interrupted calls that this person may settle, newest first."""
    speaker = await turn.front.reader.read(turn.speaker)
    if speaker.person is None or speaker.role is None:
        return ()
    own = None if speaker.role.includes(Role.APPROVER) else speaker.person.id
    wanted = HistoryFilter(
        tenant_id=speaker.tenant.id, statuses=frozenset({Status.INTERRUPTED}), requester=own
    )
    return (await turn.front.pages.history(wanted, limit=MOST_UNSETTLED)).rows


def _show(
    records: Records,
    turn: Turn,
    rows: Sequence[HistoryRow],
    *,
    at: int,
    edit: int | None = None,
    unsettled: Sequence[HistoryRow] = (),
) -> None:
    """The card of one of them at the end of this chat, and under it the queue with Next. A group is shown a
    card that came from elsewhere only once somebody taps Show."""
    here = rows[at] if at < len(rows) else None
    call = readable(records, here.id, now=turn.now.wall) if here is not None and turn.private else None
    if call is not None:
        bring_here(records, turn, turn.caller(records, known_person(records, turn)), call)
    titles = None if turn.private else lists.general_titles(turn.front.env.registry)
    shown = lists.queue(
        rows[:MOST],
        at=at,
        more=len(rows) > MOST,
        show=CallButton(Verb.DETAILS, here.id, 0).encode() if here else None,
        following=PageButton(Page.NEXT, opaque(here.id)).encode() if here and at + 1 < len(rows) else None,
        now=turn.now.wall,
        titles=titles,
    )
    besides = lists.unsettled(unsettled, titles=titles)
    if besides.html:
        shown = Shown(html=f"{shown.html}\n{besides.html}", buttons=(*shown.buttons, *besides.buttons))
    above = pausing.waits_for(records, turn, turn.tenant(records))
    _tell(records, turn, replace(shown, html=f"{above}\n{shown.html}") if above else shown, edit=edit)


def _tell(records: Records, turn: Turn, shown: Shown, *, edit: int | None = None) -> None:
    settle(records, turn)
    say(records, turn, shown, edit=edit)


def _no_access(records: Records, turn: Turn) -> None:
    known_person(records, turn)
    _tell(records, turn, texts.no_access(turn.user.id))


def show(tap: Tap) -> Tapped:
    """Brings the card to the end of this chat; the older copy loses its buttons."""
    elsewhere = tap.call.tenant_id != tap.by.tenant
    if tap.role is None or elsewhere or not visible(tap.call, by=tap.by, role=tap.role):
        return tap.refuse(not_found(), "show")
    bring_here(tap.records, tap.turn, tap.by, tap.call)
    return Tapped(toasts.done())


def bring_here(records: Records, turn: Turn, by: Principal, call: ToolCall) -> None:
    """The call's card as the newest message of this chat; what was it before says so."""
    here = next((card for card in records.cards.of(call.id) if card.chat == turn.chat.id), None)
    if here is not None and here.message_id is not None:
        if here.private and by.person is not None and here.shown_digest == call.consent_digest:
            records.cards.delivered(call.id, by.person, call.consent_digest, now=turn.now.wall)
        moved = texts.moved_below(call)
        reply(records, call.tenant_id, turn.chat.id, moved, now=turn.now.wall, edit=here.message_id)
    show_here(records, call, chat=turn.chat.id, thread=turn.thread, private=turn.private, env=turn.front.env)
