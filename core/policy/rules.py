"""What a rule is, and what is decided where no rule speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from core.model import PolicyDecision, Risk, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
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
    approvers: Role | None = None
    names: tuple[str, ...] = ()
    count: int | None = None
    self_approval: bool | None = None
    expires_after_s: int | None = None

    def matches(self, *, tool: str, risk: Risk, role: Role, chat: str, private: bool) -> bool:
        """Whether this rule speaks of such a call."""
        if not fnmatchcase(tool, self.tool):
            return False
        if self.risks and risk not in self.risks:
            return False
        if self.roles and role not in self.roles:
            return False
        return self.chat in ("", chat, "private" if private else "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Ordered rules. `version` is the digest of the text they were read from."""

    rules: tuple[Rule, ...] = ()
    version: str = "built-in"
    defaults: Mapping[Risk, Default] = field(default_factory=lambda: DEFAULTS)


DEFAULT_POLICY: Final = Policy()
