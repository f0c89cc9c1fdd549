"""A new policy held against recorded history: which calls would have been decided otherwise.

A call is judged by the facts as they were recorded when it was proposed. Who may sign, by name and role, and
what the team has set for itself (its limit, currency and zone) are those of today; nothing else is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from core.digest import Json
from core.model import Membership, PolicyDecision, Role, Tenant, ToolCall, Verdict
from core.policy.evaluate import evaluate
from core.policy.facts import DAY_S, Facts
from core.policy.limits import money_of
from core.policy.rules import Policy
from core.tool import Tool


class Recorded(Struct, frozen=True, kw_only=True):
    """A call of the past: `facts` as its first audit event tells them, None where it does not."""

    call: ToolCall
    facts: Mapping[str, Json] | None
    chat: str
    private: bool


class Compared(Struct, frozen=True, kw_only=True):
    """A call that both policies have decided. `assumed`: by the role and members of today, as those of then
    were not recorded."""

    call: ToolCall
    before: Verdict
    after: Verdict
    assumed: bool

    @property
    def decided_otherwise(self) -> bool:
        """Whether the decision itself would change."""
        return self.before.decision is not self.after.decision

    @property
    def signed_otherwise(self) -> bool:
        """Whether it would be asked either way, of other people."""
        asked = self.before.decision is PolicyDecision.REQUIRES_APPROVAL and not self.decided_otherwise
        return asked and _signers(self.before) != _signers(self.after)


@dataclass(slots=True)
class Summary:
    """What a whole history comes to."""

    calls: int = 0
    assumed: int = 0
    signed_otherwise: int = 0
    changes: Counter[tuple[PolicyDecision, PolicyDecision]] = field(default_factory=Counter)

    def add(self, compared: Compared) -> None:
        """Counts one call."""
        self.calls += 1
        self.assumed += compared.assumed
        self.signed_otherwise += compared.signed_otherwise
        if compared.decided_otherwise:
            self.changes[compared.before.decision, compared.after.decision] += 1


def backtest(
    policy: Policy,
    history: Iterable[Recorded],
    *,
    tenant: Tenant,
    members: Sequence[Membership],
    tools: Mapping[str, Tool],
) -> Iterator[Compared]:
    """Each call of the history under the old verdict and the new policy, one after the other."""
    roles = {member.person_id: member.role for member in members}
    for recorded in history:
        call = recorded.call
        facts = past_facts(
            recorded,
            tenant=tenant,
            members=members,
            tool=tools.get(call.tool),
            today=roles.get(call.requester_id),
        )
        yield Compared(
            call=call,
            before=call.verdict,
            after=evaluate(policy, facts),
            assumed=recorded.facts is None,
        )


def past_facts(
    recorded: Recorded,
    *,
    tenant: Tenant,
    members: Sequence[Membership],
    tool: Tool | None,
    today: Role | None,
) -> Facts:
    """What policy could look at when the call was proposed. `today`: the requester's role now, for calls of
    before it was recorded; somebody who has left since was a member at least."""
    call, then = recorded.call, recorded.facts or {}
    amount, currency = ("", "") if tool is None else money_of(tool, call.arguments)
    return Facts(
        tool=call.tool,
        risk=call.risk,
        requester=call.requester_id,
        role=Role(then["role"]) if then.get("role") else today or Role.MEMBER,
        chat=str(then.get("chat", recorded.chat)),
        private=bool(then.get("private", recorded.private)),
        members=members,
        size=then.get("members"),
        channel=call.channel,
        arguments=call.arguments,
        title=call.title,
        requester_name=call.requester_name,
        tenant=tenant,
        now=call.created_at,
        expires_after_s=DAY_S,
        amount=amount,
        currency=currency,
    )


def _signers(verdict: Verdict) -> tuple[object, ...]:
    return (
        verdict.approvers,
        frozenset(verdict.named),
        verdict.count,
        verdict.self_approval,
        verdict.denials,
    )
