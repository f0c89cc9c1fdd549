"""Policy: ordered rules, first match decides, defaults by risk behind them."""

from core.policy.evaluate import evaluate
from core.policy.facts import Facts
from core.policy.load import PolicyError, load_policy
from core.policy.rules import DEFAULT_POLICY, Policy, Rule

__all__ = ["DEFAULT_POLICY", "Facts", "Policy", "PolicyError", "Rule", "evaluate", "load_policy"]
