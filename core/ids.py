"""Typed identifiers and their short forms.

Every id is the text of a UUIDv7, so that ids sort by creation. People see six Crockford base-32
characters; buttons carry the 22-character URL-safe form, which fits Telegram's 64 bytes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final, NewType
from uuid import UUID

TenantId = NewType("TenantId", str)
AccountId = NewType("AccountId", str)
PersonId = NewType("PersonId", str)
ConversationId = NewType("ConversationId", str)
CallId = NewType("CallId", str)
CardId = NewType("CardId", str)
GrantId = NewType("GrantId", str)
RunId = NewType("RunId", str)
TokenId = NewType("TokenId", str)
SwitchId = NewType("SwitchId", str)
ScheduleId = NewType("ScheduleId", str)
WebhookId = NewType("WebhookId", str)
AlarmId = NewType("AlarmId", str)

NewId = Callable[[], str]
"""Gives a fresh UUIDv7 text. The only randomness that core uses, always passed in."""

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SHORT_ID_LENGTH: Final = 6
_TRIED_LENGTHS: Final = (6, 6, 6, 7, 8, 10)
OPAQUE_ID_LENGTH: Final = 22

SYSTEM_TENANT: Final = TenantId("_system")
"""The audit chain for refusals that belong to no tenant."""


def short_id(identifier: str, *, length: int = SHORT_ID_LENGTH) -> str:
    """The last `length` base-32 characters of the id's random part, as people see it: `A7F3Q2`."""
    number = UUID(identifier).int
    return "".join(CROCKFORD[(number >> (5 * place)) & 31] for place in reversed(range(length)))


def fresh_id(new_id: NewId, *, taken: Callable[[str], bool]) -> tuple[str, str]:
    """A fresh id, and a short form of it that is not `taken`: longer where it is crowded.

    Where every try is taken the last is given all the same, and records refuse it.
    """
    for length in _TRIED_LENGTHS:
        identifier = new_id()
        named = short_id(identifier, length=length)
        if not taken(named):
            break
    return identifier, named


def read_short_id(text: str) -> str:
    """The canonical form of a short id as typed: `#a7f3q2` and `A7F3-Q2` both give `A7F3Q2`.

    Reads O as 0 and I, L as 1, as Crockford's base 32 asks.
    """
    plain = text.strip().lstrip("#").replace("-", "").upper()
    return plain.translate(str.maketrans("OIL", "011"))


def opaque(identifier: str) -> str:
    """The 22-character form of a UUID for button data."""
    return base64.urlsafe_b64encode(UUID(identifier).bytes).decode().rstrip("=")


def from_opaque(text: str) -> str | None:
    """The UUID text of an opaque id, or None where it is none (forged or mutated data)."""
    if len(text) != OPAQUE_ID_LENGTH:
        return None
    try:
        raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    identifier = str(UUID(bytes=raw))
    # The last character has spare bits: only the canonical spelling counts.
    return identifier if opaque(identifier) == text else None
