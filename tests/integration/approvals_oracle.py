"""What must be true when a call starts, worked out from what people were seen to do, not from the engine's
own tables of votes and grants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

Role = str
Name = str
REQUESTERS: Final = ("ann", "bob", "cat")


@dataclass(frozen=True, slots=True)
class Demand:
    """What a policy asks for: how many signatures, of whom, and how many may say no before it is denied."""

    count: int
    roles: frozenset[Role] = frozenset({"approver", "admin"})
    named: frozenset[Name] = frozenset()
    own: bool = False  # the requester may sign too
    denials: int = 1

    def may_sign(self, person: Name, role: Role | None, *, requester: Name) -> bool:
        """Whether somebody who has this role now has the right."""
        if role is None:
            return False
        if person == requester:
            return self.own
        return person in self.named if self.named else role in self.roles


ASK: Final = '[[rule]]\nname = "asks"\ndecision = "requires_approval"\nself_approval = false\n'
POLICIES: Final[Mapping[str, str]] = {
    "default": "",
    "two": f'{ASK}approvers = "approver"\ncount = 2\ndenials = 2\n',
    "one": f'{ASK}approvers = "approver"\ncount = 1\ndenials = 2\n',
    "admins": f'{ASK}approvers = "admin"\ncount = 1\n',
    "named": f'{ASK}approvers = ["Cat", "Gus"]\ncount = 1\n',
    "open": '[[rule]]\ndecision = "allow"\n',
    "closed": '[[rule]]\ndecision = "deny"\n',
}
_FIXED: Final = {
    "two": Demand(2, denials=2),
    "one": Demand(1, denials=2),
    "admins": Demand(1, roles=frozenset({"admin"})),
    "named": Demand(1, named=frozenset({"cat", "gus"})),
}


def demand(policy: str, amount: int) -> Demand:
    """What a policy asks for before so much is paid; the tool's risk rises with the amount."""
    if policy in _FIXED:
        return _FIXED[policy]
    if amount <= 100:
        return Demand(1, own=True)
    return Demand(1 if amount <= 1000 else 2)


@dataclass(frozen=True, slots=True)
class What:
    """What is paid for, how much, by which version of the tool."""

    text: str
    amount: int
    version: str


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody said yes or no to this, as it was shown then."""

    person: Name
    revision: int
    what: What
    yes: bool


@dataclass(slots=True)
class Let:
    """Somebody let what is like this through, from then until then."""

    person: Name
    requester: Name
    what: What
    since: datetime
    until: datetime
    conversation: str | None
    revoked: bool = False


@dataclass(slots=True)
class Asked:
    """A call as its requester asked for it, and what was signed of it."""

    requester: Name
    conversation: str
    at: datetime
    signed: list[Signed] = field(default_factory=list)


@dataclass
class Oracle:
    """Who did what. `why` counts on what grounds calls ran."""

    calls: dict[str, Asked] = field(default_factory=dict)
    lets: dict[str, Let] = field(default_factory=dict)
    started: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)

    def check_start(
        self, call_id: str, what: What, *, revision: int, policy: str, roles: Mapping[Name, Role]
    ) -> None:
        """Raises AssertionError where this must not start now."""
        asked = self.calls[call_id]
        self.started[call_id] += 1
        assert self.started[call_id] == 1, "started twice"
        assert asked.requester in roles, "its requester is gone"
        assert policy != "closed", "policy denies everything"
        if policy == "open":
            self.why["allowed"] += 1
            return
        wanted = demand(policy, what.amount)
        if self._quorum(asked, wanted, what, revision=revision, roles=roles):
            self.why[f"signed by {wanted.count}"] += 1
            return
        assert wanted.count == 1, f"{what} ran without {wanted}"
        assert policy in _FIXED or what.amount <= 1000, "a grant for a critical call"
        fitting = [let for let in self.lets.values() if _fits(let, asked, what, wanted, roles)]
        assert fitting, f"{what} of {asked} ran without {wanted}: {roles}, {self.lets}"
        self.why["ran by a grant"] += 1

    def _quorum(
        self, asked: Asked, wanted: Demand, what: What, *, revision: int, roles: Mapping[Name, Role]
    ) -> bool:
        yes: set[Name] = set()
        no: set[Name] = set()
        for signed in asked.signed:
            may = wanted.may_sign(signed.person, roles.get(signed.person), requester=asked.requester)
            if may and signed.revision == revision:
                (yes if signed.yes and signed.what == what else no).add(signed.person)
        said_no = {each.person for each in asked.signed if each.revision == revision and not each.yes}
        return len(yes) >= wanted.count and len(no & said_no) < wanted.denials


def _fits(let: Let, asked: Asked, what: What, wanted: Demand, roles: Mapping[Name, Role]) -> bool:
    return (
        not let.revoked
        and let.since <= asked.at < let.until
        and let.requester == asked.requester
        and let.conversation in (None, asked.conversation)
        and (let.what.text, let.what.version) == (what.text, what.version)
        and what.amount <= let.what.amount
        and wanted.may_sign(let.person, roles.get(let.person), requester=asked.requester)
    )
