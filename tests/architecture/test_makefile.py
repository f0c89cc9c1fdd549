"""The commands that people are told to type exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.files import ROOT

TARGETS = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
PAGES = [path for name in ("README.md", "CONTRIBUTING.md") if (path := ROOT / name).exists()]


def commands(page: Path) -> list[str]:
    """The lines of a page's code blocks, and its inline code."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```", text)
    return [line.strip() for block in blocks for line in block.splitlines()] + re.findall(
        r"`([^`\n]+)`", text
    )


def test_the_makefile_has_the_promised_targets() -> None:
    assert {"demo", "test", "check", "fmt", "lock", "clean"} <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_of_the_pages_exists(page: Path) -> None:
    told = {
        target for line in commands(page) for target in re.findall(r"(?:^|[;&(]\s*)make\s+([a-z-]+)", line)
    }
    assert told
    assert told <= TARGETS, f"{page.name} tells of targets that do not exist: {told - TARGETS}"


def test_the_readme_begins_with_make_demo_and_make_test() -> None:
    readme = ROOT / "README.md"
    if readme not in PAGES:
        pytest.skip("the README is written last")
    first = re.search(r"(?ms)^ *```\w*\n(.*?)^ *```", readme.read_text(encoding="utf-8"))
    assert first is not None
    typed = [line.split("#")[0].strip() for line in first[1].splitlines() if line.split("#")[0].strip()]
    assert typed == ["make demo", "make test"]


def test_ci_runs_make_test() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in script
    assert script.rstrip().endswith("exec make test")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
