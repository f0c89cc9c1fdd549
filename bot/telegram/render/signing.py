"""What surrounds a signature on a card: what was changed before it, who may give it, who has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from bot.telegram.render.arguments import HIDDEN
from bot.telegram.render.parts import Scene, dotted, lines, person, said, votes
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment
from core.approvals import who_may_sign
from core.digest import Json
from core.model import Approval, Edit, Vote

_EDITS: Final = 2
_CHANGES: Final = 3
_VALUE_MOST: Final = 30
_FIELD_MOST: Final = 24
_BOUND_MOST: Final = 40
_NAMES: Final = 3
_VOTES: Final = 5
_DENIALS: Final = 3


def edited(scene: Scene) -> str:
    """Who changed what before it was signed, old to new, a line for each edit, the newest last."""
    edits = scene.view.edits
    if not edits:
        return ""
    earlier = len(edits) - _EDITS
    more = f"✏️ … and {earlier} earlier {'edit' if earlier == 1 else 'edits'}" if earlier > 0 else ""
    return lines(more, *(_edit(scene, edit) for edit in edits[-_EDITS:]))


def _edit(scene: Scene, edit: Edit) -> str:
    told = [_change(scene, *change) for change in edit.changes[:_CHANGES]]
    rest = len(edit.changes) - _CHANGES
    more = f", and {rest} more" if rest > 0 else ""
    return f"✏️ {person(edit.person_name)} changed {', '.join(told)}{more}, {moment(edit.at, now=scene.now)}"


def _change(scene: Scene, field: str, before: Json, after: Json) -> str:
    name = brief(field.replace("_", " "), _FIELD_MOST)
    if scene.hidden and (field in scene.hidden or isinstance(before or after, dict | list)):
        return f"<i>{name}</i>: {HIDDEN}"
    return f"<i>{name}</i>: <i>{value_words(before)}</i> → <i>{value_words(after)}</i>"


def value_words(value: Json) -> str:
    """A value as people wrote it, or as JSON; "nothing" where there was or is none."""
    if value is None or value == "":
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return brief(text, _VALUE_MOST)


def changed(changes: Sequence[tuple[str, Json, Json]]) -> str:
    """What an edit changed, as one plain line of ours: "amount: 900 → 800"."""
    told = [
        f"<i>{brief(field.replace('_', ' '), _FIELD_MOST)}</i>: "
        f"<i>{value_words(before)}</i> → <i>{value_words(after)}</i>"
        for field, before, after in changes[:_CHANGES]
    ]
    rest = len(changes) - _CHANGES
    return ", ".join(told) + (f", and {rest} more" if rest > 0 else "")


def bound(field: str, value: Json, hidden: frozenset[str]) -> str:
    """What a grant binds a field to: this value, or this amount at most."""
    told = HIDDEN if field in hidden else f"<i>{value_words(value)}</i>"
    most = " at most" if field == "amount" else ""
    return f"<i>{brief(field.replace('_', ' '), _BOUND_MOST)}</i>{most} {told}"


def signatures(scene: Scene) -> str:
    """Who may sign, by name; how many have, who and when, and who said no."""
    return lines(
        f"To be signed by {_signers(scene)}", _tally(scene, Vote.APPROVED), _tally(scene, Vote.DENIED)
    )


def _signers(scene: Scene) -> str:
    who = brief(who_may_sign(scene.view.call.verdict), 200)
    names = [person(name) for name in scene.view.signers[:_NAMES]]
    if not names:
        return who
    rest = len(scene.view.signers) - _NAMES
    return f"{who}: {', '.join(names)}{f' and {rest} more' if rest > 0 else ''}"


def _tally(scene: Scene, vote: Vote) -> str:
    """How many of how many, and who, with those whose vote counts no more; "" where one is enough and nobody
    has voted yet."""
    verdict = scene.view.call.verdict
    approvals = vote is Vote.APPROVED
    word, sign = ("approvals", "✓") if approvals else ("denials", "✗")
    needed, most = (verdict.count, _VOTES) if approvals else (verdict.denials, _DENIALS)
    given = votes(scene.view, vote)
    if not given and (needed == 1 or not approvals):
        return ""
    told = [_vote(scene, each, sign) for each in given[:most]]
    more = f"and {len(given) - most} more" if len(given) > most else ""
    counted = sum(each.person_id not in scene.view.void for each in given)
    return dotted(f"{word} {counted}/{needed}", *told, more)


def _vote(scene: Scene, vote: Approval, sign: str) -> str:
    if vote.person_id in scene.view.void:
        return f"{person(vote.person_name)} may not sign any more"
    return f"{person(vote.person_name)} {sign} {moment(vote.at, now=scene.now)}{said(vote)}"
