"""What the buttons of /members say: a page of the list, a person, what to make of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from bot.telegram.buttons import Page, PageButton
from core.ids import PersonId, from_opaque, opaque
from core.model import Role

_LETTERS: Final[dict[Role | None, str]] = {Role.MEMBER: "m", Role.APPROVER: "p", Role.ADMIN: "a", None: "x"}
_ROLES: Final = {letter: role for role, letter in _LETTERS.items()}


class What(StrEnum):
    """What a button of /members does."""

    LIST = "l"
    OPEN = "o"
    ASK = "q"  # shows what would change, before a second tap does it
    SET = "s"


class MemberTap(Struct, frozen=True, kw_only=True):
    """A button of /members. `was` is the role that its reader saw: it counts for no other."""

    what: What
    page: int = 0
    person: PersonId | None = None
    role: Role | None = None
    was: Role | None = None

    def encode(self) -> str:
        """The callback data."""
        return PageButton(Page.MEMBER, self._argument()).encode()

    def _argument(self) -> str:
        if self.person is None:
            return f"{self.what}{self.page}"
        if self.what is What.OPEN:
            return f"{self.what}{opaque(self.person)}"
        return f"{self.what}{_LETTERS[self.role]}{_LETTERS[self.was]}{opaque(self.person)}"


def read_member_tap(argument: str) -> MemberTap | None:
    """What `encode` wrote; None for anything else."""
    what, rest = argument[:1], argument[1:]
    if what == What.LIST:
        return MemberTap(what=What.LIST, page=int(rest)) if rest.isascii() and rest.isdigit() else None
    if what == What.OPEN:
        person = from_opaque(rest)
        return None if person is None else MemberTap(what=What.OPEN, person=PersonId(person))
    person = from_opaque(rest[2:])
    if what not in {What.ASK, What.SET} or person is None or not set(rest[:2]) <= set(_ROLES):
        return None
    return MemberTap(what=What(what), person=PersonId(person), role=_ROLES[rest[0]], was=_ROLES[rest[1]])
