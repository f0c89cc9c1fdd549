"""What a signal and a run's report say, without what must not be shown; docs/webhooks.md says it too."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from core.digest import Json
from core.engine.report import has_ended, report, shown_as
from core.engine.runs import RunView
from core.ids import AccountId, CallId, PersonId, RunId, TenantId
from core.lifecycle import Status
from core.model import Attempt, CallView, OnFailure, Outcome, Run, Signal, SignalKind
from core.registry import ToolRegistry
from core.signals import dedupe_key, signature, told_of_call, told_of_run
from tests.architecture.files import ROOT
from tests.kit.clock import NOON
from tests.kit.records import call
from tests.kit.tools import tool

PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
RUN = RunId("01890a5d-ac96-774b-bcce-b302099a9999")
LATER = NOON + timedelta(seconds=2)


def view(status: Status = Status.COMPLETED, number: int = 57, **changes: Any) -> CallView:
    """A call that was run, as it is stored."""
    made = call(
        id=CallId(f"01890a5d-ac96-774b-bcce-b302099a80{number}"),
        short_id=f"9A80{number}",
        tool="create_expense",
        account_id=AccountId("main:telegram:1001"),
        status=status,
        attempts=1,
        run_id=RUN,
        step=number - 56,
    )
    attempt = Attempt(
        call_id=made.id,
        tenant_id=made.tenant_id,
        account_id=made.account_id,
        number=1,
        worker="w1",
        started_at=NOON,
        lease_until=NOON,
        ended_at=LATER,
        adapter="python",
    )
    good = status is Status.COMPLETED
    outcome = Outcome(
        call_id=made.id,
        tenant_id=made.tenant_id,
        account_id=made.account_id,
        status=status,
        result={"number": 7},
        formatted="Added expense #7: 42.50 EUR for team lunch" if good else "",
        error=None if good else "The ledger is closed for this month.",
        error_class=None if good else "ledger_closed",
        started_at=NOON,
        completed_at=LATER,
        duration_ms=1980,
        attempt_count=1,
        worker="w1",
        references={"expense": "7"} if good else {},
    )
    outcome = replace(outcome, **{k: v for k, v in changes.items() if k != "arguments"})
    made = replace(made, **{k: v for k, v in changes.items() if k == "arguments"})
    return CallView(call=made, approvals=(), attempts=(attempt,), outcome=outcome)


def signal(kind: SignalKind, of: CallView, seq: int = 5) -> Signal:
    made = of.call
    return Signal(
        seq=seq,
        tenant_id=made.tenant_id,
        account_id=made.account_id,
        kind=kind,
        subject=made.id,
        at=LATER,
    )


def a_run(*views: CallView) -> Run:
    return Run(
        id=RUN,
        short_id="9A9999",
        tenant_id=TenantId("acme"),
        account_id=AccountId("main:telegram:1001"),
        conversation_id=views[0].call.conversation_id,
        requester_id=PersonId("ann"),
        title="Month's end",
        steps=len(views),
        needs={2: (1,)},
        on_failure=OnFailure.STOP,
        version=1,
        created_at=NOON,
    )


def examples() -> list[dict[str, Json]]:
    done, failed = view(), view(Status.FAILED, 58)
    ended = replace(signal(SignalKind.EXECUTION_FINISHED, done, 12), subject=RUN)
    return [
        told_of_call(signal(SignalKind.ACTION_EXECUTED, done), done),
        told_of_call(signal(SignalKind.ACTION_FAILED, failed, 9), failed),
        told_of_run(ended, a_run(done, failed), [done, failed]),
    ]


def test_the_page_shows_what_is_really_sent() -> None:
    shown = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert [json.loads(each) for each in shown] == examples()


def test_the_ten_lines_of_the_page_check_a_real_signature() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(source, names)
    body, stamp = b'{"event":"ACTION_EXECUTED"}', int(time.time())

    def checked(body: bytes, at: int, secret: str = "s3cret") -> bool:
        headers = {
            "X-Countersign-Timestamp": str(at),
            "X-Countersign-Signature": "sha256=" + signature("s3cret", timestamp=at, body=b"" + body),
        }
        told: bool = names["is_from_countersign"](secret, headers, body if secret == "s3cret" else b"x")
        return told

    assert checked(body, stamp)
    assert not checked(body, stamp - 600)
    assert not checked(body, stamp, secret="another")
    headers = {"X-Countersign-Timestamp": str(stamp), "X-Countersign-Signature": "sha256=00"}
    assert not names["is_from_countersign"]("s3cret", headers, body)


def test_every_event_is_on_the_page() -> None:
    for kind in SignalKind:
        assert f"`{kind.value}`" in PAGE


def test_a_start_says_nothing_of_the_end_whenever_it_is_told() -> None:
    ended = view()
    running = replace(ended, outcome=None)
    early = told_of_call(replace(signal(SignalKind.TASK_STARTED, ended), at=NOON), running)
    late = told_of_call(signal(SignalKind.TASK_STARTED, ended), ended)
    assert early == late
    assert (late["status"], late["duration_ms"], late["summary"]) == ("running", None, "")


def test_keys_tell_kinds_and_calls_apart() -> None:
    one, two = view(), view(number=58)
    kinds = (SignalKind.ACTION_EXECUTED, SignalKind.TASK_COMPLETED)
    assert len({dedupe_key(signal(kind, each)) for kind in kinds for each in (one, two)}) == 4


@pytest.mark.parametrize("known", [True, False])
def test_what_must_not_be_shown_is_in_no_signal_and_no_report(known: bool) -> None:
    seen = view(
        arguments={"text": "tea", "pin": "7741-hush"},
        formatted="Sent with 7741-hush",
        references={"url": "https://x.example/7741-hush"},
        error="7741-hush was wrong",
    )
    registry = ToolRegistry([tool("create_expense", sensitive=frozenset({"pin"}))] if known else [])
    clean, private = shown_as(seen, registry=registry)
    assert private is not known
    told = told_of_call(signal(SignalKind.ACTION_EXECUTED, seen), seen, clean=clean, private=private)
    whole = report(RunView(record=a_run(seen), views=(seen,)), registry=registry)
    assert "hush" not in json.dumps([told, whole])
    assert ("Sent with [hidden]" in json.dumps(told)) is known


def test_a_private_tool_has_no_summary() -> None:
    seen = view()
    told = told_of_call(signal(SignalKind.ACTION_EXECUTED, seen), seen, private=True)
    assert (told["summary"], told["references"]) == ("", {})


def test_the_report_holds_every_call_with_its_tries_in_order() -> None:
    done, failed = view(), view(Status.FAILED, 58)
    never = replace(view(Status.CANCELLED, 59, started_at=None), attempts=())
    run = RunView(record=a_run(done, failed, never), views=(done, failed, never))
    told: Any = report(run, registry=ToolRegistry([tool("create_expense")]))
    assert has_ended(run)
    assert (told["counts"], told["duration_ms"]) == ({"cancelled": 1, "completed": 1, "failed": 1}, 2000)
    assert [(each["step"], each["status"], len(each["attempts"])) for each in told["calls"]] == [
        (1, "completed", 1),
        (2, "failed", 1),
        (3, "cancelled", 0),
    ]
    assert told["calls"][1]["error"] == "The ledger is closed for this month."
    assert told["calls"][1]["needs"] == [1]
    assert told["calls"][0]["references"] == {"expense": "7"}
