"""T13's share of the policy: one that is missing, empty or broken lets nothing run unasked that matters,
and no dangerous paraphrase is let through, whatever the parser made of it and whatever rules there are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from bot.policy_file import load_policy_file
from core.engine.facts import assessed
from core.errors import ConfigError, InvalidInput
from core.ids import TenantId
from core.model import PolicyDecision, Risk, Role, Tenant
from core.parsing import Candidate, ParseContext, understand
from core.policy import DEFAULT_POLICY, Facts, Policy, evaluate, load_policy
from core.policy.limits import money_of
from core.registry import ToolRegistry, validate
from tests.kit.records import member
from tests.kit.tools import tool
from tools.catalog import build_catalog
from tools.create_expense import ExpenseLimits
from tools.print_label import print_label
from tools.system_health_check import HealthReport

REGISTRY: Final = ToolRegistry([tool("note")])
ROOT: Final = Path(__file__).parents[3]
DANGEROUS: Final = ROOT / "tests" / "data" / "dangerous.json"
"""Case, look-alikes, hidden characters, quoting, chaining, nested JSON, duplicate keys, slips."""
EXAMPLES: Final = sorted((ROOT / "docs" / "policies").glob("*.toml"))
CONTEXT: Final = ParseContext(now=datetime(2026, 11, 20, 12, tzinfo=UTC), timezone="UTC", currency="EUR")
TEAM: Final = (member("dan", Role.ADMIN), member("cat", Role.APPROVER), member("ann"), member("bob"))
ALLOW: Final = b'[[rule]]\ntool = "*"\ndecision = "allow"\n'

EMPTY: Final = (None, b"", b"\n \t\n", b"# nothing here\n")
"""No file named; a file without any rule. What holds then are the defaults."""

BROKEN: Final = (
    ALLOW[:-3],
    ALLOW + b"[[rule",
    ALLOW + b"[[rule]]\n",
    ALLOW + ALLOW.replace(b"decision", b"decison"),
    ALLOW + ALLOW.replace(b"allow", b"alow"),
    ALLOW + ALLOW.replace(b"*", b"no_such_tool"),
    ALLOW + ALLOW + b"tool = 1\n",
    ALLOW + b"\xff",
    ALLOW + b"\x00",
    b"\xef\xbb\xbf" + ALLOW,
    b'rule = "allow"\n',
    b'default = "allow"\n',
    b"[[rules]]\n" + ALLOW.partition(b"\n")[2],
)
"""A rule that allows all, and something wrong: the part that can be read must not hold by itself."""


def test_t13_without_a_whole_policy_nothing_that_matters_runs_unasked(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    for content in EMPTY:
        if content is not None:
            file.write_bytes(content)
        assert not unasked(load_policy_file(None if content is None else file, REGISTRY)), content
    for content in BROKEN:
        file.write_bytes(content)
        with pytest.raises(ConfigError, match="policy"):
            load_policy_file(file, REGISTRY)
    for absent in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_policy_file(absent, REGISTRY)
    tried = len(EMPTY) + len(BROKEN) + 2
    print(f"T13: {tried}/{tried} policies, missing, empty or broken, 0 allow a call above low risk unasked")


async def _nobody_looks() -> HealthReport:
    raise LookupError("no call runs here")


LIMITED: Final = Tenant(
    id=TenantId("acme"), name="Acme", active=True, currency="EUR", timezone="UTC", ask_above="50"
)
CATALOG: Final = build_catalog(
    limits=ExpenseLimits(), health=_nobody_looks, extra=[print_label(Path("labels.jsonl"))]
)
TRUSTING: Final = """
[[rule]]
name = "small things of members, by day"
risk = "low"
role = "member"
channel = "telegram"
when = "now.getHours() >= 8 && user.role == 'member' && tenant.members > 1 && call.private"
decision = "allow"

[[rule]]
name = "short labels"
tool = "print_label"
when = "size(args.text) < 3 && args.words.exists(word, word == 'please')"
decision = "allow"

[[rule]]
name = "small expenses"
tool = "create_expense"
when = "args.currency == tenant.currency && double(args.amount) <= 50.0"
decision = "allow"
"""
"""Each form of a rule that allows: plain fields, conditions, conditions that fail for want of an argument."""


def test_t13_no_dangerous_paraphrase_runs_unasked_under_any_form_of_rule() -> None:
    texts: list[str] = json.loads(DANGEROUS.read_text(encoding="utf-8"))
    assert len(set(texts)) >= 300
    tools = [tool.name for tool in CATALOG]
    policies = [DEFAULT_POLICY, load_policy(TRUSTING, tools=tools)]
    policies += [load_policy(file.read_text(encoding="utf-8"), tools=tools) for file in EXAMPLES]
    judged = 0
    for text in texts:
        understood = understand(text, registry=CATALOG, context=CONTEXT)
        for candidate in understood.candidates:
            for facts in () if candidate.missing else wished(candidate):
                judged += 1
                for policy in policies:
                    verdict = evaluate(policy, facts)
                    assert verdict.decision is not PolicyDecision.ALLOW or facts.risk is Risk.LOW, text
    assert judged > 100, "nothing was understood: the test would show nothing"
    told = f"under {len(policies)} policies, 0 run unasked above low risk"
    print(f"T13: {len(texts)}/{len(texts)} paraphrases {told}")


def wished(candidate: Candidate) -> list[Facts]:
    """What policy would be asked if it were proposed, in a team with a limit and in one without."""
    tool = CATALOG.get(candidate.tool)
    try:
        typed = validate(tool, candidate.arguments)
    except InvalidInput:
        return []
    amount, currency = money_of(tool, candidate.arguments)
    return [
        Facts(
            tool=tool.name,
            risk=assessed(tool, typed, currency=tenant.currency),
            requester=TEAM[2].person_id,
            role=Role.MEMBER,
            chat="100",
            private=True,
            members=TEAM,
            arguments=typed.model_dump(mode="json"),
            requester_name="Ann",
            tenant=tenant,
            now=CONTEXT.now,
            amount=amount,
            currency=currency,
        )
        for tenant in (LIMITED, replace(LIMITED, ask_above=None))
    ]


def test_what_a_whole_policy_allows_runs_unasked(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    file = tmp_path / "policy.toml"
    file.write_bytes(ALLOW)
    assert unasked(load_policy_file(file, REGISTRY))


def unasked(policy: Policy) -> list[tuple[Risk, Role, bool]]:
    """Which calls above low risk this policy lets run without a signature."""
    found = []
    for risk, role, private in product(set(Risk) - {Risk.LOW}, Role, (True, False)):
        facts = Facts(
            tool="note",
            risk=risk,
            requester=TEAM[2].person_id,
            role=role,
            chat="100",
            private=private,
            members=TEAM,
        )
        if evaluate(policy, facts).decision is PolicyDecision.ALLOW:
            found.append((risk, role, private))
    return found
