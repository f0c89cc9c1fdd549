"""What somebody who has the database may write over between the approval of a call and its start (T7)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.digest import Json

CORRUPT: Final = "corrupt_record"
NONSENSE: Final = "approval_invalid"
"""What cannot be assessed any more is of critical risk, which asks for two signatures; and it is not what was
signed."""
SIGNED: Final[Mapping[str, Json]] = {"text": "tea", "amount": 1}
"""The arguments of every call that is changed."""
ANOTHER: Final = "01890a5d-ac96-774b-bcce-b302099a8057"
_ZEROS: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Change:
    """One column written over, and the code of the refusal that must follow; "" where the call may go on, and
    what runs must still be what was signed."""

    column: str
    value: object
    code: str


def arguments(**changes: Json) -> str:
    """The signed arguments with these changes; None takes one away."""
    changed = {key: value for key, value in {**SIGNED, **changes}.items() if value is not None}
    return json.dumps(changed)


CALLS: Final[Mapping[str, Sequence[tuple[object, str]]]] = {
    "id": [(ANOTHER, "approval_invalid")],
    "tenant_id": [("umbrella", "policy_forbids"), ("solo", "policy_forbids"), ("nowhere", "tenant_unknown")],
    "account_id": [("acme-account-bob", "approval_invalid"), ("nowhere", "approval_invalid")],
    "conversation_id": [("acme-bob", "approval_invalid"), ("nowhere", "policy_forbids")],
    "requester_id": [("bob", "approval_invalid"), ("cid", "approval_invalid"), ("zoe", "policy_forbids")],
    "tool": [
        ("low_once", "approval_invalid"),
        ("high_once", "approval_invalid"),
        ("nope", "tool_not_found"),
        ("", "tool_not_found"),
    ],
    "tool_version": [("9", "approval_invalid"), ("", "approval_invalid")],
    "definition_hash": [(_ZEROS, "approval_invalid")],
    "arguments": [
        (arguments(text="gold"), "approval_invalid"),
        (arguments(text="Tea"), "approval_invalid"),
        (arguments(text="te\u0430"), "approval_invalid"),  # the last letter is a Cyrillic one
        (arguments(text="tea "), "approval_invalid"),
        (arguments(text=""), NONSENSE),
        (arguments(text=None), NONSENSE),
        (arguments(amount=2), "approval_invalid"),
        (arguments(amount=-1), "approval_invalid"),
        (arguments(amount="1"), "approval_invalid"),
        (arguments(amount=None), "approval_invalid"),  # though 1 is what it would be then
        (arguments(more="x"), NONSENSE),
        ("{}", NONSENSE),
        ("[]", CORRUPT),
        ("{", CORRUPT),
    ],
    "dry_run_pin": [("v2", "approval_invalid")],
    "undo_of": [(ANOTHER, NONSENSE)],
    "run_id": [(ANOTHER, CORRUPT)],  # nothing says any more what it must wait for
    "revision": [(0, "approval_invalid"), (2, "approval_invalid")],
    "consent_digest": [(_ZEROS, "approval_invalid"), ("", "approval_invalid")],
    "status": [
        (status, "not_pending")
        for status in "proposed running validating completed failed timed_out cancelled denied expired "
        "interrupted".split()
    ],
}
"""Columns of tool_calls: what is signed, where the call stands."""

LOOSE: Final = json.dumps(
    {
        "decision": "allow",
        "rule": "mine",
        "reason": "",
        "approvers": "member",
        "named": ["ann"],
        "count": 0,
        "self_approval": True,
        "expires_after_s": 1,
        "note": "",
    }
)
CALLS_NOT_COVERED: Final[Mapping[str, tuple[object, str]]] = {
    "short_id": ("ZZZZZZ", "how people name it"),
    "requester_name": ("Mallory", "words; tools are given the name that the person has today"),
    "channel": ("api", "the door it came through"),
    "args_digest": (_ZEROS, "guard 12 computes it anew from the arguments"),
    "title": ("Note something harmless", "words about the call"),
    "risk": ("low", "guard 11 has the tool assess it anew"),
    "verdict": (LOOSE, "guards 11 and 12 ask today's policy; the recorded one can only forbid more"),
    "idempotency_key": ("mine", "finds a call that is proposed again"),
    "start_mode": ("manual", "who starts it, not whether it may be"),
    "created_at": (0, "a time to show"),
    "expires_at": (0, "counts while it is proposed"),
    "start_by": (10**14, "how long an approval waits for a worker"),
    "version": (99, "what conditional updates compare"),
    "attempts": (5, "the number of the last attempt; one live attempt is the schema's promise"),
    "changed_at": (0, "a time to show"),
    "note": ("x", "words"),
    "retry_of": (ANOTHER, "a link to show"),
    "source_message": (5, "where replies go"),
    "step": (5, "its place among them"),
}
"""Columns of tool_calls that no signature covers, each with what may stand there and why it does no harm."""

APPROVALS: Final[Mapping[str, Sequence[tuple[object, str]]]] = {
    "call_id": [(ANOTHER, "approval_invalid")],
    "revision": [(0, "approval_invalid"), (2, "approval_invalid")],
    "person_id": [(person, "approval_invalid") for person in ("ann", "bob", "eve", "zoe", "nobody")],
    "vote": [("denied", "approval_invalid")],
    "consent_digest": [(_ZEROS, "approval_invalid"), ("", "approval_invalid")],
}
APPROVALS_NOT_COVERED: Final[Mapping[str, tuple[object, str]]] = {
    "tenant_id": ("umbrella", "a vote is found by its call, and its person's role read in the call's team"),
    "account_id": ("acme-account-bob", "a vote is found by its call"),
    "person_name": ("Mallory", "words"),
    "channel": ("api", "the door it came through"),
    "comment": ("x", "words"),
    "at": (0, "a time to show"),
}

GRANTS: Final[Mapping[str, Sequence[tuple[object, str]]]] = {
    "id": [(ANOTHER, "approval_invalid")],
    "tenant_id": [("umbrella", "approval_invalid")],
    "tool": [("high_once", "approval_invalid"), ("", "approval_invalid")],
    "definition_hash": [(_ZEROS, "approval_invalid")],
    "requester_id": [("bob", "approval_invalid")],
    "scope": [
        ('{"text":"dinner","amount":200}', "approval_invalid"),
        ('{"text":"lunch","amount":199}', "approval_invalid"),
        ('{"amount":200}', "approval_invalid"),
        ("{}", "approval_invalid"),
        ("[]", "approval_invalid"),
        ("{", "approval_invalid"),
    ],
    "conversation_id": [("acme-bob", "approval_invalid")],
    "granted_by": [("ann", "approval_invalid"), ("bob", "approval_invalid"), ("nobody", "approval_invalid")],
    "created_at": [(10**14, "approval_invalid")],
    "expires_at": [(0, "approval_invalid")],
    "revoked_at": [(0, "approval_invalid")],
}
"""Columns of grants that are looked at once more when what a grant let through starts."""
GRANTS_NOT_COVERED: Final[Mapping[str, tuple[object, str]]] = {
    "account_id": ("acme-account-bob", "who may see it and revoke it"),
    "granted_by_name": ("Mallory", "words"),
    "call_id": (ANOTHER, "a link to show"),
    "used": (99, "a number to show"),
    "revoked_by": ("bob", "a name to show"),
}
"""Columns of grants that change nothing for what was let through already."""
WIDENED: Final[Mapping[str, object]] = {
    "scope": '{"text":"dinner","amount":900}',
    "expires_at": 10**14,
    "revoked_at": None,
    "requester_id": "bob",
}
"""What somebody who has the database can do to a grant, for calls that are asked for afterwards: no signature
covers a grant's row. The audit has what was granted."""


def changes(
    covered: Mapping[str, Sequence[tuple[object, str]]], not_covered: Mapping[str, tuple[object, str]]
) -> list[Change]:
    """All changes of one table."""
    refused = [Change(column, value, code) for column, each in covered.items() for value, code in each]
    return refused + [Change(column, value, "") for column, (value, _why) in not_covered.items()]
