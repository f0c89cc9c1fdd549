"""print_label: one durable line for each run, and a true end however it is stopped."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest

from core.errors import ToolError
from core.model import Risk
from core.registry import validate
from core.tool import Effect
from tests.unit.tools.kit import NOW, Bench, Stop, Told
from tools.print_label import print_label


async def test_a_label_is_one_line_of_the_file(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    progress = Told()
    tool = print_label(file, step_s=0)
    result = await bench.at(progress=progress).run(tool, "c1", text="Käse 🧀")
    await bench.run(tool, "c2", text="Box 7")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert lines == [
        {"call_id": "c1", "text": "Käse 🧀", "at": NOW.isoformat()},
        {"call_id": "c2", "text": "Box 7", "at": NOW.isoformat()},
    ]
    assert result.text == "Printed a label: Käse 🧀"
    assert result.references == {"label_file": str(file)}
    assert [fraction for fraction, _ in progress.steps] == [step / 10 for step in range(11)]


@pytest.mark.parametrize("after", [0, 5, 9, 10])
async def test_a_stop_before_the_end_prints_nothing(bench: Bench, tmp_path: Path, after: int) -> None:
    file = tmp_path / "labels.jsonl"
    run = bench.at(cancellation=Stop(after)).run(print_label(file, step_s=0), text="Box 7")
    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(run)
    assert not file.exists()


async def test_a_cancelled_run_prints_nothing(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    run = asyncio.ensure_future(bench.run(print_label(file, step_s=60), text="Box 7"))
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not file.exists()


async def test_a_cancellation_that_comes_too_late_gets_the_truth(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "labels.jsonl"
    writing, go_on = threading.Event(), threading.Event()

    def slow_fsync(_: int) -> None:
        writing.set()
        go_on.wait(10)

    monkeypatch.setattr(os, "fsync", slow_fsync)
    run = asyncio.ensure_future(bench.run(print_label(file, step_s=0), text="Box 7"))
    await asyncio.to_thread(writing.wait, 10)
    for _ in range(3):
        run.cancel()
        await asyncio.sleep(0.01)
    assert not run.done()
    go_on.set()
    assert (await run).text == "Printed a label: Box 7"
    assert file.read_text().count("\n") == 1


async def test_a_file_that_cannot_be_opened_is_a_clear_failure(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        await bench.run(print_label(tmp_path / "no" / "labels", step_s=0), text="Box 7")
    assert caught.value.message == "The label printer cannot be reached: No such file or directory"
    assert not caught.value.unclear


async def test_a_failure_in_the_middle_is_unclear(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ToolError) as caught:
        await bench.run(print_label(tmp_path / "labels", step_s=0), text="Box 7")
    assert caught.value.unclear
    assert "look whether a label came out: No space left on device" in caught.value.message


def test_its_declaration() -> None:
    tool = print_label(Path("labels"))
    assert (tool.risk, tool.idempotent, tool.timeout_s, tool.undo) == (Risk.HIGH, False, 30.0, None)
    assert tool.effects == {Effect.EXECUTES}
    assert tool.command == ""
    assert tool.preview(validate(tool, {"text": "Box 7"})).title == "Print a label: Box 7"
