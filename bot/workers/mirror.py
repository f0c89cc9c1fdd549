"""The mirror's one holder: writes what is committed to the audit chains into files beside the database.

Each chain has a cursor, `audit_heads.mirrored_seq`: everything up to it is in the file and synced. Lines are
written and synced first and the cursor moves afterwards, so a crash in between leaves lines beyond the
cursor, which are recognised and not written again. Being behind is caught up; a complete line is never taken
away, since a line that the database does not have is evidence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from bot.logs import get_logger
from core.audit import AuditEvent
from core.errors import StorageUnavailable
from core.ids import TenantId
from core.ports import ChainHead, Reader, UnitOfWork

log = get_logger(__name__)

BATCH: Final = 500
PAUSE_S: Final = 0.5
RETRY_S: Final = 5.0


class Files(Protocol):
    """The mirror's files, as `storage.mirror.MirrorFiles` keeps them."""

    def write(self, tenant_id: TenantId, cursor: int, events: Sequence[AuditEvent]) -> None:
        """Makes the file hold these events, which follow the cursor, synced and each once. Raises OSError,
        and TypeError or ValueError for an event that no line can tell."""
        ...

    def look_again(self, tenant_id: TenantId) -> None:
        """The cursor may not have moved: the next write does not trust what it remembers of the file."""
        ...


class Mirror:
    """Keeps the mirror up to date from the cursors. One process holds it."""

    def __init__(
        self, files: Files, *, reader: Reader, uow: UnitOfWork, pause_s: float = PAUSE_S, batch: int = BATCH
    ) -> None:
        self._files = files
        self._reader = reader
        self._uow = uow
        self._pause_s = pause_s
        self._batch = batch
        self._woken = asyncio.Event()
        self._alone = asyncio.Lock()

    def wake(self, _key: int = 0) -> None:
        """Something was appended: a listener for the writer's topic "audit"."""
        self._woken.set()

    async def run(self) -> None:
        """Mirrors until it is cancelled: at once what is missing, then after commits, at most every pause.

        A disk or database that is held up is a warning, and tried again.
        """
        while True:
            self._woken.clear()
            try:
                await self.catch_up()
            except (OSError, StorageUnavailable) as error:
                log.warning("the audit mirror waits", error=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            await self._woken.wait()
            await asyncio.sleep(self._pause_s)

    async def catch_up(self) -> int:
        """Writes everything that is committed and not mirrored yet; how many events that were.

        Raises OSError or StorageUnavailable; what was synced before stays and is not written twice.
        """
        async with self._alone:
            heads = await self._reader.read(lambda records: records.audit.heads())
            return sum([await self._catch_up(head) for head in heads])

    async def drain(self) -> None:
        """Before a stop: mirrors what is committed. What cannot be is left for the next start."""
        try:
            await self.catch_up()
        except (OSError, StorageUnavailable) as error:
            log.warning("the audit mirror is behind", error=str(error))

    async def _catch_up(self, head: ChainHead) -> int:
        done = head.mirrored_seq
        while done < head.seq:
            events = await self._read(head.tenant_id, done)
            if not events:
                log.error("the audit chain is shorter than its head", tenant=head.tenant_id, seq=done)
                break
            try:
                await asyncio.to_thread(self._files.write, head.tenant_id, done, events)
            except (TypeError, ValueError):
                log.exception("an altered audit event cannot be mirrored", tenant=head.tenant_id, after=done)
                break
            done = events[-1].seq
            await self._advance(head.tenant_id, done)
        return done - head.mirrored_seq

    async def _read(self, tenant_id: TenantId, after: int) -> Sequence[AuditEvent]:
        return await self._reader.read(
            lambda records: records.audit.after(tenant_id, after, limit=self._batch)
        )

    async def _advance(self, tenant_id: TenantId, seq: int) -> None:
        try:
            await self._uow.run("mirror", lambda records: records.audit.mirrored(tenant_id, seq))
        except BaseException:
            self._files.look_again(tenant_id)
            raise
