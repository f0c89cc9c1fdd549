"""/team: which of their teams somebody speaks for, and leaving one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.telegram.buttons import Page, PageButton
from bot.telegram.render.message import DANGER, Button, Shown
from bot.telegram.render.parts import lines, one_line, person
from core.ids import TenantId
from core.model import Role, Tenant

SWITCH: Final = "s"
LEAVE: Final = "q"  # asks first
LEAVE_SURELY: Final = "x"
_LABEL: Final = 28


def teams(tenants: Sequence[tuple[Tenant, Role]], *, current: Tenant, note: str = "") -> Shown:
    """The teams that somebody belongs to, and a tap for each other one."""
    role = next((role for tenant, role in tenants if tenant.id == current.id), None)
    others = [tenant for tenant, _ in tenants if tenant.id != current.id and tenant.active]
    off = [tenant for tenant, _ in tenants if not tenant.active]
    return Shown(
        html=lines(
            note,
            f"🏷 You speak for {person(current.name)} here" + (f", as <b>{role.value}</b>." if role else "."),
            "What you ask for, sign and look up is its; nothing of it is seen in another.",
            "You belong to no other team." if len(tenants) < 2 else "",
            *(f"{person(tenant.name)} is switched off: nothing runs for it." for tenant in off),
        ),
        buttons=(
            *((Button(text=f"Speak for {_name(each)}", data=_data(SWITCH, each.id)),) for each in others),
            *(((Button(text=f"🚪 Leave {_name(current)}", data=_data(LEAVE, current.id)),),) if role else ()),
        ),
    )


def in_group(tenant: Tenant) -> Shown:
    """A group belongs to one team."""
    return Shown(
        html=f"🏷 In this group I work for {person(tenant.name)}, whoever writes. "
        "In our private chat, /team says for which team you speak there."
    )


def confirm_leaving(tenant: Tenant) -> Shown:
    """Before somebody leaves a team."""
    return Shown(
        html=lines(
            f"Leave {person(tenant.name)}?",
            "You lose your access at once; only an admin's invite brings you back. Records stay.",
            "<i>Nothing was changed yet.</i>",
        ),
        buttons=(
            (
                Button(text="🚪 Yes, leave", data=_data(LEAVE_SURELY, tenant.id), style=DANGER),
                Button(text="✖️ No", data=_data(SWITCH, tenant.id)),
            ),
        ),
    )


def left(tenant: Tenant) -> Shown:
    """Somebody left a team."""
    return Shown(html=f"🚪 You left {person(tenant.name)}. /team shows where else you belong.")


def _name(tenant: Tenant) -> str:
    return one_line(tenant.name, _LABEL)


def _data(what: str, tenant_id: TenantId) -> str:
    return PageButton(Page.TEAM, f"{what}{tenant_id}").encode()
