"""Processes of tests: what they tell, and how they are signalled to, killed and buried."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from tests.crash import victim
from tests.kit.processes import FORKED

PATIENCE_S = 45.0
_DIED = "died"


class Life:
    """One process, from its start to its death. `heard` is what it told, oldest first."""

    def __init__(self, process: ForkServerProcess, pipe: Connection) -> None:
        self._process = process
        self._pipe = pipe
        self._news = asyncio.Event()
        self.heard: list[str] = []
        asyncio.get_running_loop().add_reader(pipe.fileno(), self._read)

    @classmethod
    def begin(cls, orders: object, target: Callable[[Connection, Any], None] = victim.main) -> Life:
        """Starts a process: a victim, or whatever `target` is."""
        ours, theirs = FORKED.Pipe()
        process = FORKED.Process(target=target, args=(theirs, orders), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    def _read(self) -> None:
        try:
            while self._pipe.poll():
                self.heard.append(self._pipe.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self.heard.append(_DIED)
        self._news.set()

    @property
    def died(self) -> bool:
        """Whether the process is gone."""
        return bool(self.heard) and self.heard[-1] == _DIED

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns as soon as this is true, which is looked at whenever the process told something."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def ready(self) -> None:
        """Returns once the product takes updates."""
        await self.until(lambda: victim.READY in self.heard or self.died)
        assert not self.died, "the product ended instead of starting"

    async def told(self, what: str, argument: object = None) -> None:
        """Has the process do something, and returns once it did."""
        before = self.heard.count(victim.DONE)
        self._pipe.send((what, argument))
        await self.until(lambda: self.heard.count(victim.DONE) > before)

    def tell(self, what: str) -> None:
        """Has the process do something that it may not survive; one that is gone has done it already."""
        with contextlib.suppress(OSError):
            self._pipe.send((what, None))

    @property
    def pid(self) -> int:
        """The process's number at the system."""
        assert self._process.pid is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """A signal from outside."""
        os.kill(self.pid, number)

    async def death(self, *, exitcode: int = -signal.SIGKILL) -> None:
        """Returns once the process ended, by SIGKILL or with this exit code, and nothing of it is left."""
        await self.until(lambda: self.died)
        await asyncio.to_thread(self._process.join, PATIENCE_S)
        assert self._process.exitcode == exitcode, self._process.exitcode
        self._pipe.close()
        self._process.close()
