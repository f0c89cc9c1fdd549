"""All the controls, each with the text that is it, the text that is there without it, and who should miss it.

`old` stands exactly once in its file; `make check` holds it to that, so that no control gets lost from the
list unnoticed. The tests are the narrowest that should turn red, so that the whole table takes minutes.
"""

from __future__ import annotations

from typing import Final

from tests.sabotage import (
    calls,
    chat,
    consent,
    executing,
    http,
    keeping,
    pausing,
    people,
    records,
    resilience,
    runs,
    schedules,
    signals,
    teams,
    waiting,
    watching,
)
from tests.sabotage.control import Control

CONTROLS: Final[tuple[Control, ...]] = (
    *calls.ONCE,
    *calls.CONSENT,
    *consent.SIGNATURES,
    *consent.GRANTED,
    *executing.EXECUTING,
    *people.AUTHORITY,
    *people.POLICY,
    *teams.MEMBERS,
    *teams.TEAMS,
    *waiting.EDITED,
    *waiting.TIMED,
    *waiting.SEEN,
    *resilience.RESILIENCE,
    *runs.ORDER,
    *runs.ALL,
    *chat.CHAT,
    *http.HTTP,
    *pausing.HALTED,
    *records.AUDIT,
    *records.OUT,
    *schedules.TIMES,
    *keeping.RESTORED,
    *keeping.ERASED,
    *signals.ONCE,
    *signals.DELIVERED,
    *signals.INSIDE,
    *watching.WATCHING,
)
