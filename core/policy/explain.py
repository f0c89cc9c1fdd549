"""Why policy decides as it does: every rule that was tried, and why it did or did not speak."""

from __future__ import annotations

from msgspec import Struct

from core.model import Verdict
from core.policy.describe import either
from core.policy.evaluate import Trial, concluded, trials
from core.policy.facts import Facts
from core.policy.limits import limited
from core.policy.rules import Policy, Rule


class Step(Struct, frozen=True):
    """One thing that was tried: its name, whether it decided, and why or why not, in plain words."""

    name: str
    decides: bool
    why: str


class Explanation(Struct, frozen=True, kw_only=True):
    """The steps up to the one that decided, and what it decided."""

    steps: tuple[Step, ...]
    verdict: Verdict


def explain(policy: Policy, facts: Facts) -> Explanation:
    """How `evaluate` comes to its verdict: the very same trials, told."""
    tried = list(trials(policy, facts))
    steps = [_step(trial, facts) for trial in tried]
    verdict = concluded(policy, facts, tried[-1] if tried else None)
    if not steps or not steps[-1].decides:
        steps += _behind_the_rules(policy, facts, verdict)
    return Explanation(steps=tuple(steps), verdict=verdict)


def _step(trial: Trial, facts: Facts) -> Step:
    rule = trial.rule
    if trial.failed:
        why = f"its condition could not be told ({trial.failed}), so it denies"
        return Step(rule.name, decides=True, why=why)
    if trial.differs:
        return Step(rule.name, decides=False, why=_difference(rule, trial.differs, facts))
    return Step(rule.name, decides=True, why="it matches")


def _behind_the_rules(policy: Policy, facts: Facts, verdict: Verdict) -> list[Step]:
    """What speaks where no rule does: that they are no member, the limit set in chat, the risk."""
    if facts.role is None:
        return [Step(verdict.rule, decides=True, why=verdict.reason)]
    if limited(policy, facts) is not None:
        return [Step(verdict.rule, decides=True, why="no rule speaks of it, and an admin set a limit")]
    steps = []
    if facts.tenant is not None and facts.tenant.ask_above is not None:
        steps.append(Step("limit set in chat", decides=False, why="it does not speak of this call"))
    why = "no rule speaks of it" if policy.rules else "there are no rules"
    return [*steps, Step(verdict.rule, decides=True, why=why)]


def _difference(rule: Rule, field: str, facts: Facts) -> str:
    match field:
        case "tool":
            return f"the tool is {facts.tool}, not {rule.tool}"
        case "risk":
            return f"the risk is {facts.risk}, not {either(rule.risks)}"
        case "role":
            return f"the requester is {facts.role}, not {either(rule.roles)}"
        case "chat":
            place = "private" if facts.private else "group"
            return f"the chat is {facts.chat} ({place}), not {rule.chat}"
        case "channel":
            return f"it comes by {facts.channel}, not {either(rule.channels)}"
    return "its condition is not true of it" + ("" if rule.when is None else f": {rule.when.source}")
