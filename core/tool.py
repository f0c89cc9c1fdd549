"""What a tool is: a typed async function with an input model and a declaration.

Tools are called by `core.runner` only. A tool does not know that it was approved, nor who shows its result.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final, Protocol

from msgspec import Struct, field
from pydantic import BaseModel, ConfigDict

from core.digest import Json, canonical, sha256_hex
from core.ids import AccountId, CallId, ConversationId, PersonId, TenantId
from core.lifecycle import Status
from core.live import Partial
from core.model import Channel, Risk, Role
from core.toolstore import ToolRecords, ToolStore

PYTHON: Final = "python"
"""The adapter of tools that run in our own process."""


class Effect(StrEnum):
    """What a tool does to the world."""

    READS = "reads"
    WRITES = "writes"
    SENDS = "sends"
    SPENDS = "spends"
    EXECUTES = "executes"


class SlotKind(StrEnum):
    """What a parser looks for to fill a field."""

    TEXT = "text"
    WORD = "word"
    AMOUNT = "amount"  # a decimal number; becomes a string such as "42.50"
    CURRENCY = "currency"  # ISO 4217, or a sign such as €
    DATE = "date"  # becomes YYYY-MM-DD in the person's zone
    REFERENCE = "reference"  # a record's number or short id: 12, #12, #A7F3Q2


class ToolInput(BaseModel):
    """The base of every tool's input: unknown fields are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


@cache
def _schema(model: type[ToolInput]) -> Json:
    """A model's JSON schema, made once: it takes milliseconds."""
    return json.loads(json.dumps(model.model_json_schema()))


class Slot(Struct, frozen=True, kw_only=True):
    """How a field of the input is found in text, and how it is asked for when it is missing."""

    kind: SlotKind
    question: str = ""
    placeholder: str = ""


class Preview(Struct, frozen=True, kw_only=True):
    """What a card says of a call before it runs. `title` is one plain line in the imperative; `pin`
    binds it to the state of the target that was seen, None where there is nothing to bind; `target`
    names it at the beginning of a sentence ("Task #12")."""

    title: str
    pin: str | None = None
    target: str = ""


class ToolResult(Struct, frozen=True, kw_only=True):
    """What a tool gives back. `error` set means that it failed and says why.

    `text` is plain text for people; `data` is JSON for programs; `references` name things outside
    (a Message-ID, a URL, a path).
    """

    text: str = ""
    data: Json = None
    references: Mapping[str, str] = field(default_factory=dict)
    error: ToolFault | None = None


class ToolFault(Struct, frozen=True, kw_only=True):
    """A tool's structured error. `transient` and `retry_after_s` as of `core.errors.ToolError`."""

    message: str
    error_class: str = "tool_error"
    transient: bool = False
    retry_after_s: float | None = None


class RunResult(Struct, frozen=True, kw_only=True):
    """What became of one attempt, as the runner saw it. Only `status` interrupted is not an end.

    `transient`: another attempt may go better, not before `retry_after_s` where that is given. `healthy` is
    what it says of the adapter: that it works, that it failed, None where it says nothing. `unclear`: it
    failed, and the other side may have done it all the same.
    """

    status: Status
    text: str
    data: Json
    references: Mapping[str, str]
    error: str | None
    error_class: str | None
    duration_ms: int
    transient: bool = False
    retry_after_s: float | None = None
    healthy: bool | None = None
    unclear: bool = False


class Cancellation(Protocol):
    """Tells a tool that it should stop. A tool that looks may end by itself; one that does not is cancelled a
    little later."""

    @property
    def requested(self) -> bool:
        """Whether somebody asked the call to stop."""
        ...

    def on_asked(self, tell: Callable[[], None]) -> None:
        """Calls `tell` once somebody asks; at once where somebody has."""
        ...


Progress = Callable[[float, str], Awaitable[None]]
"""Reports a fraction from 0 to 1 and what is being done. Never fails, may be dropped when too frequent."""
Output = Callable[[str], Awaitable[None]]
"""Streams a line of what the tool's work puts out. Never fails; only the last few are shown."""


async def _unheard(_line: str) -> None:
    """Nobody watches."""


class ToolContext(Struct, frozen=True, kw_only=True):
    """Everything a tool is given besides its arguments."""

    call_id: CallId
    tenant_id: TenantId
    account_id: AccountId
    conversation_id: ConversationId
    channel: Channel
    person_id: PersonId
    person_name: str
    roles: frozenset[Role]
    timezone: str  # IANA name, the requester's
    currency: str  # ISO 4217, the tenant's
    idempotency_key: str
    attempt: int
    now: datetime
    deadline: datetime
    progress: Progress
    cancellation: Cancellation
    store: ToolStore
    pin: str | None = None  # the dry run's that the call was made with
    output: Output = _unheard
    partial: Partial = field(default_factory=Partial)  # what there is so far, kept where it fails


class AssessContext(Struct, frozen=True, kw_only=True):
    """What dynamic risk may look at besides the arguments."""

    currency: str  # the tenant's


class InspectContext(Struct, frozen=True, kw_only=True):
    """What a dry run may look at besides the arguments, inside the transaction that records the call or
    starts it. It changes nothing."""

    records: ToolRecords
    tenant_id: TenantId
    account_id: AccountId


Run = Callable[[Any, ToolContext], Awaitable[ToolResult]]
UndoRun = Callable[[Any, Json, ToolContext], Awaitable[ToolResult]]
"""Takes the original's arguments and its result's data."""


class Undo(Struct, frozen=True, kw_only=True):
    """How a tool takes back what it did. `risk` None means the original's."""

    run: UndoRun
    risk: Risk | None = None
    within_s: int = 600


class Retry(Struct, frozen=True, kw_only=True):
    """How often an idempotent tool is tried after transient failures, and for how long: `attempts` with the
    first one, none that would begin more than `within_s` after it. The waits double from `first_wait_s` up to
    `longest_wait_s`, each with up to `jitter_s` more, so that many calls do not come back at once."""

    attempts: int = 3
    within_s: float = 60.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0
    jitter_s: float = 0.5


class Fallback(Struct, frozen=True, kw_only=True):
    """Another adapter, and how it does the same, for while the tool's own is not available."""

    adapter: str
    run: Run


class Tool(Struct, frozen=True, kw_only=True):
    """One thing that can be done. `examples` and `form` are templates with {field} and {field?} slots:
    examples are whole sentences, `form` is what follows the command. `scope` names the fields whose values
    a grant is bound to, of which `amount` is a ceiling; without one its calls are granted only where it has
    no fields at all."""

    name: str
    title: str
    version: str
    description: str
    input: type[ToolInput]
    risk: Risk
    effects: frozenset[Effect]
    run: Run
    preview: Callable[[Any], Preview]
    idempotent: bool = False
    timeout_s: float = 30.0
    adapter: str = PYTHON
    retry: Retry | None = None
    fallback: Fallback | None = None
    limit: str = ""  # how often it may start, such as "60/minute"
    private: bool = False
    command: str = ""
    form: str = ""
    examples: tuple[str, ...] = ()
    slots: Mapping[str, Slot] = field(default_factory=dict)
    sensitive: frozenset[str] = frozenset()
    scope: tuple[str, ...] = ()
    assess: Callable[[Any, AssessContext], Risk] | None = None  # looks at nothing but what it is given
    undo: Undo | None = None
    inspect: Callable[[Any, InspectContext], Preview] | None = None  # `preview`, with the target looked at

    def risk_of(self, arguments: ToolInput, context: AssessContext) -> Risk:
        """The risk of one call: the declared base, which arguments may only raise."""
        if self.assess is None:
            return self.risk
        assessed = self.assess(arguments, context)
        return max(self.risk, assessed, key=lambda risk: risk.rank)

    @property
    def definition_hash(self) -> str:
        """Changes whenever what a person consented to by this tool's name changed: its schema, risk,
        effects, version or adapters."""
        told: dict[str, Json] = {
            "name": self.name,
            "version": self.version,
            "schema": _schema(self.input),
            "risk": self.risk.value,
            "effects": sorted(effect.value for effect in self.effects),
            "idempotent": self.idempotent,
            "adapter": self.adapter,
        }
        if self.fallback is not None:
            told["fallback"] = self.fallback.adapter
        return sha256_hex(canonical(told))
