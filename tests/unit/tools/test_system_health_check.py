"""What the health check says."""

from __future__ import annotations

from core.registry import validate
from tests.unit.tools.kit import Bench
from tools.system_health_check import HealthItem, HealthReport, system_health_check

GOOD = HealthItem(name="database", ok=True, detail="0.3 ms")
QUIET = HealthItem(name="memory", ok=True, detail="")
BAD = HealthItem(name="disk", ok=False, detail="2 % free")


async def told(bench: Bench, *items: HealthItem) -> tuple[list[str], bool]:
    async def probe() -> HealthReport:
        return HealthReport(items=items)

    result = await bench.run(system_health_check(probe))
    assert [item["name"] for item in result.data["items"]] == [item.name for item in items]
    assert result.error is None
    return result.text.splitlines(), result.data["ok"]


async def test_all_well(bench: Bench) -> None:
    assert await told(bench, GOOD, QUIET) == (
        ["✅ All ok: 2 checks passed", "✅ ok: database, 0.3 ms", "✅ ok: memory"],
        True,
    )


async def test_a_problem_comes_first_in_words(bench: Bench) -> None:
    lines, well = await told(bench, GOOD, BAD)
    assert lines == [
        "⚠️ PROBLEM: 1 of 2 checks failed",
        "✅ ok: database, 0.3 ms",
        "⚠️ PROBLEM: disk, 2 % free",
    ]
    assert not well


async def test_one_check_is_no_plural(bench: Bench) -> None:
    assert (await told(bench, BAD))[0][0] == "⚠️ PROBLEM: 1 of 1 check failed"


async def test_nothing_checked_is_not_well(bench: Bench) -> None:
    assert await told(bench) == (["⚠️ PROBLEM: nothing could be checked"], False)


async def test_the_probe_is_not_called_for_a_preview() -> None:
    async def probe() -> HealthReport:
        raise AssertionError

    tool = system_health_check(probe)
    assert tool.preview(validate(tool, {})).title == "Check the bot's health"
