"""/team: which of their teams somebody speaks for, switching, and leaving one."""

from __future__ import annotations

from bot.telegram.render import teams as render
from bot.telegram.render import texts, toasts
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import say
from bot.telegram.turn import Turn, known_person, principal
from core.engine import Refused
from core.engine.members import leave
from core.engine.tenants import SpeaksFor, speak_for, teams_of
from core.ids import TenantId
from core.model import Person, Principal, Role, Tenant
from core.ports import Records


def team(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    """/team: for whom somebody speaks here, and their other teams; a name after it switches."""
    person = known_person(records, turn)
    if not turn.private:
        return render.in_group(turn.team(records))
    if not rest:
        return _teams(records, turn, person)
    named = [each for each in teams_of(records, person) if rest.casefold() in _names(each)]
    if len(named) != 1:
        return _teams(records, turn, person, note="I do not know which team you mean. Nothing was changed.")
    answer = _speak_for(records, turn, by, named[0].id)
    if isinstance(answer, Refused):
        return texts.refusal(answer.refusal)
    return _teams(records, turn, known_person(records, turn))


def where_several(records: Records, turn: Turn) -> Shown | None:
    """For which team somebody speaks, in private, where they belong to more than one."""
    person = known_person(records, turn)
    return _teams(records, turn, person) if turn.private and len(teams_of(records, person)) > 1 else None


def came_to(records: Records, turn: Turn, person: Person, tenant_id: TenantId) -> None:
    """Somebody joined a team: it is the one that they speak for from now on."""
    if turn.tenant(records) != tenant_id:
        by = principal(person.id, tenant_id, records.people.role(tenant_id, person.id))
        _speak_for(records, turn, by, tenant_id)


async def tap(turn: Turn, argument: str, message_id: int) -> Toast:
    """A tap on /team; the menu of commands follows the role in the team."""
    toast, changed = await turn.effect("team", lambda r: _tapped(r, turn, argument, message_id))
    if changed:
        speaker = await turn.front.reader.read(turn.speaker)
        await turn.front.registered(turn.chat.id, speaker.role)
    return toast


def _tapped(records: Records, turn: Turn, argument: str, message_id: int) -> tuple[Toast, bool]:
    """What to say, and whether the person speaks for another team from now on: only in private."""
    what, tenant_id = argument[:1], TenantId(argument[1:])
    person = known_person(records, turn)
    role = records.people.role(tenant_id, person.id)
    if not turn.private or what not in {render.SWITCH, render.LEAVE, render.LEAVE_SURELY}:
        return toasts.unknown_button(), False
    if what == render.SWITCH:
        return _switch(records, turn, turn.caller(records, person), tenant_id, message_id)
    tenant = records.people.tenant(tenant_id)
    if role is None or tenant is None:
        say(records, turn, _teams(records, turn, person), edit=message_id)
        return Toast("You do not belong to this team any more.", alert=True), False
    if what == render.LEAVE:
        say(records, turn, render.confirm_leaving(tenant), edit=message_id)
        return Toast(""), False
    return _leave(records, turn, person, tenant, role, message_id)


def _speak_for(records: Records, turn: Turn, by: Principal, tenant_id: TenantId) -> SpeaksFor | Refused:
    """Another team from now on: what was asked back for the one before is not answered for this one."""
    answer = speak_for(records, by=by, tenant_id=tenant_id, now=turn.now.wall)
    if isinstance(answer, SpeaksFor) and by.person is not None:
        records.dialogues.drop(turn.chat.id, by.person)
    return answer


def _switch(
    records: Records, turn: Turn, by: Principal, tenant_id: TenantId, message_id: int
) -> tuple[Toast, bool]:
    answer = _speak_for(records, turn, by, tenant_id)
    say(records, turn, _teams(records, turn, known_person(records, turn)), edit=message_id)
    if isinstance(answer, Refused):
        return toasts.refusal(answer.refusal), False
    return Toast(f"You speak for {answer.tenant.name} now."), True


def _leave(
    records: Records, turn: Turn, person: Person, tenant: Tenant, role: Role, message_id: int
) -> tuple[Toast, bool]:
    by = principal(person.id, tenant.id, role)
    answer = leave(records, by=by, now=turn.now, env=turn.front.env)
    if isinstance(answer, Refused):
        say(records, turn, _teams(records, turn, person), edit=message_id)
        return toasts.refusal(answer.refusal), False
    say(records, turn, render.left(tenant), edit=message_id)
    return toasts.done(), True


def _teams(records: Records, turn: Turn, person: Person, *, note: str = "") -> Shown:
    belongs = [
        (tenant, role)
        for tenant in teams_of(records, person)
        if (role := records.people.role(tenant.id, person.id)) is not None
    ]
    return render.teams(belongs, current=turn.team(records), note=note)


def _names(tenant: Tenant) -> tuple[str, str]:
    return tenant.id.casefold(), tenant.name.casefold()
