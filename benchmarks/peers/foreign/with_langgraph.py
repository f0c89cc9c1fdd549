"""LangGraph with its SQLite saver: a graph that interrupts before its tool, resumed with an approval.

In its favour: of both savers SqliteSaver (AsyncSqliteSaver reached three quarters of it, also 64 at once),
and of the three durabilities two are measured. "exit", the fastest, has one node that interrupts and then
has its effect: durable are propose (the checkpoint at the interrupt) and complete (the one at the end).
"sync" has a node for the approval, so that this too has its checkpoint before the tool runs. In neither is
it durable that the tool starts.
"""
# mypy: ignore-errors

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from rounds import in_threads, serve

EFFECTS: list[str] = []


class Call(TypedDict, total=False):
    key: str
    approved: bool
    result: str


def approve(call: Call) -> Call:
    """A node of its own: its checkpoint holds the approval."""
    return {"approved": interrupt(call["key"])}


def run_tool(call: Call) -> Call:
    """Has its effect once it was approved, in the node before or in this one."""
    if call.get("approved") or interrupt(call["key"]):
        EFFECTS.append(call["key"])
    return {"result": "done"}


def build(saver: SqliteSaver, durability: str):
    """The smallest graph that asks, and keeps what the durability is there to keep."""
    builder = StateGraph(Call)
    builder.add_node("tool", run_tool)
    builder.add_edge("tool", END)
    if durability == "sync":
        builder.add_node("approve", approve)
        builder.add_edge(START, "approve")
        builder.add_edge("approve", "tool")
    else:
        builder.add_edge(START, "tool")
    return builder.compile(checkpointer=saver)


def main() -> None:
    path, durability = Path(sys.argv[1]) / "langgraph.sqlite3", sys.argv[2]
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    graph = build(SqliteSaver(connection), durability)

    def lifecycle(key: str) -> None:
        config = {"configurable": {"thread_id": key}}
        if "__interrupt__" not in graph.invoke({"key": key}, config, durability=durability):
            raise SystemExit("the graph did not ask")
        graph.invoke(Command(resume=True), config, durability=durability)

    def completed() -> int:
        with closing(sqlite3.connect(path)) as own:
            saver = SqliteSaver(own)
            threads = own.execute("SELECT DISTINCT thread_id FROM checkpoints").fetchall()
            configs = [{"configurable": {"thread_id": thread}} for (thread,) in threads]
            states = [saver.get_tuple(config).checkpoint["channel_values"] for config in configs]
        return sum(state.get("result") == "done" for state in states)

    alone, at_once = in_threads(lifecycle)
    serve(alone, at_once, effects=EFFECTS, completed=completed)


if __name__ == "__main__":
    main()
