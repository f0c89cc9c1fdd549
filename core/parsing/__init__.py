"""Understanding text, deterministic and offline: what was written becomes ranked candidates.

`understand` never raises and never proposes a guess; see `records` for the confidence it gives and `judge`
for what lowers it.
"""

from core.parsing.answers import fill, question
from core.parsing.reader import understand
from core.parsing.records import Candidate, ParseContext, Reading, Understood
from core.parsing.several import understand_several

__all__ = [
    "Candidate",
    "ParseContext",
    "Reading",
    "Understood",
    "fill",
    "question",
    "understand",
    "understand_several",
]
