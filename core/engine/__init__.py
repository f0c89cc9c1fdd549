"""The verbs: each a plain function over `Records`, run inside one unit of work, one verb a file.

A verb that meets a Refusal records it in the audit and gives it back as `Refused`; it never half-acts.
"""

from core.engine.answers import Decided, Edited, Marked, Proposed, Refused
from core.engine.cancel import cancel
from core.engine.decide import decide
from core.engine.edit import edit
from core.engine.env import Env, Limits
from core.engine.execute import finish, start
from core.engine.expire import expire, extend
from core.engine.propose import Proposal, ask_again, propose
from core.engine.recover import mark, recover
from core.engine.remind import remind
from core.engine.routing import reroute
from core.engine.undo import undo
from core.model import Started

__all__ = [
    "Decided",
    "Edited",
    "Env",
    "Limits",
    "Marked",
    "Proposal",
    "Proposed",
    "Refused",
    "Started",
    "ask_again",
    "cancel",
    "decide",
    "edit",
    "expire",
    "extend",
    "finish",
    "mark",
    "propose",
    "recover",
    "remind",
    "reroute",
    "start",
    "undo",
]
