"""Where settings come from: a TOML file and the environment, each value with the place it was found in."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from core.errors import ConfigError

PREFIX: Final = "COUNTERSIGN_"
EXAMPLE: Final = "config.example.toml"

Key = tuple[str, str]
"""A section and a key in it."""


class Given(Struct, frozen=True, kw_only=True):
    """A value, where it was found in words, and the folder that a relative path starts from."""

    value: object
    where: str
    base: Path

    @property
    def absolute(self) -> object:
        """The value as the text of an absolute path; None where it is blank, itself where it is no text."""
        if not isinstance(self.value, str):
            return self.value
        return str((self.base / Path(self.value).expanduser()).resolve()) if self.value.strip() else None


def told(problems: Sequence[str]) -> str:
    """The text of a ConfigError: one problem a line, then where every key is explained."""
    return "\n".join([*problems, f"See {EXAMPLE}, which explains every key."])


def dotted(key: Key) -> str:
    """The key as people write it: `telegram.token`."""
    return ".".join(key)


def from_file(path: Path, keys: Collection[Key]) -> dict[Key, Given]:
    """The values of a TOML file. Raises ConfigError where it cannot be read or has a key not in `keys`."""
    text = _text(path)
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(told([f"{path}: this is not TOML: {error}."])) from None
    sections = {section for section, _ in keys}
    found: dict[Key, Given] = {}
    problems: list[str] = []
    for section, key, value in _leaves(tables, sections):
        where = _place(path, text, section, key)
        if key is not None and (section, key) in keys:
            found[section, key] = Given(value=value, where=where, base=path.resolve().parent)
        elif section in sections and key is None:
            problems.append(f"{section} is a table and has no value of its own: write [{section}] ({where}).")
        else:
            known = {dotted(each) for each in keys} | sections
            problems.append(_unknown(f"{section}.{key}" if key else section, where, known))
    if problems:
        raise ConfigError(told(problems))
    return found


def from_environment(environ: Mapping[str, str], keys: Collection[Key]) -> dict[Key, Given]:
    """The values of COUNTERSIGN_ variables; an empty one counts as not set.

    Raises ConfigError for such a variable that belongs to no key, since it is likely mistyped.
    """
    names = {f"{PREFIX}{section}__{key}".upper(): (section, key) for section, key in keys}
    problems = [
        _unknown(name, "an environment variable", names)
        for name in sorted(environ)
        if name.upper().startswith(PREFIX) and name not in names
    ]
    if problems:
        raise ConfigError(told(problems))
    return {
        names[name]: Given(value=value, where=f"environment variable {name}", base=Path.cwd())
        for name, value in environ.items()
        if name in names and value.strip()
    }


def secret_from_file(key: Key, file_key: Key, given: Given) -> Given:
    """The secret that is the whole content of the file. Raises ConfigError where there is none to be had."""
    file = Path(str(given.absolute))
    where = f"{dotted(file_key)} = {str(file)!r} ({given.where})"
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(told([f"{where}: cannot be read ({_reason(error)})."])) from None
    if not secret:
        raise ConfigError(told([f"{where}: the file is empty; it must hold {dotted(key)}."]))
    return Given(value=secret, where=str(file), base=file.parent)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; `countersign init` writes a first one.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({_reason(error)}).") from None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 text at byte {error.start}"
    return error.strerror or type(error).__name__


def _leaves(tables: Mapping[str, Any], sections: Collection[str]) -> Iterator[tuple[str, str | None, object]]:
    for section, table in tables.items():
        if isinstance(table, dict) and section in sections:
            yield from ((section, key, value) for key, value in table.items())
        else:
            yield section, None, table


def _place(path: Path, text: str, section: str, key: str | None) -> str:
    """The file and, where it can be found, the line of a key or of a section's first mention."""
    wanted = [section, key] if key else [section]
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+([^\]]+)\]", line):
            table = here = _parts(header[1])
        elif assignment := re.match(r"([^=#]+)=", line):
            here = table + _parts(assignment[1])
        else:
            continue
        if here[: len(wanted)] == wanted:
            return f"{path}, line {number}"
    return str(path)


def _parts(name: str) -> list[str]:
    return [part.strip().strip("\"'") for part in name.split(".")]


def _unknown(name: str, where: str, known: Collection[str]) -> str:
    """Says that there is no such key and what is nearest; never its value, it may be a mistyped secret."""
    by_key = {_key_part(each): each for each in known}
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75) or [
        by_key[part] for part in difflib.get_close_matches(_key_part(name), by_key, n=1, cutoff=0.6)
    ]
    hint = f"; did you mean {near[0]}?" if near else "."
    return f"{name} is not a setting ({where}){hint}"


def _key_part(name: str) -> str:
    return name.replace("__", ".").rsplit(".", 1)[-1]
