"""T13's share of the policy: one that is missing, empty or broken lets nothing run unasked that matters."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Final

import pytest

from bot.bootstrap import load_policy_file
from core.errors import ConfigError
from core.model import PolicyDecision, Risk, Role
from core.policy import Facts, Policy, evaluate
from core.registry import ToolRegistry
from tests.kit.records import member
from tests.kit.tools import tool

REGISTRY: Final = ToolRegistry([tool("note")])
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
