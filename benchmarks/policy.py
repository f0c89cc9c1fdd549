"""P12: how long a policy of 200 rules takes to decide, plain ones and ones with conditions mixed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.table import Row
from core.ids import PersonId, TenantId
from core.model import Membership, Risk, Role, Tenant
from core.policy import Facts, Policy, evaluate, load_policy

RULES: Final = 200
ROUNDS: Final = 15
DECISIONS: Final = 200
TOOLS: Final = [f"tool_{number}" for number in range(RULES)]
_KINDS: Final = (
    'tool = "tool_{n}"\ndecision = "deny"',
    'tool = "*_{n}"\nrole = "admin"\ndecision = "allow"',
    'risk = "critical"\nchat = "-{n}"\ndecision = "requires_approval"\ncount = 2',
    'when = "double(args.amount) > 1000.0 + {n}.0"\ndecision = "deny"',
    'role = "member"\nwhen = "args.note.contains(\'gift {n}\') && now.getHours() >= 0"\ndecision = "deny"',
)
"""In turns. None matches the call that is decided: all 200 are tried."""


def rules() -> Policy:
    """The policy that is measured."""
    text = "\n".join(
        f'[[rule]]\nname = "rule {n}"\n{_KINDS[n % len(_KINDS)].replace("{n}", str(n))}' for n in range(RULES)
    )
    return load_policy(text, tools=TOOLS)


def call() -> Facts:
    """A call that no rule speaks of."""
    team = TenantId("bench")
    members = [
        Membership(tenant_id=team, person_id=PersonId(f"p{n}"), role=Role.MEMBER, name=f"P {n}")
        for n in range(20)
    ]
    return Facts(
        tool="other",
        risk=Risk.HIGH,
        requester=members[0].person_id,
        role=Role.MEMBER,
        chat="100",
        private=True,
        members=members,
        arguments={"amount": "42.50", "note": "paper for the printer", "tags": ["office", "paper"]},
        title="Something",
        requester_name="P 0",
        tenant=Tenant(id=team, name="Bench", active=True, currency="EUR", timezone="Europe/Berlin"),
        now=datetime(2026, 11, 20, 12, tzinfo=UTC),
    )


def measure(_: Path) -> list[Row]:
    """P12's row."""
    policy, facts = rules(), call()
    verdict = evaluate(policy, facts)
    if len(policy.rules) != RULES or verdict.rule != "default for high risk":
        raise SystemExit(f"void: {len(policy.rules)} rules, {verdict.rule} decided")
    rounds = [_round(policy, facts) for _ in range(ROUNDS)]
    p50 = statistics.median(statistics.median(taken) for taken in rounds)
    p99 = statistics.median(statistics.quantiles(taken, n=100)[98] for taken in rounds)
    conditions = sum(rule.when is not None for rule in policy.rules)
    detail = {"p99_ms": p99, "rules": RULES, "conditions": conditions, "rounds": ROUNDS}
    return [Row(name="P12", value=p50, goal="< 1", met=p50 < 1, unit="ms, p50", detail=detail)]


def _round(policy: Policy, facts: Facts) -> Sequence[float]:
    taken = []
    for _ in range(DECISIONS):
        begun = time.perf_counter()
        evaluate(policy, facts)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken
