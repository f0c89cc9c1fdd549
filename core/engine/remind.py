"""Reminding those who may sign, and asking others besides once that did not help. Never decides anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from core.digest import Json
from core.engine.change import amend
from core.engine.env import Env
from core.engine.expire import BATCH, ESCALATE, REMIND
from core.engine.quiet import quiet_until
from core.engine.readable import readable, skipping
from core.engine.routing import people_asked, private_chat, spread
from core.ids import PersonId
from core.lifecycle import Status
from core.model import SYSTEM, Card, Role, ToolCall
from core.ports import Now, Records

MESSAGE: Final = "reminder"
"""The outbox's kind of a reminder."""
_LATER: Final = f"{REMIND}:"
"""A reminder of one person, which waited for the end of their quiet hours."""
_ROLES: Final = {Role.MEMBER: "all members", Role.APPROVER: "approvers", Role.ADMIN: "admins"}


def remind(records: Records, *, now: Now, env: Env) -> int:
    """Does what is due about calls that wait for a signature. At most `BATCH`; how many. Each is done once:
    what is due is marked in the transaction in which it is done."""
    due = records.reminders.due(now.wall, limit=BATCH)
    for call_id, revision, kind in due:
        records.reminders.done(call_id, revision, kind, now=now.wall)
        call = readable(records, call_id, now=now.wall)
        if call is not None and _waits(call, revision, now=now) and _is_on(records, call):
            with skipping(records, now=now.wall):
                _do(records, call, kind, now=now, env=env)
    return len(due)


def _waits(call: ToolCall, revision: int, *, now: Now) -> bool:
    in_time = call.expires_at is not None and now.wall < call.expires_at
    return call.status is Status.PROPOSED and call.revision == revision and in_time


def _is_on(records: Records, call: ToolCall) -> bool:
    """Whether signing would do anything: nobody is bothered for a team that is switched off."""
    tenant = records.people.tenant(call.tenant_id)
    return tenant is not None and tenant.active


def _do(records: Records, call: ToolCall, kind: str, *, now: Now, env: Env) -> None:
    if kind == ESCALATE:
        _escalate(records, call, now=now, env=env)
    elif kind == REMIND:
        _remind(records, call, now=now, env=env)
    elif kind.startswith(_LATER):
        person = PersonId(kind.removeprefix(_LATER))
        if person in _undecided(records, call, now=now):
            _tell(records, call, _private_cards(records, call, [person]), now=now)


def _remind(records: Records, call: ToolCall, *, now: Now, env: Env) -> None:
    """Writes to those who may sign and have not voted, next to their cards; where it is quiet, later."""
    place = records.people.conversation(call.conversation_id)
    if place is None or _is_told_of_with_another(records, call):
        return
    if spread(records, call, place, now=now.wall, env=env):  # somebody went away, or came, since it was asked
        records.outbox.card(call)
    people = _undecided(records, call, now=now)
    awake = [person for person in people if not _put_off(records, call, person, now=now)]
    cards = _private_cards(records, call, awake)
    elsewhere = [card for card in _cards(records, call) if not card.private and str(card.chat) != place.chat]
    if len(_private_cards(records, call, people)) < len(people):  # some have it in the group only
        elsewhere = [card for card in _cards(records, call) if not card.private]
    _tell(records, call, [*cards, *(elsewhere if people else [])], now=now)


def _undecided(records: Records, call: ToolCall, *, now: Now) -> list[PersonId]:
    voted = {vote.person_id for vote in records.approvals.of(call.id) if vote.revision == call.revision}
    return [person for person in people_asked(records, call, now=now.wall) if person not in voted]


def _put_off(records: Records, call: ToolCall, person_id: PersonId, *, now: Now) -> bool:
    """Whether it is quiet where this person is; they are then reminded afterwards, if that is in time."""
    person, tenant = records.people.person(person_id), records.people.tenant(call.tenant_id)
    if person is None or tenant is None:
        return False
    until = quiet_until(person, timezone=tenant.timezone, now=now.wall)
    if until is not None:
        records.reminders.put(call.id, call.revision, f"{_LATER}{person_id}", at=until)
    return until is not None


def _is_told_of_with_another(records: Records, call: ToolCall) -> bool:
    """A run has one card, so one reminder: that of its first step which waits."""
    if call.run_id is None:
        return False
    waiting = [one for one in records.runs.calls(call.run_id) if one.status is Status.PROPOSED]
    return waiting[0].id != call.id


def _cards(records: Records, call: ToolCall) -> Sequence[Card]:
    """The cards that show the call, the newest of each chat."""
    return list({card.chat: card for card in records.cards.showing(call)}.values())


def _private_cards(records: Records, call: ToolCall, people: Sequence[PersonId]) -> list[Card]:
    chats = {private_chat(records, person) for person in people}
    return [card for card in _cards(records, call) if card.private and card.chat in chats]


def _tell(records: Records, call: ToolCall, cards: Sequence[Card], *, now: Now) -> None:
    if not cards:
        return
    for card in cards:
        records.outbox.message(
            tenant_id=call.tenant_id,
            account_id=call.account_id,
            chat=card.chat,
            kind=MESSAGE,
            payload={"call_id": call.id},
            now=now.wall,
        )
    records.audit.append(
        "call.reminded",
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        actor=SYSTEM.actor,
        call_id=call.id,
        content={"revision": call.revision, "chats": len(cards)},
        now=now.wall,
    )


def _escalate(records: Records, call: ToolCall, *, now: Now, env: Env) -> None:
    """Asks the role that the rule names besides. They may sign from now on, as well as those before."""
    to, place = call.verdict.escalate_to, records.people.conversation(call.conversation_id)
    if to is None or call.verdict.escalated or place is None:
        return
    note = f"Nobody has decided yet, so {_ROLES[to]} are asked as well."
    verdict = replace(call.verdict, escalated=True, note=note)
    asked = people_asked(records, call, now=now.wall)
    people = people_asked(records, replace(call, verdict=verdict), now=now.wall)
    others: list[Json] = [person for person in people if person not in asked]
    if not others:
        return
    content: dict[str, Json] = {"to": to.value, "people": others}
    after = amend(records, call, "escalated", by=SYSTEM, now=now.wall, content=content, verdict=verdict)
    if spread(records, after, place, now=now.wall, env=env):
        records.outbox.card(after)
