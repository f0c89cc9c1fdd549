"""OpenAI Agents SDK: a tool that needs approval; its RunState is serialised, saved, read, approved, resumed.

In its favour: no tracing, a model of our own that answers at once, and its state saved by one plain sqlite3
connection (no thread, no lock), once when it asks and once at the end. Durable so: propose and complete;
neither the approval nor the start of the tool is written down by it. WAL, synchronous=FULL.
"""
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from agents import Agent, Model, ModelResponse, Runner, RunState, Usage, function_tool, set_tracing_disabled
from agents.testing import assistant_message, function_call
from rounds import in_loop, serve
from steps import Steps

EFFECTS: list[str] = []


class Stub(Model):
    """Calls the tool with what the user wrote; with its result there, says so."""

    async def get_response(self, system_instructions, input, *args, **kwargs):  # noqa: A002 (the SDK's name)
        last = input[-1]
        if last.get("type") == "function_call_output":
            output = assistant_message("done")
        else:
            key = last["content"]
            output = function_call("effect", {"key": key}, call_id=key)
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *args, **kwargs):
        raise LookupError("nothing is streamed here")


@function_tool(needs_approval=True)
async def effect(key: str) -> str:
    """The tool."""
    EFFECTS.append(key)
    return "done"


def main() -> None:
    set_tracing_disabled(True)
    steps = Steps(Path(sys.argv[1]) / "openai_agents.sqlite3")
    agent = Agent(name="clerk", model=Stub(), tools=[effect])

    async def lifecycle(key: str) -> None:
        asked = await Runner.run(agent, key)
        steps.save(key, "propose", asked.to_state().to_string())
        state = await RunState.from_string(agent, steps.body(key))
        for call in state.get_interruptions():
            state.approve(call)
        done = await Runner.run(agent, state)
        step = "complete" if done.final_output == "done" else "failed"
        steps.save(key, step, json.dumps(done.to_input_list()))

    with asyncio.Runner() as runner:
        alone, at_once = in_loop(runner, lifecycle)
        serve(alone, at_once, effects=EFFECTS, completed=steps.completed)


if __name__ == "__main__":
    main()
