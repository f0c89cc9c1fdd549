"""What the engine needs to be kept in order: switches, breakers, limits, schedules, alarms, signals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the tables and columns; what is stored stays as it is."""
    _attempts()
    _halting()
    _schedules()
    _watching()
    _signals()
    _erasing()


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(
        name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def _attempts() -> None:
    for column in ("adapter", "error", "error_class", "stop_by"):
        op.add_column("attempts", sa.Column(column, sa.Text(), nullable=True))
    op.add_column("attempts", sa.Column("not_before", sa.BigInteger(), nullable=True))
    op.add_column("attempts", sa.Column("unclear", sa.Boolean(), nullable=True))


def _halting() -> None:
    op.create_table(
        "switches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=True),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.CheckConstraint("target IN ('adapter', 'everything', 'tool')", name=op.f("ck_switches_target")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switches")),
    )
    _partial("uq_switches_live", "switches", ["tenant_id", "target", "name"], "ended_at IS NULL", unique=True)
    op.create_table(
        "breakers",
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.Column("probe", sa.Text(), nullable=True),
        sa.Column("probe_until", sa.BigInteger(), nullable=True),
        sa.Column("safe_since", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('closed', 'half_open', 'open')", name=op.f("ck_breakers_state")),
        sa.PrimaryKeyConstraint("adapter", name=op.f("pk_breakers")),
    )
    op.create_table(
        "rate_hits",
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_rate_hits_bucket", "rate_hits", ["bucket", "at"])


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("short_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("requester_id", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("missed", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("last_call", sa.Text(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("missed IN ('once', 'skip')", name=op.f("ck_schedules_missed")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_schedules_account_id")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_schedules_conversation_id")
        ),
        sa.ForeignKeyConstraint(["requester_id"], ["people.id"], name=op.f("fk_schedules_requester_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_schedules_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("tenant_id", "short_id", name=op.f("uq_schedules_tenant_id_short_id")),
    )
    _partial(
        "ix_schedules_due",
        "schedules",
        ["next_at"],
        "next_at IS NOT NULL AND paused_at IS NULL AND ended_at IS NULL",
    )
    op.create_index("ix_schedules_tenant_id", "schedules", ["tenant_id", "id"])
    op.create_table(
        "schedule_times",
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name=op.f("fk_schedule_times_schedule_id")
        ),
        sa.PrimaryKeyConstraint("schedule_id", "at", name=op.f("pk_schedule_times")),
        sa.UniqueConstraint("call_id", name=op.f("uq_schedule_times_call_id")),
    )


def _watching() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("cleared_at", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.Column("seen_by", sa.Text(), nullable=True),
        sa.Column("escalated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    _partial("ix_outcomes_bad", "outcomes", ["completed_at"], "status IN ('failed','timed_out')")
    _partial("uq_alarms_live", "alarms", ["tenant_id", "kind", "subject"], "cleared_at IS NULL", unique=True)
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )


def _signals() -> None:
    op.create_table(
        "signals",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('ACTION_EXECUTED', 'ACTION_FAILED', 'EXECUTION_FINISHED', 'TASK_COMPLETED', 'TASK_FAILED', 'TASK_STARTED')",
            name=op.f("ck_signals_kind"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_signals")),
        sa.UniqueConstraint("subject", "kind", name=op.f("uq_signals_subject_kind")),
    )
    _partial("ix_signals_finished", "signals", ["seq"], "kind = 'EXECUTION_FINISHED'")
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhooks_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_tenant_id", "webhooks", ["tenant_id", "id"])
    op.create_table(
        "dead_letters",
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("replayed_at", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_dead_letters_webhook_id")),
        sa.PrimaryKeyConstraint("webhook_id", "seq", name=op.f("pk_dead_letters")),
    )


# What may be done to rows that are append-only: a person's content is taken out, and all else stays. The chain
# covers a hash of the content; an outcome keeps what became of the call.
_ERASED = {
    "audit_events": (
        r"""NEW.content = '{"erased"\:true}' AND NEW.salt = '' AND OLD.kind <> 'content.erased'""",
        ("tenant_id", "seq", "account_id", "at", "kind", "actor", "call_id"),
        ("content_hash", "prev_hash", "hash"),
    ),
    "outcomes": (
        "NEW.result = 'null' AND NEW.formatted = '' AND NEW.external_refs = '{}'"
        " AND (NEW.error = 'Erased.' OR (NEW.error IS NULL AND OLD.error IS NULL))",
        ("call_id", "tenant_id", "account_id", "status", "error_class", "started_at", "completed_at"),
        ("duration_ms", "attempt_count", "worker", "marked_by"),
    ),
}


def _erasing() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    same = "IS" if on_sqlite else "IS NOT DISTINCT FROM"
    for table, (erased, *kept) in _ERASED.items():
        stays = " AND ".join(f"NEW.{column} {same} OLD.{column}" for columns in kept for column in columns)
        allowed = f"{erased} AND {stays}"
        if on_sqlite:
            op.execute(f"DROP TRIGGER IF EXISTS {table}_no_UPDATE")
            op.execute(
                f"CREATE TRIGGER {table}_no_UPDATE BEFORE UPDATE ON {table} WHEN NOT ({allowed})"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        else:
            op.execute(f"DROP TRIGGER IF EXISTS {table}_no_update ON {table}")
            op.execute(
                f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW"
                f" WHEN (NOT ({allowed})) EXECUTE FUNCTION append_only()"
            )
