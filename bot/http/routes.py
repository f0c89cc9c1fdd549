"""The routes: each reads its request, runs one verb as the caller, and shows what it came to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from aiohttp import web
from msgspec import Struct

from bot.http import bodies, shapes
from bot.http.callers import Caller, agreed
from bot.http.door import Door
from bot.http.problems import answered
from bot.http.proposing import proposed
from bot.http.switches import pause_, resume_, switches
from core import guards
from core.engine import Decided, Proposed, Refused, cancel, decide
from core.engine.answers import Edited
from core.engine.edit import edit
from core.engine.facts import caller as facts_of
from core.engine.facts import gather
from core.engine.held import viewed
from core.guards import not_found
from core.ids import CallId
from core.lifecycle import EXECUTING
from core.model import CallView, Membership, Role, Vote
from core.ports import Records
from core.queries import HistoryFilter

A = TypeVar("A")
Handler = Callable[[web.Request, Door, Caller], Awaitable[web.Response]]
_READERS: Final = (*guards.GUARDS[:6], guards.GUARDS[8])
"""For who only looks: who they are, that they may know of the call, that it is of their tenant."""


class Route(Struct, frozen=True, kw_only=True):
    """One method of one address; every one but `/healthz` needs a token."""

    method: str
    path: str
    handler: Handler


async def propose_(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """A new call, or the one that this Idempotency-Key brought before."""
    key = bodies.idempotency_key(request)
    sent = await bodies.read_object(request)
    said = dict(sent)
    caller = await agreed(door, caller, said)
    body = bodies.read_body(bodies.ProposalBody, said)
    answer = _given(await proposed(door, caller, body, key=key, sent=sent))
    found = shapes.proposed(await _view(door, answer.call.id))
    return answered(found, status=200 if answer.repeated else 201, Location=f"/v1/calls/{answer.call.id}")


async def approve(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """The caller's signature on one revision."""
    return await _vote(request, door, caller, Vote.APPROVED)


async def deny(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """The caller's no to one revision."""
    return await _vote(request, door, caller, Vote.DENIED)


async def edit_(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """New values of arguments: a new revision, judged again, with no signatures."""
    body = await _body(request, door, caller, bodies.EditBody)
    call_id, now = bodies.call_id_of(request), door.clock.both()

    def work(records: Records) -> Edited | Refused:
        return edit(
            records,
            by=caller.by,
            call_id=call_id,
            revision=body.revision,
            changes=body.changes,
            now=now,
            env=door.env,
        )

    answer = _given(await door.uow.run("http.edit", work))
    return answered(shapes.proposed(await _view(door, answer.call.id)))


async def execute(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """The call's one execution, waited for unless the client prefers not to; what then still runs or waits
    to be tried again is answered with 202, and `/status` tells its end."""
    await _body(request, door, caller, bodies.EmptyBody)
    call_id, wait = bodies.call_id_of(request), not bodies.wants_no_answer(request)
    started = _given(await door.execute(call_id, caller.by, wait=wait, patience_s=door.patience_s))
    where = f"/v1/calls/{call_id}/status"
    if not wait:
        begun = shapes.begun(started.call)
        return answered(begun, status=202, Location=where, Preference_Applied="respond-async")
    seen = await _view(door, call_id)
    if seen.call.status in EXECUTING:
        return answered(shapes.begun(seen.call), status=202, Location=where)
    return answered(shapes.executed(seen))


async def cancel_(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """Withdraws a call that waits, or asks one that runs to stop: 202 then, and `/status` tells its end."""
    await _body(request, door, caller, bodies.EmptyBody)
    call_id, now = bodies.call_id_of(request), door.clock.both()

    def work(records: Records) -> Proposed | Refused:
        return cancel(records, by=caller.by, call_id=call_id, now=now, env=door.env)

    answer = _given(await door.uow.run("http.cancel", work))
    if answer.call.status not in EXECUTING:
        return answered(shapes.proposed(await _view(door, call_id)))
    where = f"/v1/calls/{call_id}/status"
    return answered(shapes.status(await _view(door, call_id)), status=202, Location=where)


async def calls(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """Calls, newest first: an admin's everybody's, else the caller's own; or those that wait for the caller's
    signature, oldest first."""
    await door.reader.read(lambda records: guards.check(facts_of(records, by=caller.by), guards.ENTRY))
    by = caller.by
    if bodies.wants_waiting(request):
        return answered(await _waiting(request, door, caller))
    page = await door.pages.history(
        HistoryFilter(
            tenant_id=caller.claims.tenant,
            statuses=bodies.read_statuses(request),
            tool=bodies.read_tool(request),
            requester=None if by.holds(Role.ADMIN) else by.person,
            accounts=by.account_ids,
        ),
        older_than=bodies.read_cursor(request),
        limit=bodies.read_limit(request),
    )
    return answered({"calls": [shapes.row(each) for each in page.rows], "next_token": page.older})


async def call(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """The whole record of a call."""
    return answered(shapes.record(await _seen(request, door, caller)))


async def status(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """Where a call stands."""
    return answered(shapes.status(await _seen(request, door, caller)))


async def healthz(_request: web.Request) -> web.Response:
    """The process answers; nothing else is said to somebody without a token."""
    return answered({"status": "ok"})


ROUTES: Final = (
    Route(method="POST", path="/v1/proposals", handler=propose_),
    Route(method="GET", path="/v1/calls", handler=calls),
    Route(method="GET", path="/v1/calls/{id}", handler=call),
    Route(method="GET", path="/v1/calls/{id}/status", handler=status),
    Route(method="POST", path="/v1/calls/{id}/approve", handler=approve),
    Route(method="POST", path="/v1/calls/{id}/deny", handler=deny),
    Route(method="POST", path="/v1/calls/{id}/edit", handler=edit_),
    Route(method="POST", path="/v1/calls/{id}/execute", handler=execute),
    Route(method="POST", path="/v1/calls/{id}/cancel", handler=cancel_),
    Route(method="GET", path="/v1/switches", handler=switches),
    Route(method="POST", path="/v1/switches", handler=pause_),
    Route(method="DELETE", path="/v1/switches/{switch}", handler=resume_),
)


async def _waiting(request: web.Request, door: Door, caller: Caller) -> shapes.Shape:
    """A page of what waits for the caller, and the token to go on with where more does."""
    claims, limit = caller.claims, bodies.read_limit(request)
    role = next(iter(caller.by.roles), Role.MEMBER)
    member = Membership(tenant_id=claims.tenant, person_id=claims.person, role=role, name="")
    waiting = partial(door.pages.waiting_for, member, accounts=caller.by.account_ids)
    rows = await waiting(newer_than=bodies.read_cursor(request), limit=limit)
    more = len(rows) == limit and await waiting(newer_than=rows[-1].id, limit=1)
    return {"calls": [shapes.row(each) for each in rows], "next_token": rows[-1].id if more else None}


async def _vote(request: web.Request, door: Door, caller: Caller, vote: Vote) -> web.Response:
    body = await _body(request, door, caller, bodies.VoteBody)
    call_id, now = bodies.call_id_of(request), door.clock.both()

    def work(records: Records) -> Decided | Refused:
        return decide(
            records,
            by=caller.by,
            call_id=call_id,
            revision=body.revision,
            vote=vote,
            comment=body.comment,
            must_be_delivered=False,  # a program is given all that it signs
            now=now,
            env=door.env,
        )

    answer = _given(await door.uow.run(f"http.{vote}", work))
    return answered(shapes.proposed(await _view(door, answer.call.id)))


async def _body(request: web.Request, door: Door, caller: Caller, kind: type[bodies.B]) -> bodies.B:
    found = await bodies.read_object(request)
    await agreed(door, caller, found)
    return bodies.read_body(kind, found)


async def _seen(request: web.Request, door: Door, caller: Caller) -> CallView:
    """The call, for a caller who may know of it. Raises Refusal."""
    call_id = bodies.call_id_of(request)

    def look(records: Records) -> CallView:
        facts = gather(records, by=caller.by, call_id=call_id, env=door.env)
        guards.check(facts, _READERS)
        return viewed(records, facts.known_call, now=door.clock.now(), env=door.env)

    return await door.reader.read(look)


async def _view(door: Door, call_id: CallId) -> CallView:
    """The call as it is now, for a caller whose verb has passed the guards."""

    def look(records: Records) -> CallView:
        found = records.calls.get(call_id)
        if found is None:
            raise not_found()
        return viewed(records, found, now=door.clock.now(), env=door.env)

    return await door.reader.read(look)


def _given(answer: A | Refused) -> A:
    """What a verb gave. Raises its Refusal, which it has recorded."""
    if isinstance(answer, Refused):
        raise answer.refusal
    return answer
