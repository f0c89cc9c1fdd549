"""What is counted while the bot runs. Counting is adding to a number; what reads the numbers is elsewhere
(`bot.exposition`, `bot.workers.alarms`), and a library is loaded only there."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.logs import get_logger
from core.alarms import is_crash
from core.lifecycle import Status
from core.model import BreakerState, Outcome, PolicyDecision, ToolCall

resilience = get_logger("resilience")

BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the durations that are told apart."""
WAITS_S: Final = (10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""The same for how long people take to sign."""
EXECUTED: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.TIMED_OUT})
_KEPT_FOR: Final = timedelta(minutes=5)
_MOST_KEPT: Final = 1_000


class Recent:
    """When something happened in the last five minutes: as many times as are worth knowing of."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._times: deque[datetime] = deque(maxlen=_MOST_KEPT)

    def add(self) -> None:
        """It happened now."""
        self._times.append(self._clock())

    def seen(self) -> tuple[int, datetime | None]:
        """How often it happened lately, and when the first of those times was."""
        since = self._clock() - _KEPT_FOR
        times = [at for at in list(self._times) if at > since]
        return len(times), times[0] if times else None


class Durations:
    """How long something took, counted by upper bounds."""

    def __init__(self, bounds: Sequence[float] = BUCKETS_S) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Counts one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total_s += seconds


def _utc() -> datetime:
    return datetime.now(UTC)


class Metrics:
    """The counters of this process since its start. Hooks may be called from any thread, and never fail."""

    def __init__(self, *, clock: Callable[[], datetime] = _utc) -> None:
        self._lock = threading.Lock()
        self.calls: Counter[tuple[str, str]] = Counter()  # (tool, status)
        self.durations: dict[str, Durations] = {}
        self.waits = Durations(WAITS_S)
        self.retries: Counter[str] = Counter()
        self.acceptances: Counter[bool] = Counter()
        self.crashes = 0
        self.throttles = 0
        self.handler_errors = 0
        self.throttled_lately = Recent(clock)
        self.handler_errors_lately = Recent(clock)
        self.not_accepted_lately = Recent(clock)

    def call_ended(self, call: ToolCall, outcome: Outcome) -> None:
        """A call was executed, and this came of it."""
        with self._lock:
            self.calls[call.tool, outcome.status.value] += 1
            self.crashes += is_crash(outcome.error_class)
            if call.tool not in self.durations:
                self.durations[call.tool] = Durations()
            self.durations[call.tool].add(outcome.duration_ms / 1000)
            if call.verdict.decision is PolicyDecision.REQUIRES_APPROVAL and outcome.started_at is not None:
                self.waits.add((outcome.started_at - call.created_at).total_seconds())

    def attempt_retried(self, tool: str) -> None:
        """A call of this tool is tried once more."""
        with self._lock:
            self.retries[tool] += 1

    def breaker_changed(self, adapter: str, state: BreakerState) -> None:
        """An adapter's breaker goes into this state. What it is now stands in the records; this is logged."""
        resilience.info("a breaker changes", adapter=adapter, state=state.value)

    def throttled(self, chat: int) -> None:
        """Telegram told us to wait before we write to this chat."""
        del chat  # it is people's business, not the metrics'
        with self._lock:
            self.throttles += 1
        self.throttled_lately.add()

    def handler_failed(self) -> None:
        """An update, a request or a call met with a mistake of ours."""
        with self._lock:
            self.handler_errors += 1
        self.handler_errors_lately.add()

    def acceptance(self, passed: bool) -> None:
        """A call's acceptance checks passed, or did not."""
        with self._lock:
            self.acceptances[passed] += 1
        if not passed:
            self.not_accepted_lately.add()

    @property
    def success_rate(self) -> float | None:
        """The share of executed calls that completed; None before the first."""
        executed = {key: count for key, count in self.calls.copy().items() if Status(key[1]) in EXECUTED}
        total = sum(executed.values())
        good = sum(count for (_, status), count in executed.items() if status == Status.COMPLETED)
        return good / total if total else None

    @property
    def pass_rate(self) -> float | None:
        """The share of acceptance checks that passed; None before the first."""
        passed, failed = self.acceptances[True], self.acceptances[False]
        return passed / (passed + failed) if passed + failed else None
