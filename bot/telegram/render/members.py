"""/members and /invite: who is here, what may be made of them, and the invites that are open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from bot.telegram.buttons import Page, PageButton
from bot.telegram.member_taps import MemberTap, What
from bot.telegram.render.message import DANGER, SUCCESS, Button, Shown, in_rows
from bot.telegram.render.parts import NAME_MOST, lines, one_line, person
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment
from core.model import Invite, Membership, Role, Tenant

PER_PAGE: Final = 20
HASH_SHOWN: Final = 12
"""So much of the hash of an invite's code names the invite."""
_PER_ROW: Final = 2
_ROLES: Final = (Role.MEMBER, Role.APPROVER, Role.ADMIN)
_LABEL: Final = 28
_A: Final[Mapping[Role, str]] = {
    Role.MEMBER: "a member",
    Role.APPROVER: "an approver",
    Role.ADMIN: "an admin",
}
_MAY: Final[Mapping[Role, str]] = {
    Role.MEMBER: "can ask for things",
    Role.APPROVER: "can ask for things and sign what others ask for",
    Role.ADMIN: "can ask for things, sign them, see everybody's history, and change who belongs here",
}


def listed(members: Sequence[Membership], *, page: int, tenant: Tenant) -> Shown:
    """A page of who is here and what they may do, with a button for each."""
    last = max(0, (len(members) - 1) // PER_PAGE)
    page = min(page, last)
    here = members[page * PER_PAGE : (page + 1) * PER_PAGE]
    count = "1 member" if len(members) == 1 else f"{len(members)} members"
    place = f" · page {page + 1} of {last + 1}" if last else ""
    people = [
        Button(text=one_line(one.name, _LABEL), data=MemberTap(what=What.OPEN, person=one.person_id).encode())
        for one in here
    ]
    paging = []
    if page > 0:
        paging.append(_page("‹ Back", page - 1))  # noqa: RUF001 - an arrow
    if page < last:
        paging.append(_page("More ›", page + 1))  # noqa: RUF001 - an arrow
    return Shown(
        html=lines(
            f"👥 <b>{count}</b> of {person(tenant.name)}{place}",
            *(f"{person(one.name)} · {one.role.value}" for one in here),
            "<i>Tap a name to change what they may do.</i> <code>/invite approver</code> brings somebody in, "
            "<code>/invite list</code> shows the open invites.",
        ),
        buttons=(*in_rows(people, per_row=_PER_ROW), *((tuple(paging),) if paging else ())),
    )


def one(member: Membership, *, since: datetime | None, now: datetime, page: int, note: str = "") -> Shown:
    """One member, and what may be made of them."""
    return Shown(
        html=lines(
            note,
            f"👤 {person(member.name)} is <b>{_A[member.role]}</b> and {_MAY[member.role]}.",
            f"Here since {moment(since, now=now)}." if since is not None else "",
        ),
        buttons=(
            tuple(_make(member, role) for role in _ROLES if role is not member.role),
            (_ask("🚪 Remove", member, None), _page("‹ Back", page)),  # noqa: RUF001 - an arrow
        ),
    )


def confirm(member: Membership, role: Role | None) -> Shown:
    """What would change, before a second tap does it."""
    name = person(member.name)
    if role is None:
        asked = f"Remove {name}?"
        told = "They lose their access at once, and what waits for them goes to others. Records stay."
        button = Button(text="🚪 Yes, remove", data=_set(member, None), style=DANGER)
    else:
        asked = f"Make {name} <b>{_A[role]}</b>?"
        told = f"From then on {name} {_MAY[role]}."
        button = Button(text="✅ Yes", data=_set(member, role), style=SUCCESS)
    back = MemberTap(what=What.OPEN, person=member.person_id).encode()
    return Shown(
        html=lines(asked, told, "<i>Nothing was changed yet.</i>"),
        buttons=((button, Button(text="✖️ No", data=back)),),
    )


def gone(name: str) -> Shown:
    """Somebody who is no member any more."""
    return Shown(
        html=f"{person(name)} does not belong here any more.",
        buttons=((_page("‹ Back", 0),),),  # noqa: RUF001 - an arrow
    )


def told(role: Role | None, tenant: Tenant) -> Shown:
    """What somebody is told whose role was changed."""
    if role is None:
        return Shown(html=f"🚪 You do not belong to {person(tenant.name)} any more. An admin removed you.")
    return Shown(
        html=lines(
            f"👤 You are <b>{_A[role]}</b> of {person(tenant.name)} now.",
            "You can ask for things and sign what others ask for. /pending shows what waits."
            if role is not Role.MEMBER
            else "You can ask for things.",
        )
    )


def invites(opened: Sequence[Invite], *, names: Mapping[str, str], now: datetime) -> Shown:
    """The open invites, with a button for each that ends it. `names`: people's, by their ids."""
    if not opened:
        return Shown(
            html="🎟 No invite is open. <code>/invite approver</code> makes one; it is good once, for 7 days."
        )
    ways = [_way(number, each, names, now=now) for number, each in enumerate(opened[:PER_PAGE], 1)]
    more = len(opened) - PER_PAGE
    buttons = [
        Button(text=f"🗑 End {number}", data=PageButton(Page.INVITE, each.code_hash[:HASH_SHOWN]).encode())
        for number, each in enumerate(opened[:PER_PAGE], 1)
    ]
    count = "1 open invite" if len(opened) == 1 else f"{len(opened)} open invites"
    return Shown(
        html=lines(f"🎟 <b>{count}</b>", *ways, f"… and {more} more" if more > 0 else ""),
        buttons=in_rows(buttons, per_row=_PER_ROW),
    )


def _way(number: int, opened: Invite, names: Mapping[str, str], *, now: datetime) -> str:
    maker = brief(names.get(opened.created_by, opened.created_by), NAME_MOST)
    until = moment(opened.expires_at, now=now)
    return f"{number}. for <b>{_A[opened.role]}</b>, by <i>{maker}</i>, until {until}"


def _make(member: Membership, role: Role) -> Button:
    """A button that gives this role; to become an admin takes a second tap."""
    label = f"Make {role.value}"
    if role is Role.ADMIN or member.role is Role.ADMIN:
        return _ask(label, member, role)
    return Button(text=label, data=_set(member, role))


def _ask(label: str, member: Membership, role: Role | None) -> Button:
    tap = MemberTap(what=What.ASK, person=member.person_id, role=role, was=member.role)
    return Button(text=label, data=tap.encode())


def _set(member: Membership, role: Role | None) -> str:
    return MemberTap(what=What.SET, person=member.person_id, role=role, was=member.role).encode()


def _page(label: str, page: int) -> Button:
    return Button(text=label, data=MemberTap(what=What.LIST, page=page).encode())
