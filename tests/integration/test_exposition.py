"""What Prometheus is given: every metric, its figures, and a rule file that names no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from bot.exposition import Exposition
from bot.machine import Machine
from bot.metrics import Metrics
from core.alarms import RULES, WINDOW, Kind
from core.ids import AlarmId
from core.model import Alarm, Worker
from core.ports import Records
from tests.integration.remote import BUSY, Remote
from tests.kit.clock import FakeClock
from tests.kit.world import World

ROOT = Path(__file__).parents[2]
NAMED = (
    "tasks_executed_total",
    "task_success_rate",
    "task_duration_seconds_bucket",
    "circuit_breaker_state",
    "retry_attempts_total",
    "acceptance_test_pass_rate",
    "countersign_approval_wait_seconds",
    "countersign_queue_depth",
    "countersign_outbox_lag_seconds",
    "countersign_heartbeat_age_seconds",
    "countersign_inbox_backlog",
    "countersign_alarms",
)
Found = Mapping[tuple[str, str], float]


class Clock(FakeClock):
    """A clock as the product's."""

    def both(self) -> Any:
        return self.moment


async def scraped(world: World, metrics: Metrics) -> tuple[Found, str]:
    """Each sample by its name and its labels, read by Prometheus' own parser."""
    clock: Any = Clock(world.clock.now())
    machine = Machine(world.folder)
    asked = Exposition(
        metrics,
        reader=world.db.reader,
        clock=clock,
        machine=machine,
        audit=lambda: ["x"],
        registry=world.registry,
    )
    text = (await asked.scrape()).decode()
    found = {
        (sample.name, ",".join(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return found, text


async def busy(world: World) -> Metrics:
    """One of everything that is counted."""
    metrics = Metrics(clock=world.clock.now)
    signed = await world.propose("high_once")
    world.clock.advance(minutes=2)
    await world.execute(await world.approve(signed))
    for call in (signed, *[await world.done(tool) for tool in ("low_once", "low_once", "fails")]):
        outcome = await world.outcome(call)
        assert outcome is not None
        metrics.call_ended(call, outcome)
    metrics.attempt_retried("low_once")
    metrics.throttled(7)
    metrics.handler_failed()
    metrics.acceptance(passed=True)
    metrics.acceptance(passed=False)
    await world.propose("high_once")
    now = world.clock.now()

    def more(records: Records) -> None:
        records.workers.beat(Worker(name="w1", started_at=now, beat_at=now, running=1))
        records.alarms.put(
            Alarm(
                id=AlarmId("a"),
                tenant_id=None,
                kind="disk_full",
                subject="",
                detail="",
                since=now,
                last_at=now,
                count=1,
                told_at=now,
            )
        )

    await world.unit(more)
    columns = "adapter, state, failures, changed_at, version"
    world.sql(f"INSERT INTO breakers ({columns}) VALUES ('mail', 'open', 5, 1, 1)")
    world.clock.advance(seconds=7)
    return metrics


async def test_every_metric_is_there_with_its_figure(world: World) -> None:
    found, text = await scraped(world, await busy(world))
    names = {name for name, _ in found}
    assert not [name for name in NAMED if name not in names]
    for key, figure in (
        (("tasks_executed_total", "completed,low_once"), 2),
        (("countersign_signed_after_seconds_sum", ""), 120),
        (("countersign_signed_after_seconds_bucket", "300.0"), 1),
        (("countersign_signed_after_seconds_bucket", "60.0"), 0),
        (("tasks_executed_total", "failed,fails"), 1),
        (("task_success_rate", ""), 0.75),
        (("task_duration_seconds_count", "low_once"), 2),
        (("task_duration_seconds_bucket", "+Inf,low_once"), 2),
        (("retry_attempts_total", "low_once"), 1),
        (("acceptance_test_pass_rate", ""), 0.5),
        (("countersign_telegram_throttles_total", ""), 1),
        (("countersign_handler_errors_total", ""), 1),
        (("countersign_queue_depth", "proposed"), 1),
        (("countersign_approval_wait_seconds", ""), 7),
        (("countersign_heartbeat_age_seconds", "w1"), 7),
        (("countersign_alarms", "disk_full"), 1),
        (("circuit_breaker_state", "mail"), 2),
        (("countersign_audit_problems", ""), 1),
    ):
        assert found[key] == figure, key
    assert "acme" not in text, "no team is told of"
    page = (ROOT / "docs" / "watching.md").read_text()
    families = re.findall(r"# TYPE (\S+) (\S+)", text)
    assert not [name for name, _ in families if f"`{name}`" not in page]


async def test_before_the_first_call_rates_are_not_known(sqlite_world: World) -> None:
    found, _ = await scraped(sqlite_world, Metrics())
    assert str(found["task_success_rate", ""]) == str(found["acceptance_test_pass_rate", ""]) == "nan"


async def test_the_first_of_each_outcome_of_each_tool_is_an_increase(sqlite_world: World) -> None:
    """Prometheus takes a counter that comes into being with 1 for one that was never less."""
    found, _ = await scraped(sqlite_world, Metrics())
    counted = {labels: count for (name, labels), count in found.items() if name == "tasks_executed_total"}
    assert counted == {
        ",".join(sorted((status, tool.name))): 0
        for tool in sqlite_world.registry
        for status in ("completed", "failed", "timed_out")
    }


async def test_a_call_that_waits_for_its_next_attempt_runs_for_no_time(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    remote.errors = [BUSY]
    await remote.attempt(await sqlite_world.started(await sqlite_world.propose("send")))
    sqlite_world.clock.advance(minutes=6)
    found, _ = await scraped(sqlite_world, Metrics())
    assert found["countersign_queue_depth", "running"] == 1
    assert found["countersign_longest_run_seconds", ""] == 0


async def test_the_rule_file_has_every_alarm_with_its_threshold_and_names_only_what_is_exposed(
    sqlite_world: World,
) -> None:
    found, text = await scraped(sqlite_world, await busy(sqlite_world))
    told = {name for name, _ in found} | set(re.findall(r"# TYPE (\S+)", text))
    file = yaml.safe_load((ROOT / "ops" / "countersign.rules.yml").read_text())
    rules = [rule for group in file["groups"] for rule in group["rules"]]
    ours = {rule["labels"]["alarm"]: rule for rule in rules if "alarm" in rule["labels"]}
    assert set(ours) == set(Kind)
    for kind, rule in ours.items():
        metric = re.search(r"[a-z]+(?:_[a-z]+)+", re.sub(r"\b(max by|increase|sum|max)\b", "", rule["expr"]))
        assert metric is not None
        assert metric[0] in told, rule
        threshold = re.fullmatch(r".* >= ([\d.]+)", rule["expr"])
        assert threshold is not None, rule
        assert float(threshold[1]) == RULES[Kind(kind)].at_least
        assert rule["annotations"]["summary"] == RULES[Kind(kind)].title
        if "increase" in rule["expr"]:
            assert f"[{int(WINDOW.total_seconds() // 60)}m]" in rule["expr"]


def test_a_start_does_not_load_prometheus() -> None:
    """Nor the policy's conditions' or the limits' libraries: only what is used."""
    code = (
        "import sys, json, bot.bootstrap, bot.http.app;"
        "print(json.dumps([name for name in sys.modules if name.startswith('prometheus')]))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == []


@pytest.mark.parametrize("kind", Kind)
def test_every_alarm_is_explained(kind: Kind) -> None:
    page = (ROOT / "docs" / "watching.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind.value}` |")]
    assert RULES[kind].title in row
