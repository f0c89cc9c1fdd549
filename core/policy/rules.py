"""What a rule is, and what is decided where no rule speaks."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct, field

from core.model import Channel, PolicyDecision, Risk, Role
from core.policy.conditions import Condition


class Rule(Struct, frozen=True, kw_only=True):
    """One rule: what it matches (empty matches everything) and what it decides.

    `approvers` None means the defaults of the call's risk; names narrow the role to these members.
    """

    name: str
    decision: PolicyDecision
    reason: str = ""
    tool: str = "*"
    risks: frozenset[Risk] = frozenset()
    roles: frozenset[Role] = frozenset()
    chat: str = ""  # "private", "group", or a chat id
    channels: frozenset[Channel] = frozenset()
    when: Condition | None = None  # asked last: the plain fields are cheaper
    approvers: Role | None = None
    names: tuple[str, ...] = ()
    count: int | None = None
    denials: int | None = None
    self_approval: bool | None = None
    expires_after_s: int | None = None
    remind_after_s: int | None = None
    escalate_to: Role | None = None
    cards_to: str = ""  # "requester", "approvers", or a chat id; "": as usual

    def differs(
        self, *, tool: str, risk: Risk, role: Role, chat: str, private: bool, channel: Channel
    ) -> str:
        """The first plain field by which this rule does not speak of such a call; "" where all fit."""
        if self.tool != "*" and not fnmatchcase(tool, self.tool):
            return "tool"
        if self.risks and risk not in self.risks:
            return "risk"
        if self.roles and role not in self.roles:
            return "role"
        if self.chat not in ("", chat, "private" if private else "group"):
            return "chat"
        return "channel" if self.channels and channel not in self.channels else ""


class Default(Struct, frozen=True, kw_only=True):
    """What a risk asks for where no rule speaks, and what a rule that asks leaves open."""

    decision: PolicyDecision
    reason: str
    count: int = 1
    self_approval: bool = False


DEFAULTS: Final[Mapping[Risk, Default]] = {
    Risk.LOW: Default(decision=PolicyDecision.ALLOW, reason="low risk runs at once", self_approval=True),
    Risk.MEDIUM: Default(
        decision=PolicyDecision.REQUIRES_APPROVAL,
        reason="medium risk is confirmed by the requester or an approver",
        self_approval=True,
    ),
    Risk.HIGH: Default(
        decision=PolicyDecision.REQUIRES_APPROVAL,
        reason="high risk needs an approver who is not the requester",
    ),
    Risk.CRITICAL: Default(
        decision=PolicyDecision.REQUIRES_APPROVAL,
        reason="critical risk needs two approvers, neither of them the requester",
        count=2,
    ),
}


class Policy(Struct, frozen=True, kw_only=True):
    """Ordered rules. `version` is the digest of the text they were read from."""

    rules: tuple[Rule, ...] = ()
    version: str = "built-in"
    defaults: Mapping[Risk, Default] = field(default_factory=lambda: DEFAULTS)


DEFAULT_POLICY: Final = Policy()
