"""The durable inbox and the open questions of chats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, update

from core.errors import CorruptRecord
from core.ids import PersonId
from core.json_text import read_json
from core.ports import Dialogue
from storage.schema import dialogues, inbox
from storage.statements import Session, Statement, all_columns, arg, insert_once
from storage.times import from_ms, to_ms

_i = inbox.c
_STORE: Final = insert_once(inbox)
_UNDONE: Final = Statement(
    select(_i.update_id, _i.payload)
    .where(_i.bot_id == arg("bot"), _i.done_at.is_(None))
    .order_by(_i.update_id)
    .limit(arg("most"))
)
_STATE: Final = Statement(select(_i.done_at).where(_i.bot_id == arg("bot"), _i.update_id == arg("number")))
_DONE: Final = Statement(
    update(inbox)
    .where(_i.bot_id == arg("bot"), _i.update_id == arg("number"), _i.done_at.is_(None))
    .values(done_at=arg("now_"), error=arg("failure"))
)

_d = dialogues.c
_DIALOGUE: Final = Statement(select(dialogues).where(_d.chat == arg("chat_"), _d.person_id == arg("person")))
_PUT: Final = Statement(
    lambda insert: (put := insert(dialogues).values(all_columns(dialogues))).on_conflict_do_update(
        index_elements=["chat", "person_id"],
        set_={name: put.excluded[name] for name in ("tenant_id", "kind", "state", "at")},
    )
)
_DROP: Final = Statement(delete(dialogues).where(_d.chat == arg("chat_"), _d.person_id == arg("person")))


class Inbox:
    """Implements `core.ports.Inbox`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def store(self, bot_id: int, updates: Sequence[tuple[int, str]], *, now: datetime) -> None:
        """Keeps (update id, raw JSON) pairs; those kept already are left alone."""
        for update_id, payload in updates:
            self._session.do(
                _STORE,
                bot_id=bot_id,
                update_id=update_id,
                payload=payload,
                received_at=to_ms(now),
                done_at=None,
                error=None,
            )

    def undone(self, bot_id: int, *, limit: int) -> Sequence[tuple[int, str]]:
        """Updates not handled yet, oldest first."""
        return [(row[0], row[1]) for row in self._session.all(_UNDONE, bot=bot_id, most=limit)]

    def is_done(self, bot_id: int, update_id: int) -> bool:
        """Whether this update was handled already."""
        row = self._session.one(_STATE, bot=bot_id, number=update_id)
        return row is not None and row[0] is not None

    def done(self, bot_id: int, update_id: int, *, now: datetime, error: str | None = None) -> bool:
        """Marks an update handled; False where it was handled before."""
        changed = self._session.run(_DONE, bot=bot_id, number=update_id, now_=to_ms(now), failure=error)
        return changed == 1


class Dialogues:
    """Implements `core.ports.Dialogues`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, chat: int, person_id: PersonId) -> Dialogue | None:
        """The open question. Raises CorruptRecord."""
        row = self._session.one(_DIALOGUE, chat_=chat, person=person_id)
        if row is None:
            return None
        try:
            state = read_json(row[4])
        except ValueError:
            state = None
        if not isinstance(state, dict):
            raise CorruptRecord(dialogues.name, f"{chat}:{person_id}", "state")
        return Dialogue(
            chat=row[0], person_id=row[1], tenant_id=row[2], kind=row[3], state=state, at=from_ms(row[5])
        )

    def put(self, dialogue: Dialogue) -> None:
        """Asks; replaces an open question."""
        self._session.do(
            _PUT,
            chat=dialogue.chat,
            person_id=dialogue.person_id,
            tenant_id=dialogue.tenant_id,
            kind=dialogue.kind,
            state=json.dumps(dialogue.state, ensure_ascii=False, separators=(",", ":")),
            at=to_ms(dialogue.at),
        )

    def drop(self, chat: int, person_id: PersonId) -> bool:
        """Closes the open question; False where there is none."""
        return self._session.run(_DROP, chat_=chat, person=person_id) == 1
