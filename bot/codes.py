"""Claim and invite codes: made here, shown once. What is kept is `core.engine.members.code_hash` of them."""

from __future__ import annotations

import secrets
from typing import Final

from core.ids import CROCKFORD

CODE_LENGTH: Final = 10
"""Fifty bits: not to be guessed over a chat within the life of an invite."""


def new_code() -> str:
    """A fresh code of ten Crockford characters."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(CODE_LENGTH))
