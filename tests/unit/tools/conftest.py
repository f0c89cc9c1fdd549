from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.tools.kit import Bench, SqliteToolStore, context_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteToolStore]:
    store = SqliteToolStore(tmp_path / "records.db")
    with closing(store.connection):
        yield store


@pytest.fixture
def bench(store: SqliteToolStore) -> Bench:
    return Bench(store=store, context=context_of(store))
