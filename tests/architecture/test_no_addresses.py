"""Where packages come from is the business of whoever installs: no file names a registry or a mirror."""

from __future__ import annotations

import re

from tests.architecture.files import all_files, shown

# Taken apart here, so that this file does not name them either.
_HOSTS = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "yarn" + "pkg.com", "deb" + "ian.org/")
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


def test_no_file_names_a_registry() -> None:
    found = [
        f"{shown(path)}:{number}"
        for path in all_files()
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), start=1)
        if _PATTERN.search(line)
    ]
    assert not found, f"no registry host may stand in a file: {found}"


def test_the_pattern_finds_what_it_is_for() -> None:
    assert _PATTERN.search("--extra-index" + "-url https://mirror.example/simple")
    assert _PATTERN.search("find" + "-links = /srv/packages")
    assert _PATTERN.search(f'"resolved": "https://packages.{_HOSTS[2]}/is-number"')
    assert not _PATTERN.search("--no-emit-index-url --no-emit-find-links --no-header")
    assert not _PATTERN.search("--no-emit-index-url \\")


def test_every_requirement_is_pinned_with_hashes() -> None:
    for path in all_files():
        if path.parent.name == "requirements" and path.suffix == ".txt":
            for block in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
                assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", block), f"{shown(path)}: {block[:60]}"
                assert "--hash=sha256:" in block, f"{shown(path)}: {block[:60]}"
