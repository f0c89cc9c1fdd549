"""T35: what must stay secret stands in no log, audit, mirror or message, at DEBUG, whatever goes wrong."""

from __future__ import annotations

import logging
from pathlib import Path

import structlog

from bot import logs
from bot.run import DEMO_TOKEN
from core.model import Risk
from core.redaction import Redactor
from core.tool import Effect, Preview, Tool, ToolContext, ToolInput, ToolResult
from tests.e2e.phone import running_demo

COUNT = 20
TOKEN = DEMO_TOKEN.partition(":")[2]


class LeakInput(ToolInput):
    which: int


def leaky(canaries: list[str]) -> Tool:
    """A tool that does all it can to let its secrets out: it logs them and raises them."""

    async def run(arguments: LeakInput, context: ToolContext) -> ToolResult:
        secret = canaries[arguments.which]
        structlog.get_logger("leaky").info("about to fail", url=f"https://x/bot{secret}/y", header=secret)
        logging.getLogger("leaky.stdlib").error("with %s", secret, exc_info=ValueError(secret))
        if arguments.which % 2:
            raise RuntimeError(f"401 for https://api/bot{DEMO_TOKEN}/getMe")
        return ToolResult(text="done")

    return Tool(
        name="leaky",
        title="Leak",
        version="1",
        description="Leaks.",
        input=LeakInput,
        risk=Risk.LOW,
        effects=frozenset({Effect.READS}),
        run=run,
        preview=lambda arguments: Preview(title=f"Leak {arguments.which}"),
    )


async def test_t35_canaries_are_nowhere(tmp_path: Path) -> None:
    canaries = [f"{7_200_000_000 + number}:canary-{number:04d}-abcdefghijklmnop" for number in range(COUNT)]
    redactor = Redactor()
    for secret in (DEMO_TOKEN, *canaries):
        redactor.register(secret)
    data, log = tmp_path / "data", tmp_path / "debug.log"
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    folder = tmp_path / "logs"
    logs.configure(redactor=redactor, level="debug", form="json", file=log, folder=folder)
    try:
        async with running_demo(data, extra=[leaky(canaries)]) as (phones, product):
            await phones.post("faults", method="sendMessage", status=502, times=2)
            await phones.post("faults", method="getUpdates", drop=True, times=1)
            for number in range(COUNT):
                await phones.say("member", f"leaky which={number}")
            await phones.see("member", lambda m: "Leak 19" in m["text"] or "#" in m["text"])
            await phones.see("member", "done", times=COUNT // 2)
            shown = "\n".join(message["text"] for message in await phones.messages("member"))
            await product.mirror.drain()
            events = await product.db.reader.read(lambda r: r.audit.after(product.home, 0, limit=10_000))
            await product.watching.look()
            metrics = (await product.watching.scrape()).decode()
            alarms = await product.db.reader.read(lambda r: r.alarms.last(limit=100))
    finally:
        for ours in [handler for handler in logging.getLogger().handlers if handler not in handlers]:
            ours.close()
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
    told = {
        "log": log.read_text(),
        "audit": "\n".join(event.content for event in events),
        "mirror": "\n".join(path.read_text() for path in (data / "audit").glob("*.jsonl")),
        "chat": shown,
        "metrics": metrics,
        "alarms": "\n".join(str(alarm) for alarm in alarms),
        "logs of calls": "\n".join(path.read_text() for path in (folder / "calls").iterdir()),
    }
    told |= {path.name: path.read_text() for path in folder.glob("*.jsonl") if path.stem != "resilience"}
    assert "about to fail" in told["log"], "the log is really written"
    for place, text in told.items():
        assert text
        leaked = [secret for secret in canaries if secret.partition(":")[2] in text]
        assert not leaked, place
        assert TOKEN not in text, place
    sizes = ", ".join(f"{len(text):,} characters of {place}" for place, text in told.items())
    print(f"T35: {len(canaries)}/{COUNT} canaries, 0 leaked in {sizes}")
