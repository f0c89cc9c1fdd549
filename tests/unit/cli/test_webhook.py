"""`countersign webhook`: added with a secret that is shown once, listed, replayed, removed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.cli import countersign, refused, told

URL = "https://hooks.example.com/countersign"


def add(*more: str, url: str = URL) -> Any:
    return told("webhook", "add", url, *more)


def test_the_secret_is_shown_once() -> None:
    made = add()
    assert len(made["secret"]) > 40
    (listed,) = told("webhook", "list")
    assert (listed["webhook"], listed["url"], listed["state"]) == (made["webhook"], URL, "delivers")
    assert listed["kinds"] == ["ACTION_EXECUTED", "ACTION_FAILED", "EXECUTION_FINISHED"]
    assert made["secret"] not in countersign("webhook", "list").stdout
    assert add()["secret"] != made["secret"]
    assert "not shown again" in countersign("webhook", "add", URL).stdout


def test_it_is_told_what_it_asks_for() -> None:
    assert add("--kinds", "task_started, ACTION_FAILED")["kinds"] == ["ACTION_FAILED", "TASK_STARTED"]
    assert len(add("--kinds", "all")["kinds"]) == 6
    assert "ACTION_EXECUTED" in countersign("webhook", "add", URL, "--kinds", "nonsense", ends=2).stderr


@pytest.mark.parametrize("url", ["http://example.com/", "https://10.0.0.1/", "http://127.0.0.1:9000/"])
def test_an_address_inside_is_refused(url: str) -> None:
    assert "url" in refused("webhook", "add", url)
    assert told("webhook", "list") == []


def test_the_settings_may_allow_it_and_then_it_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_WEBHOOKS__ALLOW_PRIVATE", "true")
    result = countersign("webhook", "add", "http://127.0.0.1:9000/")
    assert "Nothing is encrypted" in result.stderr


def test_it_is_removed_and_replayed_by_its_short_id() -> None:
    made = add()
    assert told("webhook", "replay", made["webhook"].lower()) == {"webhook": made["webhook"], "letters": 0}
    assert "are sent again" in countersign("webhook", "replay", made["webhook_id"]).stdout
    assert told("webhook", "dead") == []
    assert "None" in countersign("webhook", "dead").stdout
    assert "is removed" in countersign("webhook", "remove", made["webhook"]).stdout
    assert "no webhook" in refused("webhook", "remove", made["webhook"])
    assert "None yet" in countersign("webhook", "list").stdout
