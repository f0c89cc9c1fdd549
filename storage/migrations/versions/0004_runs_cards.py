"""An index by which the cards of a run are found: looking for them read all cards there ever were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
_ONLY = sa.text("run_id IS NOT NULL")


def upgrade() -> None:
    """Adds the index; what is stored stays as it is."""
    op.create_index("ix_cards_run", "cards", ["run_id"], sqlite_where=_ONLY, postgresql_where=_ONLY)
