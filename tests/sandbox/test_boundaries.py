"""The sandbox is an outside world: it knows nothing of Countersign, and nothing of a bot library."""

import ast
from pathlib import Path

import bot.sandbox

FOLDER = Path(bot.sandbox.__file__).parent
FOREIGN = {"core", "storage", "tools", "telegram", "sqlalchemy", "pydantic"}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_it_imports_nothing_of_the_house() -> None:
    for path in FOLDER.rglob("*.py"):
        for name in imports(path):
            first, *rest = name.split(".")
            assert first not in FOREIGN, path
            assert first != "bot" or rest[:1] == ["sandbox"], path


def test_files_stay_small() -> None:
    assert [path for path in FOLDER.rglob("*.py") if len(path.read_text().splitlines()) > 350] == []
