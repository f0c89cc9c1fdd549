"""/members and /invite, and the taps on them. Whether somebody may is decided by the verbs, at each tap."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bot.codes import new_code
from bot.telegram.member_taps import MemberTap, What, read_member_tap
from bot.telegram.render import members as render
from bot.telegram.render import texts, toasts
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import reply, say
from bot.telegram.turn import Turn, known_person
from core.engine import Refused
from core.engine.members import RoleChanged, code_hash, end_invite, invite, open_invites, set_role
from core.engine.tenants import spoken_for
from core.errors import Code, Refusal
from core.ids import PersonId, TenantId
from core.model import Channel, Membership, Person, Principal, Role
from core.ports import Records

INVITE_FOR: Final = timedelta(days=7)


def listed(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    """/members: who is here, for admins."""
    return _list(records, turn, page=0) if by.holds(Role.ADMIN) else texts.admins_only()


def invited(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    """/invite, with a role, makes one; /invite list shows the open ones."""
    wanted = rest.strip().lower()
    if wanted == "list":
        return _invites(records, turn, by)
    try:
        role = Role(wanted or Role.MEMBER)
    except ValueError:
        return texts.which_role() if by.holds(Role.ADMIN) else texts.admins_only()
    code = new_code()
    answer = invite(
        records,
        by=by,
        role=role,
        code_hash=code_hash(code),
        expires_at=turn.now.wall + INVITE_FOR,
        now=turn.now.wall,
    )
    if isinstance(answer, Refused):
        return texts.refusal(answer.refusal)
    link = f"https://t.me/{turn.front.bot_username}?start={code}"
    return texts.invited(role=role, link=link, code=code, days=INVITE_FOR.days)


async def tap(turn: Turn, argument: str, message_id: int) -> Toast:
    """A tap on /members: shows, asks, or changes a role and tells the person."""
    wanted = read_member_tap(argument)
    toast, changed = await turn.effect("members", lambda r: _tapped(r, turn, wanted, message_id))
    if changed is not None:
        role, chats = await turn.front.reader.read(lambda r: _in_private(r, turn, changed.person))
        for chat in chats:
            await turn.front.registered(chat, role)
    return toast


async def tap_invite(turn: Turn, argument: str, message_id: int) -> Toast:
    """A tap that ends an open invite."""
    return await turn.effect("invites", lambda r: _end_invite(r, turn, argument, message_id))


def admins_chats(records: Records, tenant_id: TenantId) -> list[int]:
    """The private chats of a team's admins who have opened the bot."""
    members = records.people.members(tenant_id)
    admins = [member.person_id for member in members if member.role is Role.ADMIN]
    return [chat for admin in admins for chat in _private_chats(records, admin)]


def _tapped(
    records: Records, turn: Turn, wanted: MemberTap | None, message_id: int
) -> tuple[Toast, RoleChanged | None]:
    by = turn.caller(records, known_person(records, turn))
    if not by.holds(Role.ADMIN):
        return toasts.refusal(Refusal(Code.NOT_ADMIN, "Only admins can do that. Nothing was changed.")), None
    if wanted is None:
        return toasts.unknown_button(), None
    if wanted.person is None:
        say(records, turn, _list(records, turn, page=wanted.page), edit=message_id)
        return Toast(""), None
    member = _member(records, turn, wanted.person)
    if member is None:
        known = records.people.person(wanted.person)
        say(records, turn, render.gone(known.name if known else "This person"), edit=message_id)
        return toasts.refusal(Refusal(Code.NOT_FOUND, "They do not belong here. Nothing was changed.")), None
    if wanted.what is not What.OPEN and member.role is not wanted.was:
        say(records, turn, _one(records, turn, member), edit=message_id)
        return Toast("Their role was changed meanwhile. Please look again.", alert=True), None
    if wanted.what is What.SET:
        return _set(records, turn, by, member, wanted.role, message_id)
    asks = wanted.what is What.ASK
    shown = render.confirm(member, wanted.role) if asks else _one(records, turn, member)
    say(records, turn, shown, edit=message_id)
    return Toast(""), None


def _set(
    records: Records, turn: Turn, by: Principal, member: Membership, role: Role | None, message_id: int
) -> tuple[Toast, RoleChanged | None]:
    answer = set_role(records, by=by, person_id=member.person_id, role=role, now=turn.now, env=turn.front.env)
    if isinstance(answer, Refused):
        say(records, turn, _one(records, turn, member), edit=message_id)
        return toasts.refusal(answer.refusal), None
    after = _member(records, turn, member.person_id)
    shown = render.gone(member.name) if after is None else _one(records, turn, after)
    say(records, turn, shown, edit=message_id)
    if by.person != member.person_id:
        _tell(records, turn, answer)
    return toasts.done(), answer


def _tell(records: Records, turn: Turn, changed: RoleChanged) -> None:
    """Tells the person whose role was changed, where they can be reached."""
    tenant = turn.team(records)
    for chat in _private_chats(records, changed.person.id):
        reply(records, tenant.id, chat, render.told(changed.role, tenant), now=turn.now.wall)


def _end_invite(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    by = turn.caller(records, known_person(records, turn))
    opened = open_invites(records, by=by, now=turn.now.wall)
    if isinstance(opened, Refused):
        return toasts.refusal(opened.refusal)
    meant = [each for each in opened if each.code_hash.startswith(argument)]
    if len(meant) == 1 and len(argument) == render.HASH_SHOWN:
        ended = end_invite(records, by=by, code_hash=meant[0].code_hash, now=turn.now.wall)
        toast = toasts.refusal(ended.refusal) if isinstance(ended, Refused) else toasts.done()
    else:
        toast = toasts.refusal(Refusal(Code.NOT_FOUND, "This invite is not open any more."))
    say(records, turn, _invites(records, turn, by), edit=message_id)
    return toast


def _invites(records: Records, turn: Turn, by: Principal) -> Shown:
    opened = open_invites(records, by=by, now=turn.now.wall)
    if isinstance(opened, Refused):
        return texts.refusal(opened.refusal)
    members = records.people.members(turn.tenant(records))
    names = {str(member.person_id): member.name for member in members}
    return render.invites(opened, names=names, now=turn.now.wall)


def _list(records: Records, turn: Turn, *, page: int) -> Shown:
    tenant = turn.team(records)
    return render.listed(records.people.members(tenant.id), page=page, tenant=tenant)


def _one(records: Records, turn: Turn, member: Membership) -> Shown:
    order = [each.person_id for each in records.people.members(member.tenant_id)]
    return render.one(
        member,
        since=records.people.since(member.tenant_id, member.person_id),
        now=turn.now.wall,
        page=order.index(member.person_id) // render.PER_PAGE,
    )


def _member(records: Records, turn: Turn, person_id: PersonId) -> Membership | None:
    members = records.people.members(turn.tenant(records))
    return next((member for member in members if member.person_id == person_id), None)


def _in_private(records: Records, turn: Turn, person: Person) -> tuple[Role | None, list[int]]:
    """As what somebody speaks in private today, perhaps for another team (None: for none), and where."""
    team = spoken_for(records, person, home=turn.front.home)
    return records.people.role(team, person.id), _private_chats(records, person.id)


def _private_chats(records: Records, person_id: PersonId) -> list[int]:
    return [
        identity.private_chat
        for identity in records.people.identities(person_id)
        if identity.channel is Channel.TELEGRAM and identity.private_chat is not None
    ]
