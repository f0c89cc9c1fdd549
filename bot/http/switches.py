"""The kill switch over HTTP: what is paused, pausing, and resuming."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import AwareDatetime, Field, StrictBool, StrictInt, StrictStr

from bot.http import bodies
from bot.http.callers import Caller, agreed
from bot.http.door import Door
from bot.http.problems import answered
from bot.http.shapes import Shape
from core import guards
from core.engine import Refused
from core.engine.facts import caller as facts_of
from core.engine.switches import UNTIL_ALLOWED, Paused, Resumed, listed, pause, resume_one
from core.errors import Code, InvalidInput, Refusal
from core.ids import SwitchId
from core.model import Role, Switch, Target
from core.ports import Records

_YEAR_S = 366 * 86400


class PauseBody(bodies.Body):
    """What to pause, why, and until when (a time, or after so many seconds)."""

    target: Target = Target.EVERYTHING
    name: Annotated[StrictStr, Field(max_length=100)] = ""
    everywhere: StrictBool = False
    reason: Annotated[StrictStr, Field(min_length=1, max_length=1000)]
    until: AwareDatetime | None = None
    for_s: Annotated[StrictInt, Field(ge=1, le=_YEAR_S)] | None = None
    cancel_running: StrictBool = False


async def switches(_: web.Request, door: Door, caller: Caller) -> web.Response:
    """What is paused for the caller's team, for its admins."""
    now = door.clock.now()

    def look(records: Records) -> list[Shape]:
        facts = facts_of(records, by=caller.by)
        guards.check(facts, guards.ENTRY)
        if facts.role is not Role.ADMIN:
            raise Refusal(Code.NOT_ADMIN, "Only an admin sees what is paused.")
        return [shape(each) for each in listed(records, by=caller.by, now=now, env=door.env)]

    return answered({"switches": await door.reader.read(look)})


async def pause_(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """Pauses from now on."""
    sent = await bodies.read_object(request)
    await agreed(door, caller, sent)
    body, now = bodies.read_body(PauseBody, sent), door.clock.both()
    until = _until(body, now=now.wall)

    def work(records: Records) -> Paused | Refused:
        return pause(
            records,
            by=caller.by,
            target=body.target,
            name=body.name,
            everywhere=body.everywhere,
            reason=body.reason,
            until=until,
            cancel_running=body.cancel_running,
            now=now,
            env=door.env,
        )

    answer = await door.uow.run("http.pause", work)
    if isinstance(answer, Refused):
        raise answer.refusal
    found = {**shape(answer.switch), "waiting": answer.waiting, "stopping": list(answer.stopping)}
    location = f"/v1/switches/{answer.switch.id}"
    return answered(found, status=200 if answer.repeated else 201, Location=location)


async def resume_(request: web.Request, door: Door, caller: Caller) -> web.Response:
    """Ends one pause."""
    await agreed(door, caller, await bodies.read_object(request))
    switch_id, now = _id(request), door.clock.both()

    def work(records: Records) -> Resumed | Refused:
        return resume_one(records, by=caller.by, switch_id=switch_id, now=now, env=door.env)

    answer = await door.uow.run("http.resume", work)
    if isinstance(answer, Refused):
        raise answer.refusal
    return answered({**shape(answer.switch), "waiting": answer.waiting})


def shape(switch: Switch) -> Shape:
    """A pause, for clients."""
    return {
        "id": switch.id,
        "target": switch.target.value,
        "name": switch.name,
        "everywhere": switch.tenant_id is None,
        "reason": switch.reason,
        "by": switch.by_name,
        "created_at": switch.created_at.isoformat(),
        "until": None if switch.until is None else switch.until.isoformat(),
    }


def _until(body: PauseBody, *, now: datetime) -> datetime | None:
    if body.until is not None and body.for_s is not None:
        raise InvalidInput(field="for_s", given=str(body.for_s), allowed="give until or for_s, not both")
    if body.for_s is not None:
        return now + timedelta(seconds=body.for_s)
    try:
        return None if body.until is None else body.until.astimezone(UTC)
    except OverflowError:  # at an end of the calendar: in UTC it lies beyond it
        raise InvalidInput(field="until", given=str(body.until), allowed=UNTIL_ALLOWED) from None


def _id(request: web.Request) -> SwitchId:
    """The id in the address; what is no id is that of no switch."""
    try:
        return SwitchId(str(UUID(request.match_info["switch"])))
    except ValueError:
        return SwitchId(bodies.NOBODY)
