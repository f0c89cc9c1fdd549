"""Erasing a person's content: rows stay where others need them, and say nothing of the person any more.

Ids, times, statuses, tools and amounts stay: what happened can still be counted and proved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    case,
    delete,
    literal,
    null,
    or_,
    select,
    union,
    update,
)

from core.audit import ERASURE, TOMBSTONE
from core.digest import canonical
from core.ids import CallId, PersonId, TenantId
from core.json_text import read_json
from core.lifecycle import ENDS, Status
from core.model import Channel, Vote
from core.ports import Span
from storage.schema import (
    alarms,
    api_tokens,
    approvals,
    attempts,
    audit_events,
    cards,
    conversations,
    deliveries,
    dialogues,
    edits,
    expenses,
    grants,
    identities,
    inbox,
    messages,
    outbox,
    outcomes,
    people,
    runs,
    schedules,
    switches,
    tasks,
    tool_calls,
)
from storage.schema.operating import ANY_TEAM
from storage.statements import Session, Statement, arg
from storage.times import to_ms

ERASED: Final = "Erased person"
"""Whom rows name from then on."""
_GONE: Final = "Erased."
_EMPTY: Final = "{}"
_P: Final = arg("person")
_NOW: Final = arg("now_")
_c, _e = tool_calls.c, audit_events.c
_THEIRS: Final = select(_c.id).where(_c.requester_id == _P)
_ENDED_BY: Final = select(_e.call_id).where(
    _e.actor == _P, _e.kind.in_(["call.cancelled", "call.stop_asked"])
)
_DENIED_BY: Final = select(approvals.c.call_id).where(
    approvals.c.person_id == _P, approvals.c.vote == Vote.DENIED.value
)
# Calls, whosever they are, that they voted on, withdrew, stopped, settled, or had granted.
_TOUCHED: Final = union(
    select(approvals.c.call_id).where(approvals.c.person_id == _P),
    select(_e.call_id).where(_e.actor == _P, _e.call_id.is_not(None)),
)
_OPEN: Final = Statement(
    select(_c.id)
    .where(_c.requester_id == _P, _c.status.not_in([status.value for status in ENDS]))
    .order_by(_c.id)
)
_CALLS: Final = Statement(_THEIRS.order_by(_c.id))
_RUNS: Final = Statement(
    select(runs.c.tenant_id, runs.c.short_id)
    .where(or_(runs.c.requester_id == _P, runs.c.id.in_(select(_c.run_id).where(_c.id.in_(_TOUCHED)))))
    .order_by(runs.c.id)
)
_VERDICTS: Final = Statement(select(_c.id, _c.verdict).where(_c.requester_id == _P))
_VERDICT: Final = Statement(update(tool_calls).where(_c.id == arg("call")).values(verdict=arg("text")))
_o: Final = outcomes.c
# What ended without a result: the trigger lets words go only together with the result, which is others'.
_NO_RESULT: Final = and_(_o.result == "null", _o.external_refs == _EMPTY)
_NOTES: Final = Statement(select(_c.id, _c.note).where(_c.id.in_(_TOUCHED), _c.note != ""))
_NOTE: Final = Statement(
    update(tool_calls).where(_c.id == arg("call"), _c.note == arg("text")).values(note=_GONE)
)
_ERRORS: Final = Statement(
    select(_o.call_id, _o.error).where(
        _o.call_id.in_(_TOUCHED), _NO_RESULT, _o.formatted == "", _o.error.is_not(None)
    )
)
_ERROR: Final = Statement(
    update(outcomes).where(_o.call_id == arg("call"), _o.error == arg("text")).values(error=_GONE)
)
_a: Final = attempts.c
_TRIES: Final = Statement(select(_a.call_id, _a.error).where(_a.call_id.in_(_TOUCHED), _a.error.is_not(None)))
_TRY: Final = Statement(
    update(attempts).where(_a.call_id == arg("call"), _a.error == arg("text")).values(error=_GONE)
)
_IDENTITIES: Final = Statement(
    select(identities.c.channel, identities.c.subject, identities.c.private_chat).where(
        identities.c.person_id == _P
    )
)


def _all(table: Table, where: ColumnElement[bool], **values: object) -> Statement:
    return Statement(update(table).where(where).values(values))


def _of_calls(table: Table) -> ColumnElement[bool]:
    return table.c.call_id.in_(_THEIRS)


def _unless_null(column: ColumnElement[str]) -> ColumnElement[str]:
    return case((column.is_(None), null()), else_=literal(_GONE))


_BLANK: Final = (
    _all(
        outcomes,
        _of_calls(outcomes),
        result="null",
        formatted="",
        error=_unless_null(outcomes.c.error),
        external_refs=_EMPTY,
    ),
    # How others' calls ended by them, with their words and name, which may have been another one then.
    _all(
        outcomes,
        and_(
            _NO_RESULT,
            or_(
                _o.marked_by == _P,
                and_(_o.formatted == "", _o.status == Status.DENIED.value, _o.call_id.in_(_DENIED_BY)),
                and_(_o.formatted == "", _o.status == Status.CANCELLED.value, _o.call_id.in_(_ENDED_BY)),
            ),
        ),
        formatted="",
        error=_unless_null(_o.error),
    ),
    _all(
        attempts,
        and_(_a.call_id.in_(_ENDED_BY), _a.stop_by.is_not(None)),
        stop_by=ERASED,
    ),
    _all(attempts, _of_calls(attempts), error=_unless_null(attempts.c.error)),
    _all(edits, _of_calls(edits), changes="[]"),
    _all(edits, edits.c.person_id == _P, person_name=ERASED),
    _all(approvals, _of_calls(approvals), comment="", consent_digest=""),
    _all(approvals, approvals.c.person_id == _P, comment="", person_name=ERASED),
    _all(grants, grants.c.requester_id == _P, scope=_EMPTY),
    _all(grants, grants.c.granted_by == _P, granted_by_name=ERASED),
    _all(
        grants,
        and_(or_(grants.c.requester_id == _P, grants.c.granted_by == _P), grants.c.revoked_at.is_(None)),
        revoked_at=_NOW,
    ),
    _all(runs, runs.c.requester_id == _P, title=_GONE),
    _all(schedules, and_(schedules.c.requester_id == _P, schedules.c.ended_at.is_(None)), ended_at=_NOW),
    _all(schedules, schedules.c.requester_id == _P, arguments=_EMPTY, title=_GONE, next_at=null()),
    _all(tasks, tasks.c.created_by == _P, title=_GONE, assignee=""),
    _all(expenses, expenses.c.created_by == _P, description=_GONE),
    _all(api_tokens, and_(api_tokens.c.person_id == _P, api_tokens.c.revoked_at.is_(None)), revoked_at=_NOW),
    _all(api_tokens, api_tokens.c.person_id == _P, name=ERASED),
    _all(switches, switches.c.by_id == _P, by_name=ERASED),
    _all(switches, and_(switches.c.by_id == _P, switches.c.ended_at.is_not(None)), reason=_GONE),
    _all(messages, messages.c.person_id == _P, content=""),
    Statement(delete(deliveries).where(or_(deliveries.c.person_id == _P, _of_calls(deliveries)))),
    Statement(delete(dialogues).where(dialogues.c.person_id == _P)),
    # Their rows, cards and messages in chats where nobody else is; of other chats, what went out there.
    Statement(
        delete(outbox).where(
            or_(
                outbox.c.chat.in_(select(identities.c.private_chat).where(identities.c.person_id == _P)),
                and_(
                    outbox.c.done_at.is_not(None),
                    outbox.c.chat.in_(select(cards.c.chat).where(_of_calls(cards))),
                ),
            )
        )
    ),
    Statement(
        delete(cards).where(
            cards.c.chat.in_(select(identities.c.private_chat).where(identities.c.person_id == _P))
        )
    ),
    _all(conversations, conversations.c.owner_id == _P, chat="0"),
    Statement(delete(identities).where(identities.c.person_id == _P)),
    _all(
        people,
        people.c.id == _P,
        name=ERASED,
        timezone=null(),
        currency=null(),
        quiet_from=null(),
        quiet_to=null(),
        away_until=null(),
        stand_in=null(),
        current_tenant=null(),
    ),
    _all(
        tool_calls,
        _c.requester_id == _P,
        arguments=_EMPTY,
        args_digest="",
        consent_digest="",
        title=_GONE,
        requester_name=ERASED,
        note="",
        dry_run_pin=null(),
        source_message=null(),
        version=_c.version + 1,
    ),
)

_ABOUT: Final = and_(
    _e.content != TOMBSTONE,
    _e.kind != ERASURE,
    or_(
        _e.actor == _P,
        _e.call_id.in_(_THEIRS),
        # Who somebody made a member, or let through: of others' calls their own events say enough.
        and_(_e.call_id.is_(None), _e.content.contains(arg("quoted"))),
    ),
)
_EVENTS: Final = Statement(select(_e.tenant_id, _e.seq).where(_ABOUT).order_by(_e.tenant_id, _e.seq))
_BURY: Final = Statement(
    update(audit_events)
    .where(_e.tenant_id == arg("tenant"), _e.seq >= arg("first"), _e.seq <= arg("last"))
    .values(content=TOMBSTONE, salt="")
)
_INBOX: Final = Statement(select(inbox.c.bot_id, inbox.c.update_id, inbox.c.payload))
_ASSIGNED: Final = Statement(
    update(tasks)
    .where(tasks.c.tenant_id == arg("tenant"), tasks.c.assignee == arg("name"))
    .values(assignee=ERASED)
)
_SEEN: Final = Statement(
    update(alarms)
    .where(alarms.c.tenant_id.in_([arg("tenant"), ANY_TEAM]), alarms.c.seen_by == arg("name"))
    .values(seen_by=ERASED)
)
_SHOWN: Final = Statement(select(cards.c.call_id).where(cards.c.call_id.in_(_THEIRS)).distinct())
_DROP_UPDATE: Final = Statement(
    delete(inbox).where(inbox.c.bot_id == arg("bot"), inbox.c.update_id == arg("number"))
)


class Erasing:
    """Implements `core.ports.Erasing`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open_calls(self, person_id: PersonId) -> Sequence[CallId]:
        """The calls that this person asked for and that have not ended, oldest first."""
        return [CallId(row[0]) for row in self._session.all(_OPEN, person=person_id)]

    def calls(self, person_id: PersonId) -> Sequence[CallId]:
        """All calls that this person asked for, oldest first."""
        return [CallId(row[0]) for row in self._session.all(_CALLS, person=person_id)]

    def runs(self, person_id: PersonId) -> Sequence[tuple[TenantId, str]]:
        """The runs that this person asked for, or decided or stopped a step of, by team and short id."""
        return [(TenantId(row[0]), row[1]) for row in self._session.all(_RUNS, person=person_id)]

    def blank(
        self, person_id: PersonId, *, name: str, tenants: Sequence[TenantId], now: datetime
    ) -> Sequence[CallId]:
        """Blanks everything that this person wrote or that says something of them, but the audit; the calls
        that other people's chats still show."""
        for tenant in tenants:
            self._session.do(_ASSIGNED, tenant=tenant, name=name)
            self._session.do(_SEEN, tenant=tenant, name=name)
        self._drop_updates(person_id)
        self._blank_verdicts(person_id)
        self._blank_named(person_id, name)
        for statement in _BLANK:
            self._session.do(statement, person=person_id, now_=to_ms(now))
        return [CallId(row[0]) for row in self._session.all(_SHOWN, person=person_id)]

    def bury(self, person_id: PersonId) -> Mapping[TenantId, Sequence[Span]]:
        """Puts tombstones in place of the contents of all audit events by this person, about their calls, or
        about them; which ones, by chain."""
        found: dict[TenantId, list[Span]] = {}
        for tenant, seq in self._session.all(_EVENTS, person=person_id, quoted=f'"{person_id}"'):
            spans = found.setdefault(TenantId(tenant), [])
            if spans and spans[-1][1] == seq - 1:
                spans[-1] = (spans[-1][0], seq)
            else:
                spans.append((seq, seq))
        for tenant, spans in found.items():
            for first, last in spans:
                self._session.do(_BURY, tenant=tenant, first=first, last=last)
        return found

    def _drop_updates(self, person_id: PersonId) -> None:
        """What they wrote and tapped, as Telegram told it."""
        rows = self._session.all(_IDENTITIES, person=person_id)
        theirs = {str(row[1]) for row in rows if row[0] == Channel.TELEGRAM.value}
        for bot, number, payload in self._session.all(_INBOX) if theirs else ():
            if theirs & _senders(payload):
                self._session.do(_DROP_UPDATE, bot=bot, number=number)

    def _blank_verdicts(self, person_id: PersonId) -> None:
        """Reasons and notes quote arguments and names."""
        for call, text in self._session.all(_VERDICTS, person=person_id):
            try:
                verdict = read_json(text)
            except ValueError:
                continue
            if isinstance(verdict, dict):
                kept = canonical({**verdict, "reason": _GONE, "note": ""}).decode()
                self._session.do(_VERDICT, call=call, text=kept)

    def _blank_named(self, person_id: PersonId, name: str) -> None:
        """Why others' calls stand where they stand, where that names them."""
        named = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        for found, blank in ((_NOTES, _NOTE), (_ERRORS, _ERROR), (_TRIES, _TRY)):
            for call, text in self._session.all(found, person=person_id):
                if named.search(text):
                    self._session.do(blank, call=call, text=text)


def _senders(payload: str) -> set[str]:
    """The ids of everybody whom an update is from."""
    try:
        update = read_json(payload)
    except ValueError:
        return set()
    found: set[str] = set()
    waiting: list[object] = [update]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            sender = part.get("from")
            if isinstance(sender, dict):
                found.add(str(sender.get("id")))
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found
