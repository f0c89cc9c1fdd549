"""The policy file: read at the start, and again whenever it changes, without a restart.

A file that cannot be used changes nothing: the policy of before stays in force, and admins are told why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from bot.logs import get_logger
from core.digest import Json
from core.errors import ConfigError, CorruptRecord, StorageUnavailable
from core.ids import TenantId
from core.model import SYSTEM
from core.policy import DEFAULT_POLICY, Policy, PolicyError, Rule, load_policy
from core.ports import Clock, Records, UnitOfWork
from core.registry import ToolRegistry

log = get_logger(__name__)

LOOK_EVERY_S: Final = 2.0
_Signature = tuple[int, int, int]


class Reloaded(Struct, frozen=True, kw_only=True):
    """A changed file as it was found. `after` None: it cannot be used, and `problem` says why and where."""

    before: Policy
    after: Policy | None
    problem: str = ""

    @property
    def added(self) -> Sequence[str]:
        """The rules that are new, by name."""
        known = {rule.name for rule in self.before.rules}
        return [rule.name for rule in self._now if rule.name not in known]

    @property
    def removed(self) -> Sequence[str]:
        """The rules that are gone."""
        known = {rule.name for rule in self._now}
        return [rule.name for rule in self.before.rules if rule.name not in known]

    @property
    def changed(self) -> Sequence[str]:
        """The rules that say something else than before."""
        earlier = {rule.name: rule for rule in self.before.rules}
        return [rule.name for rule in self._now if earlier.get(rule.name, rule) != rule]

    @property
    def moved(self) -> bool:
        """Whether the rules that stayed stand in another order: the first that matches decides."""
        both = {rule.name for rule in self._now} & {rule.name for rule in self.before.rules}
        return [rule.name for rule in self._now if rule.name in both] != [
            rule.name for rule in self.before.rules if rule.name in both
        ]

    @property
    def _now(self) -> Sequence[Rule]:
        return (self.after or self.before).rules

    def content(self) -> dict[str, Json]:
        """What the audit keeps of it."""
        if self.after is None:
            return {"kept": self.before.version, "problem": self.problem}
        return {
            "before": self.before.version,
            "after": self.after.version,
            "added": list(self.added),
            "removed": list(self.removed),
            "changed": list(self.changed),
            "moved": self.moved,
        }


class PolicyFile:
    """Today's policy. Without a file it is the defaults by risk, for good."""

    def __init__(
        self,
        path: Path | None,
        registry: ToolRegistry,
        *,
        uow: UnitOfWork,
        clock: Clock,
        home: TenantId,
        tell: Callable[[Records, Reloaded], None],
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Reads the file; raises ConfigError where it cannot be used. `tell` queues what admins are told of
        a change, in the transaction that audits it."""
        self._path = path
        self._registry = registry
        self._uow = uow
        self._clock = clock
        self._home = home
        self._tell = tell
        self._every_s = every_s
        self._seen = signature(path)
        self._policy = load_policy_file(path, registry)
        self._in_order = True

    def today(self) -> Policy:
        """The policy in force."""
        return self._policy

    async def watch(self) -> None:
        """Looks at the file until it is cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.look()
            except (StorageUnavailable, CorruptRecord) as error:
                log.warning("the policy file is read again later", error=str(error))

    async def look(self) -> Reloaded | None:
        """Takes over a file that changed; None where it did not, or says what it said before.

        It is in force once that is audited. Raises StorageUnavailable: then the next look tries again.
        """
        seen = signature(self._path)
        if seen == self._seen:
            return None
        found = await asyncio.to_thread(self._read)
        said_before = found.after is not None and found.after.version == self._policy.version
        if not said_before or not self._in_order:
            await self._uow.run("policy", lambda records: self._record(records, found))
        self._seen, self._in_order = seen, found.after is not None
        self._policy = found.after or self._policy
        return None if said_before else found

    def _read(self) -> Reloaded:
        try:
            return Reloaded(before=self._policy, after=load_policy_file(self._path, self._registry))
        except ConfigError as error:
            return Reloaded(before=self._policy, after=None, problem=error.message)

    def _record(self, records: Records, found: Reloaded) -> None:
        records.audit.append(
            "policy.refused" if found.after is None else "policy.reloaded",
            tenant_id=self._home,
            actor=SYSTEM.actor,
            content=found.content(),
            now=self._clock.now(),
        )
        self._tell(records, found)


def load_policy_file(path: Path | None, registry: ToolRegistry) -> Policy:
    """The policy of this file, or the defaults by risk where none is named. Raises ConfigError."""
    if path is None:
        return DEFAULT_POLICY
    try:
        return load_policy(path.read_text(encoding="utf-8"), tools=[tool.name for tool in registry])
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"policy.file = {path} cannot be read: {error}. See config.example.toml.") from None
    except PolicyError as error:
        raise ConfigError(f"{path}: {error.message}") from None


def signature(path: Path | None) -> _Signature | None:
    """What changes whenever the file is written or replaced; None where it is not there."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
