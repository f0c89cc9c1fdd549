"""One call in full: all that the records say of it, with a file for what does not fit a message."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bot.telegram.render import parts, signing
from bot.telegram.render.arguments import arguments, described, digest, json_file
from bot.telegram.render.ended import undoing
from bot.telegram.render.message import Document, Shown
from bot.telegram.render.occasion import occasion
from bot.telegram.render.parts import SIGNS, WORDS, Scene, dotted, lines
from bot.telegram.render.pausing import held
from bot.telegram.render.safe import brief, cut_lines
from bot.telegram.render.times import lasted, moment
from bot.telegram.render.tries import attempts
from core.model import Approval, CallView, PolicyDecision
from core.registry import ToolRegistry
from core.tool import Tool

_ARGUMENTS_MOST: Final = 1200
_RESULT_MOST: Final = 900
_VOTES: Final = 6
_DECISIONS: Final = {
    PolicyDecision.ALLOW: "allowed",
    PolicyDecision.REQUIRES_APPROVAL: "asked for a signature",
    PolicyDecision.DENY: "denied",
}


def call_details(
    view: CallView, *, tool: Tool | None, now: datetime, registry: ToolRegistry, private: bool
) -> Shown:
    """Everything about a call. Where a private chat's message is too small, `document` holds the whole of
    its arguments and its result; elsewhere it says how to get them."""
    scene = Scene(view=view, tool=tool, now=now, registry=registry, private=private)
    call = view.call
    block = arguments(call, hidden=scene.hidden, room=_ARGUMENTS_MOST)
    cut = _is_cut(view)
    whole = private and (cut or not block.fits)
    if whole:
        where = "📎 Arguments and result in full: in the file below."
    elif block.complete and not cut:
        where = ""
    else:
        where = f"🔒 For all of it send me <code>/call {call.short_id}</code> in our private chat."
    return Shown(
        html=lines(
            _head(scene),
            parts.title(scene),
            occasion(scene),
            dotted(parts.kind(scene), f"version <code>{brief(call.tool_version, 20)}</code>"),
            block.html,
            f"Arguments' digest {digest(call)}" if block.fits else "",
            dotted(
                f"{parts.asked_by(scene)}, {moment(call.created_at, now=now)}, over {call.channel.value}",
                parts.linked(scene),
            ),
            _policy(view),
            parts.granted_by(scene) if view.call.verdict.grant is not None else "",
            signing.edited(scene),
            _waits(scene),
            *_votes(scene),
            _ran(scene),
            held(scene),
            *attempts(scene),
            _ended(scene),
            undoing(view),
            where,
        ),
        complete=block.complete,
        document=_file(view) if whole else None,
    )


def _head(scene: Scene) -> str:
    status = scene.view.call.status
    if scene.view.undone:
        return parts.head(scene, "↩️", "Done, then undone")
    return parts.head(scene, SIGNS[status], WORDS[status].capitalize())


def _policy(view: CallView) -> str:
    verdict = view.call.verdict
    return (
        f"Policy {_DECISIONS[verdict.decision]}: <i>{brief(verdict.reason, 200)}</i> "
        f"(rule <code>{brief(verdict.rule, 60)}</code>)"
    )


def _waits(scene: Scene) -> str:
    call = scene.view.call
    until = call.expires_at or call.start_by
    return "" if until is None else f"Expires {moment(until, now=scene.now)}"


def _votes(scene: Scene) -> list[str]:
    """Who voted, newest last; what was given to an earlier version is void."""
    votes = scene.view.approvals[-_VOTES:]
    earlier = len(scene.view.approvals) - len(votes)
    return [f"… {earlier} earlier votes"] * bool(earlier) + [_vote(scene, vote) for vote in votes]


def _vote(scene: Scene, vote: Approval) -> str:
    void = "" if vote.revision == scene.view.call.revision else " (void: it changed after that)"
    at = moment(vote.at, now=scene.now)
    return f"{vote.vote.value.capitalize()} by {parts.person(vote.person_name)}, {at}{parts.said(vote)}{void}"


def _ran(scene: Scene) -> str:
    view = scene.view
    if not view.attempts:
        return "It has not run."
    first = moment(view.attempts[0].started_at, now=scene.now)
    tries = "1 attempt" if len(view.attempts) == 1 else f"{len(view.attempts)} attempts"
    took = f"took {lasted(view.outcome.duration_ms)}" if view.outcome and not view.outcome.marked_by else ""
    return dotted(f"Started {first}", tries, took)


def _ended(scene: Scene) -> str:
    """How it ended: error and result, or what is known where nobody saw it."""
    view, outcome = scene.view, scene.view.outcome
    if outcome is None:
        note = view.call.note
        return f"Noted: <i>{brief(scene.clean(note), parts.REASON_MOST)}</i>" if note else ""
    known_as = f" <code>{brief(outcome.error_class, 60)}</code>" if outcome.error_class else ""
    return lines(
        f"Ended {moment(outcome.completed_at, now=scene.now)}{known_as}",
        parts.quoted(scene.clean(outcome.error), most=_RESULT_MOST) if outcome.error else "",
        parts.result(scene, most=_RESULT_MOST, whole="…"),
    )


def _is_cut(view: CallView) -> bool:
    outcome = view.outcome
    if outcome is None:
        return False
    texts = (outcome.formatted, outcome.error or "")
    return any(cut_lines(text, _RESULT_MOST) != cut_lines(text, 20 * _RESULT_MOST) for text in texts)


def _file(view: CallView) -> Document:
    call, outcome = view.call, view.outcome
    content = {**described(call), "title": call.title, "status": call.status.value}
    if outcome is not None:
        content |= {"formatted": outcome.formatted, "error": outcome.error, "result": outcome.result}
    return json_file(
        f"{call.short_id}-call.json", content, f"📎 Everything about <code>#{call.short_id}</code>"
    )
