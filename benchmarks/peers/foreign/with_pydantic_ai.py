"""pydantic-ai: a tool that requires approval, deferred, and run again with the approval and the history.

In its favour: its history is serialised by its own adapter and saved by one plain sqlite3 connection (no
thread, no lock), once when it asks and once at the end; the model is a function that answers at once.
Durable so: propose and complete; neither the approval nor the start of the tool is written down by it. WAL,
synchronous=FULL.
"""
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
from pydantic_ai.messages import (
    ModelMessagesTypeAdapter,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import FunctionModel
from rounds import in_loop, serve
from steps import Steps

EFFECTS: list[str] = []


async def answer(messages, info):
    """Calls the tool with what the user wrote; with its result there, says so."""
    last = messages[-1].parts[-1]
    if isinstance(last, ToolReturnPart):
        return ModelResponse(parts=[TextPart("done")])
    return ModelResponse(parts=[ToolCallPart("effect", {"key": last.content}, tool_call_id=last.content)])


agent = Agent(FunctionModel(answer), output_type=[str, DeferredToolRequests])


@agent.tool_plain(requires_approval=True)
async def effect(key: str) -> str:
    """The tool."""
    EFFECTS.append(key)
    return "done"


def main() -> None:
    steps = Steps(Path(sys.argv[1]) / "pydantic_ai.sqlite3")

    async def lifecycle(key: str) -> None:
        asked = await agent.run(key)
        steps.save(key, "propose", asked.all_messages_json())
        history = ModelMessagesTypeAdapter.validate_json(steps.body(key))
        approved = DeferredToolResults(approvals={call.tool_call_id: True for call in asked.output.approvals})
        done = await agent.run(message_history=history, deferred_tool_results=approved)
        steps.save(key, "complete" if done.output == "done" else "failed", done.all_messages_json())

    with asyncio.Runner() as runner:
        alone, at_once = in_loop(runner, lifecycle)
        serve(alone, at_once, effects=EFFECTS, completed=steps.completed)


if __name__ == "__main__":
    main()
