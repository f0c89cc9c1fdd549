"""The three worked examples of docs/policies decide what they say they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from core.ids import PersonId, TenantId
from core.model import Channel, Membership, PolicyDecision, Risk, Role, Tenant
from core.policy import Facts, Policy, evaluate, load_policy
from core.policy.evaluate import eligible
from core.policy.limits import money_of
from tests.kit.records import member
from tools.catalog import build_catalog
from tools.create_expense import ExpenseLimits

FOLDER: Final = Path(__file__).parents[3] / "docs" / "policies"
README: Final = Path(__file__).parents[3] / "README.md"
NAMES: Final = ("family", "company", "operations")
NOON: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
NIGHT: Final = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
SUNDAY: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOME: Final = Tenant(id=TenantId("t"), name="Home", active=True, currency="EUR", timezone="UTC")
TEAM: Final = (
    member("mum", Role.ADMIN),
    member("dad", Role.ADMIN),
    member("lea", Role.APPROVER),
    member("leo", Role.APPROVER),
    member("kim"),
)


async def nobody_looks() -> Any:
    raise LookupError("nothing is run here")


REGISTRY: Final = build_catalog(limits=ExpenseLimits(), health=nobody_looks)


def policy(name: str) -> Policy:
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    return load_policy(text, tools=[tool.name for tool in REGISTRY])


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Somebody asks for something; what is decided, by which rule, who could sign."""

    policy: str
    by: str = "kim"
    tool: str = "create_expense"
    arguments: Mapping[str, Any]
    risk: Risk = Risk.LOW
    now: datetime = NOON
    channel: Channel = Channel.TELEGRAM
    private: bool = True
    rule: str
    decision: str
    signers: str = ""
    count: int = 1


def spent(
    amount: str, description: str = "paper", currency: str = "EUR", category: str = ""
) -> dict[str, str]:
    return {"amount": amount, "description": description, "currency": currency, "category": category}


ASK, ALLOW, DENY = "requires_approval", "allow", "deny"
MILK: Final = {"title": "buy milk"}
SAMPLES: Final = (
    Sample(policy="family", arguments=spent("10"), rule="pocket money", decision=ALLOW),
    Sample(
        policy="family", arguments=spent("10.01"), rule="children's expenses", decision=ASK, signers="mum dad"
    ),
    Sample(
        policy="family",
        arguments=spent("5", currency="USD"),
        rule="children's expenses",
        decision=ASK,
        signers="mum dad",
    ),
    Sample(policy="family", arguments=spent("5"), now=NIGHT, rule="bedtime", decision=ASK, signers="mum dad"),
    Sample(policy="family", arguments=MILK, tool="create_task", rule="default for low risk", decision=ALLOW),
    Sample(
        policy="family",
        arguments=spent("301"),
        by="mum",
        risk=Risk.MEDIUM,
        rule="large expenses",
        decision=ASK,
        signers="dad",
    ),
    Sample(policy="family", arguments=spent("40"), by="dad", rule="default for low risk", decision=ALLOW),
    Sample(
        policy="family",
        arguments=spent("40"),
        by="dad",
        now=NIGHT,
        rule="default for low risk",
        decision=ALLOW,
    ),
    Sample(policy="company", arguments=spent("25", "Gift card"), rule="no cash gifts", decision=DENY),
    Sample(policy="company", arguments=spent("30", category="food"), rule="lunch", decision=ALLOW),
    Sample(
        policy="company",
        arguments=spent("31", category="food"),
        rule="leads sign up to 1,000",
        decision=ASK,
        signers="mum dad lea leo",
    ),
    Sample(
        policy="company",
        arguments=spent("900"),
        by="lea",
        risk=Risk.HIGH,
        rule="leads sign up to 1,000",
        decision=ASK,
        signers="mum dad leo",
    ),
    Sample(
        policy="company",
        arguments=spent("1000.01"),
        risk=Risk.HIGH,
        rule="directors sign the rest",
        decision=ASK,
        signers="mum dad",
        count=2,
    ),
    Sample(
        policy="company",
        arguments=spent("9", currency="USD"),
        rule="directors sign the rest",
        decision=ASK,
        signers="mum dad",
        count=2,
    ),
    Sample(
        policy="company",
        arguments=spent("9"),
        by="mum",
        rule="directors sign the rest",
        decision=ASK,
        signers="dad",
        count=2,
    ),
    Sample(
        policy="company",
        arguments=MILK,
        tool="create_task",
        private=False,
        rule="the shared list",
        decision=ASK,
        signers="mum dad lea leo kim",
    ),
    Sample(policy="company", arguments=MILK, tool="create_task", rule="default for low risk", decision=ALLOW),
    Sample(
        policy="operations",
        arguments={},
        tool="list_tasks",
        channel=Channel.API,
        rule="programs only look",
        decision=ALLOW,
    ),
    Sample(
        policy="operations",
        arguments=spent("1"),
        channel=Channel.MCP,
        rule="programs never spend",
        decision=DENY,
    ),
    Sample(
        policy="operations",
        arguments=MILK,
        tool="create_task",
        channel=Channel.API,
        rule="programs ask the duty",
        decision=ASK,
        signers="mum dad lea leo",
    ),
    Sample(
        policy="operations",
        arguments=spent("900"),
        risk=Risk.HIGH,
        rule="risky work",
        decision=ASK,
        signers="mum dad lea leo",
        count=2,
    ),
    Sample(
        policy="operations",
        arguments=spent("900"),
        risk=Risk.HIGH,
        now=SUNDAY,
        rule="freeze at the weekend",
        decision=ASK,
        signers="mum dad",
        count=2,
    ),
    Sample(
        policy="operations",
        arguments=MILK,
        tool="create_task",
        now=SUNDAY,
        rule="default for low risk",
        decision=ALLOW,
    ),
)


def decided(sample: Sample) -> tuple[str, str, set[str], int]:
    by = next(each for each in TEAM if each.person_id == sample.by)
    tool = REGISTRY.get(sample.tool)
    amount, currency = money_of(tool, sample.arguments)
    verdict = evaluate(
        policy(sample.policy),
        Facts(
            tool=sample.tool,
            risk=sample.risk,
            requester=by.person_id,
            role=by.role,
            chat="1" if sample.private else "-1",
            private=sample.private,
            members=TEAM,
            channel=sample.channel,
            arguments=sample.arguments,
            requester_name=by.name,
            tenant=HOME,
            now=sample.now,
            amount=amount,
            currency=currency,
        ),
    )
    asks = verdict.decision is PolicyDecision.REQUIRES_APPROVAL
    able = {str(each.person_id) for each in TEAM if asks and _may(verdict, by.person_id, each)}
    return verdict.rule, verdict.decision.value, able, verdict.count if asks else 1


def _may(verdict: Any, requester: PersonId, each: Membership) -> bool:
    return eligible(verdict, requester=requester, person=each.person_id, role=each.role)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.policy}-{sample.rule}-{sample.by}")
def test_what_the_examples_decide(sample: Sample) -> None:
    assert decided(sample) == (sample.rule, sample.decision, set(sample.signers.split()), sample.count)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_of_an_example_is_tried_here_and_the_readme_names_the_file(name: str) -> None:
    rules = {rule.name for rule in policy(name).rules}
    assert rules <= {sample.rule for sample in SAMPLES if sample.policy == name}
    assert f"docs/policies/{name}.toml" in README.read_text(encoding="utf-8")


def test_there_are_no_examples_that_nobody_tries() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(NAMES)
