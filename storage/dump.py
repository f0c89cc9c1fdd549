"""Copying a PostgreSQL database with the server's own tools, where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from core.errors import ConfigError
from storage.findings import Head

_MISSING: Final = (
    "{tool} is not on the PATH, and only it can {verb} a PostgreSQL database. Install the server's client "
    "tools (Debian: postgresql-client), of its version or a newer one."
)
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def dump(address: str, to: Path) -> tuple[str, dict[str, Head]]:
    """Dumps one committed state; its schema, and where each chain ends in it. Raises ConfigError."""
    tool = _tool("pg_dump", "copy")
    try:
        with psycopg.connect(address, autocommit=True) as server:
            server.execute(_SNAPSHOT.encode())
            name = _one(server, "SELECT pg_export_snapshot()")
            schema = str(_one(server, "SELECT version_num FROM alembic_version"))
            rows = server.execute("SELECT tenant_id, seq, hash FROM audit_heads").fetchall()
            _run([tool, "--format=custom", f"--snapshot={name}", f"--file={to}"], address)
    except psycopg.Error as error:
        raise ConfigError(f"The database cannot be read: {' '.join(str(error).split())}.") from None
    return schema, {row[0]: (row[1], row[2]) for row in rows}


def load(address: str, dumped: Path) -> None:
    """Puts a dump into an empty database, all of it or nothing. Raises ConfigError."""
    tool = _tool("pg_restore", "restore")
    _run(
        [tool, "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(dumped)],
        address,
    )


def _tool(name: str, verb: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigError(_MISSING.format(tool=name, verb=verb))
    return found


def _one(server: psycopg.Connection[Any], sql: str) -> Any:
    row = server.execute(sql.encode()).fetchone()
    return None if row is None else row[0]


def _run(command: list[str], address: str) -> None:
    """The password goes by the environment: command lines are for all to see."""
    given: dict[str, Any] = dict(conninfo_to_dict(address))
    password = given.pop("password", None)
    environ = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    found = subprocess.run(  # noqa: S603 - the tool of the PATH, and an address of the settings
        [*command, f"--dbname={make_conninfo(**given)}"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        told = " ".join(found.stderr.split())[:400]
        raise ConfigError(f"{Path(command[0]).name} failed: {told or found.returncode}")
