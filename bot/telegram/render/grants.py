"""/grants: what passes unasked for a while, and the way to end it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from bot.telegram.render.message import DANGER, Button, Rows, Shown, in_rows
from bot.telegram.render.parts import lines, person
from bot.telegram.render.safe import brief
from bot.telegram.render.signing import bound
from bot.telegram.render.times import moment
from core.ids import PersonId, short_id
from core.model import Grant
from core.registry import ToolRegistry

_TITLE_MOST: Final = 80
_FIELDS: Final = 5


def grants(
    found: Sequence[Grant],
    *,
    following: str | None,
    back: str | None,
    revoke: Sequence[str],
    registry: ToolRegistry,
    names: Mapping[PersonId, str],
    private: bool,
    now: datetime,
) -> Shown:
    """A page of grants. `revoke` is the data of their buttons, `following` and `back` that of the pages'."""
    paging = _paging(back, following)
    if not found:
        return Shown(
            html=lines(
                "♻️ <b>Nothing passes unasked</b> by a grant here.",
                "<i>“Approve similar…” on a card makes one, for an hour, today, or a chat.</i>",
            ),
            buttons=paging,
        )
    told = [_grant(number, each, registry, names, private, now) for number, each in enumerate(found, 1)]
    buttons = [
        Button(text=f"🗑 Revoke {number}", data=data, style=DANGER) for number, data in enumerate(revoke, 1)
    ]
    return Shown(
        html=lines("♻️ <b>What passes unasked for a while</b>", *told, "<i>Revoke ends it at once.</i>"),
        buttons=(*in_rows(buttons, per_row=3), *paging),
    )


def _paging(back: str | None, following: str | None) -> Rows:
    row = []
    if back is not None:
        row.append(Button(text="‹ First", data=back))  # noqa: RUF001 - an arrow
    if following is not None:
        row.append(Button(text="More ›", data=following))  # noqa: RUF001 - an arrow
    return (tuple(row),) if row else ()


def _grant(
    number: int,
    grant: Grant,
    registry: ToolRegistry,
    names: Mapping[PersonId, str],
    private: bool,
    now: datetime,
) -> str:
    tool = registry.find(grant.tool)
    title = grant.tool if tool is None else tool.title
    hidden = frozenset() if private else frozenset(grant.scope) if tool is None else tool.sensitive
    scope = list(grant.scope.items())
    alike = "".join(f", {bound(field, value, hidden)}" for field, value in scope[:_FIELDS])
    more = f" and {len(scope) - _FIELDS} more" if len(scope) > _FIELDS else ""
    used = (
        "not used yet" if grant.used == 0 else "used once" if grant.used == 1 else f"used {grant.used} times"
    )
    where = " · in one chat" if grant.conversation_id is not None else ""
    return lines(
        f"{number}. <b>{brief(title, _TITLE_MOST)}</b> for "
        f"{person(names.get(grant.requester_id, 'somebody who left'))}{alike}{more}",
        f"    by {person(grant.granted_by_name)} on <code>#{short_id(grant.call_id)}</code>, until "
        f"{moment(grant.expires_at, now=now)}{where} · {used}",
    )
