"""Controls of what is written down, and of what goes out."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import EXECUTE, OURS, SCHEMA, WRITER, Control

AUDIT: Final = (
    Control(
        name="the audit append",
        file="core/engine/change.py",
        old="    records.audit.append(\n",
        new="    (lambda *_, **__: None)(\n",
        tests=("tests/integration/test_audit_chain.py::test_every_change_of_a_call_has_its_event",),
    ),
    Control(
        name="no audit, no execution",
        file="core/engine/change.py",
        old="    tell(records, after, to.value, by=by, now=now, content=content)\n",
        new="""\
    try:
        tell(records, after, to.value, by=by, now=now, content=content)
    except Exception:
        pass
""",
        tests=(f"{EXECUTE}::test_no_audit_no_execution",),
    ),
    Control(
        name="the chain: each event holds the one before it",
        file="core/audit.py",
        old="        elif event.prev_hash != prev_hash:",
        new="        elif not event.prev_hash:",
        tests=("tests/unit/core/test_audit.py",),
    ),
    Control(
        name="append-only: nothing is edited or deleted",
        file="storage/migrations/versions/0001_first.py",
        old='        for verb in ("UPDATE", "DELETE"):',
        new="        for verb in ():",
        tests=(
            "tests/integration/test_audit_chain.py::test_the_audit_is_append_only_by_triggers",
            f"{SCHEMA}::test_outcomes_are_append_only",
        ),
    ),
    Control(
        name="append-only: nothing is replaced",
        file="storage/migrations/versions/0001_first.py",
        old="            op.execute(_SQLITE_NO_REPLACE.format(table=table, same=_KEYS[table]))",
        new="            pass",
        tests=(f"{SCHEMA}::test_no_replace_gets_past_the_append_only_triggers",),
    ),
    Control(
        name="a unit that fails is undone alone",
        file="storage/writer.py",
        old="        session.undo()\n",
        new="",
        tests=(f"{WRITER}::test_a_failing_unit_is_undone_alone_and_the_chain_is_unharmed",),
    ),
    Control(
        name="a caller is answered after the commit",
        file="storage/writer.py",
        old="""\
            for unit in batch:
                self._boundary(f"{unit.name}.before_commit")""",
        new="""\
            _answer(batch)
            answered, batch = batch, []
            for unit in answered:
                self._boundary(f"{unit.name}.before_commit")""",
        tests=(f"{OURS}::test_a_caller_waits_for_the_commit",),
    ),
)

OUT: Final = (
    Control(
        name="the outbox's order in a chat",
        file="storage/records/going_out.py",
        old="_o.done_at.is_(None)).order_by(_o.id).limit(1)",
        new="_o.done_at.is_(None)).order_by(_o.id.desc()).limit(1)",
        tests=("tests/integration/test_storage_traffic.py::test_messages_of_a_chat_go_out_in_order",),
    ),
    Control(
        name="a chat that must wait waits alone",
        file="bot/telegram/relay.py",
        old="            due = (job.row.not_before - self._clock.real()).total_seconds()",
        new="            due = 0.0",
        tests=("tests/e2e/test_controls.py::test_a_chat_that_was_told_to_wait_waits_whatever_comes_for_it",),
    ),
    Control(
        name="secrets are taken out of logs",
        file="core/redaction.py",
        old="            text = self._pattern.sub(MASK, text)\n",
        new="            pass\n",
        tests=("tests/unit/test_logs.py",),
    ),
)
