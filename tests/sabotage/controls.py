"""All the controls, each with the text that is it, the text that is there without it, and who should miss it.

`old` stands exactly once in its file; `make check` holds it to that, so that no control gets lost from the
list unnoticed. The tests are the narrowest that should turn red, so that the whole table takes minutes.
"""

from __future__ import annotations

from typing import Final

from tests.sabotage import calls, people, records
from tests.sabotage.control import Control

CONTROLS: Final[tuple[Control, ...]] = (
    *calls.ONCE,
    *calls.CONSENT,
    *people.AUTHORITY,
    *people.POLICY,
    *records.AUDIT,
    *records.OUT,
)
