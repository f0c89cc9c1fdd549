"""Where packages come from is the business of whoever installs: no file names a registry or a mirror."""

from __future__ import annotations

import re

from tests.architecture.files import all_files, shown

# Taken apart here, so that this file does not name them either.
_HOSTS = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "yarn" + "pkg.com", "deb" + "ian.org/")
# Looked for first, which is fast: each of the pattern's ways holds one of these.
_PARTS = (*_HOSTS, "index-" + "url", "find-" + "links", "/opt/")
_PATTERN = re.compile(
    "|".join(map(re.escape, _HOSTS))
    + r"|(?<!emit-)(?:extra-)?index"
    + r"-url[\s=:\"']+\S"
    + r"|(?<!emit-)find"
    + r"-links[\s=:\"']+\S"
    + r"|/opt/(?:py"
    + r"pi|wheels)",
    re.IGNORECASE,
)


def lines_in(text: str) -> list[int]:
    """The numbers of the lines that name a registry or a mirror."""
    folded = text.casefold()
    if not any(part in folded for part in _PARTS):
        return []
    return [n for n, line in enumerate(text.splitlines(), start=1) if _PATTERN.search(line)]


def test_no_file_names_a_registry() -> None:
    found = [
        f"{shown(path)}:{number}"
        for path in all_files()
        for number in lines_in(path.read_bytes().decode("utf-8", "replace"))
    ]
    assert not found, f"no registry host may stand in a file: {found}"


def test_the_pattern_finds_what_it_is_for() -> None:
    assert lines_in("--extra-index" + "-url https://mirror.example/simple") == [1]
    assert lines_in("find" + "-links = /srv/packages") == [1]
    for host in _HOSTS:
        address = "://packages.".join(("https", f"{host.upper()}/is-number"))
        assert lines_in(f'\n"resolved": "{address}"') == [2]
    for mirror in ("py" + "pi", "wheels"):
        assert lines_in(f"/opt/{mirror}") == [1]
    assert not lines_in("--no-emit-index-url --no-emit-find-links --no-header")
    assert not lines_in("--no-emit-index-url \\")


def test_every_requirement_is_pinned_with_hashes() -> None:
    for path in all_files():
        if path.parent.name == "requirements" and path.suffix == ".txt":
            for block in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
                assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", block), f"{shown(path)}: {block[:60]}"
                assert "--hash=sha256:" in block, f"{shown(path)}: {block[:60]}"
