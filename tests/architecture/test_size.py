"""No file grows past what can be read in one sitting: the runner, the CLI and the handlers would."""

from __future__ import annotations

from tests.architecture.files import shown, sources

LIMIT = 400


def test_no_source_file_is_longer_than_400_lines() -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    # A migration is history: it is written once and never split.
    too_long = {
        name: length
        for name, length in lengths.items()
        if length > LIMIT and not name.startswith("storage/migrations/versions/")
    }
    assert lengths
    assert not too_long, f"split these, each part by what it is about: {too_long}"
