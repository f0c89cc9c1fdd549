"""What Prometheus reads: the counters of this process, and gauges from the records as they are when it asks.

The library is loaded with the first scrape, and keeps nothing: each scrape has a registry of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from bot.clock import SystemClock
from bot.machine import Machine
from bot.metrics import EXECUTED, Durations, Metrics
from core.alarms import ASIDE_FOR
from core.lifecycle import Status
from core.model import Backlog, BreakerState
from core.ports import Now, Reader, Records
from core.registry import ToolRegistry

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STATES: Final = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}
_UNKNOWN: Final = float("nan")


class Gauge(Struct, frozen=True):
    """A figure as it is now; with a label, one for each of its values."""

    name: str
    help: str
    values: Mapping[str, float] = field(default_factory=dict)
    label: str = ""


class Exposition:
    """Answers scrapes. `audit` says what is wrong with the audit."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        reader: Reader,
        clock: SystemClock,
        machine: Machine,
        audit: Callable[[], Sequence[str] | None],
        registry: ToolRegistry,
    ) -> None:
        self._metrics = metrics
        self._reader = reader
        self._clock = clock
        self._machine = machine
        self._audit = audit
        self._registry = registry

    async def scrape(self) -> bytes:
        """All metrics as text. Raises StorageUnavailable where the records cannot be read."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - see above

        now = self._clock.both()
        gauges = await self._reader.read(lambda records: list(_gauges(records, now=now)))
        registry = CollectorRegistry(auto_describe=False)
        families = _families(self._metrics, [tool.name for tool in self._registry])
        registry.register(_Collector([*families, *map(_gauge, [*gauges, *self._others()])]))
        return generate_latest(registry)

    def _others(self) -> Iterator[Gauge]:
        disk, problems = self._machine.disk(), self._audit() or ()
        yield _one("countersign_disk_used_percent", "How full the disk is.", disk.used if disk else _UNKNOWN)
        yield _one("countersign_audit_problems", "Places where the audit does not hold.", len(problems))


class _Collector:
    """What the library's registry asks."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All families."""
        return self._families


def _families(metrics: Metrics, tools: Iterable[str]) -> Iterator[Metric]:
    from prometheus_client.core import (  # noqa: PLC0415 - see above
        CounterMetricFamily,
        HistogramMetricFamily,
    )

    executed = CounterMetricFamily("tasks_executed", "Calls executed.", labels=["tool", "status"])
    # From 0 on: what comes into being with 1 is no increase to Prometheus.
    none = {(tool, status.value): 0 for tool in tools for status in EXECUTED}
    for (tool, status), count in sorted((none | metrics.calls.copy()).items()):
        executed.add_metric([tool, status], count)
    yield executed
    took = HistogramMetricFamily("task_duration_seconds", "How long calls took.", labels=["tool"])
    for tool, durations in sorted(metrics.durations.copy().items()):
        took.add_metric([tool], _cumulated(durations), durations.total_s)
    yield took
    waited = HistogramMetricFamily("countersign_signed_after_seconds", "From proposed to started, if signed.")
    waited.add_metric([], _cumulated(metrics.waits), metrics.waits.total_s)
    yield waited
    retried = CounterMetricFamily("retry_attempts", "Attempts after the first.", labels=["tool"])
    for tool, count in sorted(metrics.retries.copy().items()):
        retried.add_metric([tool], count)
    yield retried
    for name, told, count in (
        ("countersign_crashes", "Calls that ended by a fault of the tool.", metrics.crashes),
        ("countersign_not_accepted", "Results that failed their checks.", metrics.acceptances[False]),
        ("countersign_telegram_throttles", "Times that Telegram held us back.", metrics.throttles),
        ("countersign_handler_errors", "Mistakes of ours.", metrics.handler_errors),
    ):
        yield CounterMetricFamily(name, told, value=count)
    for name, told, rate in (
        ("task_success_rate", "Share of executed calls that completed.", metrics.success_rate),
        ("acceptance_test_pass_rate", "Share of results that were accepted.", metrics.pass_rate),
    ):
        yield _gauge(_one(name, told, _UNKNOWN if rate is None else rate))


def _gauges(records: Records, *, now: Now) -> Iterator[Gauge]:
    pulse = records.pulse
    proposed, pending = pulse.waiting(Status.PROPOSED), pulse.waiting(Status.PENDING)
    running, outbox, inbox = pulse.running(), pulse.outbox(), pulse.inbox()
    yield Gauge(
        "countersign_queue_depth",
        "Calls that wait or run.",
        {"proposed": proposed.count, "pending": pending.count, "running": len(running)},
        label="status",
    )
    ran = [(now.wall - each.at).total_seconds() for each in running if not each.waits]
    yield _one("countersign_approval_wait_seconds", "How long the oldest waits.", _age(proposed, now.wall))
    yield _one(
        "countersign_longest_run_seconds", "How long the longest running call has run.", max(ran, default=0.0)
    )
    yield _one("countersign_outbox_depth", "Messages that wait to go out.", outbox.count)
    yield _one("countersign_outbox_lag_seconds", "How long the oldest of them waits.", _age(outbox, now.wall))
    yield _one("countersign_inbox_backlog", "Updates that were not handled yet.", inbox.count)
    yield _one("countersign_database_bytes", "How large the database is.", pulse.size())
    aside = pulse.set_aside(since=now.wall - ASIDE_FOR)
    yield _one("countersign_set_aside", "Records set aside within a day.", aside.count)
    dead = sum(each.count for each in pulse.dead_letters().values())
    yield _one("countersign_dead_letters", "Signals that webhooks did not take.", dead)
    yield _beats(records, now=now)
    states = {each.adapter: float(STATES[each.state]) for each in records.breakers.all()}
    told = "0 closed, 1 half open, 2 open."
    yield Gauge("circuit_breaker_state", told, states, label="adapter")
    live = [each.kind for each in records.alarms.live()]
    yield Gauge("countersign_alarms", "Alarms.", {kind: live.count(kind) for kind in live}, label="alarm")


def _beats(records: Records, *, now: Now) -> Gauge:
    ages = {
        each.name: (now.real - each.beat_at).total_seconds()
        for each in records.workers.all()
        if each.stopped_at is None
    }
    told = "How long ago a worker was heard of."
    return Gauge("countersign_heartbeat_age_seconds", told, ages, label="worker")


def _one(name: str, told: str, value: float) -> Gauge:
    return Gauge(name, told, {"": value})


def _gauge(gauge: Gauge) -> Metric:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - see above

    family = GaugeMetricFamily(gauge.name, gauge.help, labels=[gauge.label] if gauge.label else [])
    for value, figure in gauge.values.items():
        family.add_metric([value] if gauge.label else [], figure)
    return family


def _cumulated(durations: Durations) -> list[tuple[str, float]]:
    """The counts up to each bound, as Prometheus wants them."""
    bounds = [*(str(bound) for bound in durations.bounds), "+Inf"]
    return [(bound, float(sum(durations.counts[: at + 1]))) for at, bound in enumerate(bounds)]


def _age(backlog: Backlog, now: datetime) -> float:
    return 0.0 if backlog.since is None else max(0.0, (now - backlog.since).total_seconds())
