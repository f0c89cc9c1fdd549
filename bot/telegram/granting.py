"""Approve similar: the span is chosen under the card; /grants lists what passes unasked, and ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot.telegram.buttons import Page, PageButton, Verb
from bot.telegram.decisions import note_delivery
from bot.telegram.render import approving, toasts
from bot.telegram.render import grants as render
from bot.telegram.render.arguments import hidden_fields
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import say
from bot.telegram.tapping import Tap, Tapped, told_no
from bot.telegram.turn import Turn, known_person
from core.engine import Refused
from core.engine.grants import Span, grant, listed, offer_of, revoke
from core.errors import Code, Refusal
from core.grants import scope_of
from core.ids import GrantId, from_opaque, opaque
from core.model import Principal
from core.ports import Records

SPANS: Final[Mapping[Verb, Span]] = {
    Verb.GRANT_HOUR: "hour",
    Verb.GRANT_TODAY: "today",
    Verb.GRANT_CHAT: "chat",
}
ROWS: Final = 6


def open_spans(tap: Tap) -> Tapped:
    """Asks for how long calls like this one may pass, in a message of its own."""
    note_delivery(tap.records, tap.turn, tap.call, tap.by, tap.here, final=tap.final)
    problem = tap.not_open() or tap.not_a_decider()
    if problem is not None:
        return tap.refuse(problem, "grant")
    tool = tap.tool
    if tool is None or not offer_of(tap.call, tool, person=tap.by.person, role=tap.role):
        told = "Each call like this must be asked for. You can approve this one."
        return tap.refuse(Refusal(Code.NOT_GRANTABLE, told), "grant")
    tap.say(
        approving.spans(
            tap.call,
            scope_of(tool, tap.call.arguments),
            tool_title=tool.title,
            hidden=hidden_fields(tap.call, tool, private=tap.turn.private),
            name=tap.name,
        )
    )
    return Tapped(toasts.choose_below())


def approve_similar(tap: Tap, span: Span) -> Tapped:
    """Signs the call, and lets calls like it pass for a while."""
    note_delivery(tap.records, tap.turn, tap.call, tap.by, tap.here, final=tap.final)
    granted = grant(
        tap.records,
        by=tap.by,
        call_id=tap.call.id,
        revision=tap.revision,
        span=span,
        shown=tap.shown,
        now=tap.turn.now,
        env=tap.turn.front.env,
    )
    if isinstance(granted, Refused):
        return told_no(granted)
    tap.rewrite(approving.granted(granted.call, granted.grant, now=tap.turn.now.wall))
    return Tapped(toasts.granted())


def page(records: Records, turn: Turn, by: Principal, *, after: GrantId | None = None) -> Shown:
    """What passes unasked, as far as this person may know, oldest first, a page of it."""
    found = [each for each in listed(records, by=by, now=turn.now) if after is None or each.id > after]
    registry = turn.front.env.registry
    return render.grants(
        found[:ROWS],
        following=_button("p", found[ROWS - 1].id) if len(found) > ROWS else None,
        back=_button("p", None) if after is not None else None,
        revoke=[_button("r", each.id) for each in found[:ROWS]],
        registry=registry,
        names={member.person_id: member.name for member in records.people.members(by.tenant)}
        if by.tenant is not None
        else {},
        private=turn.private,
        now=turn.now.wall,
    )


def tapped(records: Records, turn: Turn, argument: str, message_id: int) -> Toast | None:
    """A button of /grants; None for somebody who is no member."""
    by = turn.caller(records, known_person(records, turn))
    if not by.roles:
        return None
    kind, found = argument[:1], from_opaque(argument[1:])
    toast = Toast("")
    if kind == "r" and found is not None:
        revoked = revoke(records, by=by, grant_id=GrantId(found), now=turn.now)
        if isinstance(revoked, Refused):
            return toasts.refusal(revoked.refusal)
        toast = toasts.revoked()
    after = GrantId(found) if kind == "p" and found is not None else None
    say(records, turn, page(records, turn, by, after=after), edit=message_id)
    return toast


def _button(kind: str, grant_id: GrantId | None) -> str:
    """The data of a button; without an id it is about the first page."""
    return PageButton(Page.GRANT, kind if grant_id is None else f"{kind}{opaque(grant_id)}").encode()
