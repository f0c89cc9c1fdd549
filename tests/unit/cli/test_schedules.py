"""`countersign schedules`: the list beside a running bot, and the three verbs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from bot.cli import records as opened
from bot.cli.people import place_of, speaking
from bot.config import load
from core.engine.schedules import Scheduled, Wanted, add
from core.ids import TenantId
from core.ports import Now, Records
from tests.kit.cli import add as add_member
from tests.kit.cli import countersign, refused, told


def made(rule: str) -> str:
    """A schedule of Ann's, made as in chat; its short id."""
    settings = load(None, environ={}, data=Path("data"))
    env, now = opened.env_of(settings), Now(wall=opened.now(), real=datetime.now(UTC))

    def work(records: Records) -> str:
        (ann,) = records.people.members(TenantId("main"))
        place = place_of(records, ann, new_id=opened.new_id, now=now.wall)
        wanted = Wanted(
            tool="list_tasks", arguments={}, conversation=place, rule=rule, timezone="Europe/Berlin"
        )
        answer = add(records, wanted, by=speaking(ann), now=now, env=env)
        assert isinstance(answer, Scheduled)
        return answer.schedule.short_id

    return opened.work(settings, "test", work)


def test_they_are_listed_held_and_ended() -> None:
    add_member(1, "Ann", "admin")
    assert "Nothing is scheduled" in countersign("schedules", "list").stdout
    named = made("cron 0 9 * * mon")
    (row,) = told("schedules", "list")
    assert (row["id"], row["when"], row["by"], row["state"]) == (
        named,
        "every Monday at 09:00",
        "Ann",
        "live",
    )
    assert "T09:00" in row["next"]
    assert "every Monday" in countersign("schedules", "list").stdout
    assert told("schedules", "pause", named)["state"] == "paused"
    assert told("schedules", "resume", f"#{named.lower()}")["state"] == "live"
    assert "has ended" in countersign("schedules", "delete", named).stdout
    assert told("schedules", "list") == []
    assert "No schedule has the id" in refused("schedules", "pause", "ZZZZZZ")
