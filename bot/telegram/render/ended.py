"""Cards of calls that have ended: how, who or what ended them, whether anything was changed, what next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from bot.telegram.buttons import Verb
from bot.telegram.render import parts, signing
from bot.telegram.render.message import Rows, Shown, on_call
from bot.telegram.render.occasion import occasion
from bot.telegram.render.parts import Scene, dotted, lines
from bot.telegram.render.safe import brief
from bot.telegram.render.times import lasted, moment, span
from bot.telegram.render.tries import tried
from core.engine.undo import undo_until
from core.ids import short_id
from core.lifecycle import Status
from core.model import CallView, PolicyDecision, Vote
from core.tool import Effect

_UNCLEAR: Final = frozenset({"bad_result", "timeout", "cancelled", "error"})
"""Error classes that do not say what had been done by then; so do those named by an exception."""

_NOTHING: Final = "Nothing was changed."
_PARTIAL_MOST: Final = 600
_DENIALS: Final = 3
_REASONS_MOST: Final = 1500
_RETRY: Final = " Retry makes a new call, which goes through approval like any other."


def undo_row(scene: Scene) -> Rows:
    """Undo while there is a way back, else nothing."""
    view = scene.view
    until = undo_until(view.call, view.outcome, scene.registry, attempts=view.attempts, now=scene.now)
    if until is None or view.undone_by is not None:
        return ()
    # Without the minutes left: a message is not edited every minute, and would not tell the truth for long.
    return ((on_call("↩️ Undo", Verb.UNDO, view.call),),)


def again_row(scene: Scene, text: str = "🔄 Ask again") -> Rows:
    """The way to a new call with the same arguments. An undo is asked for on the original's card instead."""
    call = scene.view.call
    return () if call.undo_of is not None else ((on_call(text, Verb.AGAIN, call),),)


def _completed(scene: Scene) -> Shown:
    view, outcome = scene.view, scene.view.outcome
    marked = outcome is not None and outcome.marked_by is not None
    took = f" · {lasted(outcome.duration_ms)}" if outcome and not marked else ""
    undone = view.undone
    until = undo_until(view.call, outcome, scene.registry, attempts=view.attempts, now=scene.now)
    open_until = f"undo possible until {moment(until, now=scene.now)}" if until and not view.undone_by else ""
    return Shown(
        html=lines(
            parts.head(scene, "↩️", "Undone") if undone else parts.head(scene, "🟢", "Done", after=took),
            parts.title(scene, struck=undone),
            occasion(scene),
            signing.edited(scene),
            parts.result(scene),
            tried(scene),
            _too_late(view),
            undoing(view),
            dotted(parts.linked(scene), parts.approved_by(scene), open_until),
        ),
        buttons=undo_row(scene),
        complete=False,
        document=parts.result_file(scene),
    )


def _too_late(view: CallView) -> str:
    """Who asked it to stop in vain; "" where nobody did."""
    asked = view.attempts[-1].stop_by if view.attempts else None
    return "" if asked is None else f"{parts.person(asked)} asked it to stop; it had finished by then."


def undoing(view: CallView) -> str:
    """The call that takes this one back, if there is one, and whether it has."""
    if view.undone_by is None:
        return ""
    by = f"<code>#{short_id(view.undone_by)}</code>"
    return f"Taken back by {by}." if view.undone else f"An undo was asked for: {by}."


def _failed(scene: Scene) -> Shown:
    view, outcome = scene.view, scene.view.outcome
    timed_out = view.call.status is Status.TIMED_OUT
    facts = ""
    if outcome is not None and outcome.marked_by is None:
        attempts = f"{outcome.attempt_count} attempts" if outcome.attempt_count > 1 else ""
        known_as = f"<code>{brief(outcome.error_class, 60)}</code>" if outcome.error_class else ""
        facts = dotted(attempts, f"after {lasted(outcome.duration_ms)}", known_as)
    return Shown(
        html=lines(
            parts.head(scene, "🔴", "Timed out: it took too long" if timed_out else "Failed"),
            parts.title(scene),
            occasion(scene),
            signing.edited(scene),
            parts.error(scene),
            parts.result(scene, most=_PARTIAL_MOST),
            _what_stands(scene),
            dotted(parts.linked(scene), parts.approved_by(scene), facts),
        ),
        buttons=again_row(scene, "🔁 Retry"),
        complete=False,
    )


def _what_stands(scene: Scene) -> str:
    """Whether anything was changed, as far as it is known, and what Retry does."""
    outcome = scene.view.outcome
    retry = "" if scene.view.call.undo_of else _RETRY
    if outcome is not None and outcome.marked_by is not None:
        return f"Somebody looked: it was not done.{retry}"
    if scene.tool is not None and scene.tool.effects == {Effect.READS}:
        return f"{_NOTHING} It only reads.{retry}"
    if not says_not_done(scene.view):
        return f"<b>State unknown</b>: part of it may have been done. Look before you try again.{retry}"
    if outcome is not None and outcome.error_class == "invalid_input":
        return f"{_NOTHING} It was not run.{retry}"
    return f"The tool says that it was not done.{retry}"


def says_not_done(view: CallView) -> bool:
    """Whether the tool ended by itself and said why, so that nothing is left half done: its error class is a
    word of its own, not the name of an exception."""
    kind = view.outcome.error_class if view.outcome else None
    return kind is not None and kind not in _UNCLEAR and kind == kind.lower()


def _denied(scene: Scene) -> Shown:
    denials = parts.votes(scene.view, Vote.DENIED)
    if denials:
        last = denials[-_DENIALS:]
        by = "; ".join(f"{parts.person(one.person_name)}, {moment(one.at, now=scene.now)}" for one in last)
        reasons = [one.comment for one in last if one.comment.strip()]
        return _unrun(
            scene,
            parts.head(scene, "⛔", "Denied", rest=f" by {by}"),
            *(parts.quoted(reason, most=_REASONS_MOST // len(reasons)) for reason in reasons),
            _NOTHING,
        )
    rule = scene.view.call.verdict.rule
    if scene.view.call.verdict.decision is PolicyDecision.DENY:
        why = parts.quoted(scene.clean(scene.view.call.verdict.reason))
        told = f"Rule: <code>{brief(rule, 80)}</code>. An admin can change it; then ask again."
    else:
        why, told = parts.error(scene), "No person denied it."
    return _unrun(scene, parts.head(scene, "⛔", "Denied by policy"), why, f"{_NOTHING} {told}")


def _expired(scene: Scene) -> Shown:
    if let_through(scene.view):
        words, told = "Expired: not started in time", "It was let through and never started."
    else:
        waited = span(scene.view.call.verdict.expires_after_s)
        words, told = "Expired: nobody decided", f"No decision within {waited}; nobody said no."
    return _unrun(scene, parts.head(scene, "⚪", words), f"{told} {_NOTHING}")


def let_through(view: CallView) -> bool:
    """Whether the call had what it needed to run when its time was over."""
    verdict = view.call.verdict
    signed = len(parts.votes(view, Vote.APPROVED)) >= verdict.count
    return signed or verdict.decision is PolicyDecision.ALLOW


def _cancelled(scene: Scene) -> Shown:
    if not scene.view.call.attempts:
        why = parts.error(scene, "It was withdrawn.")
        return _unrun(scene, parts.head(scene, "⚪", "Cancelled"), why, _NOTHING)
    shown = _unrun(
        scene,
        parts.head(scene, "⚪", "Cancelled while it ran"),
        parts.error(scene, "It was stopped."),
        parts.result(scene, most=_PARTIAL_MOST),
        _what_stands(scene),
    )
    return replace(shown, buttons=again_row(scene, "🔁 Retry"))


def _unrun(scene: Scene, first: str, *rest: str) -> Shown:
    return Shown(
        html=lines(
            first,
            parts.title(scene, struck=True),
            occasion(scene),
            signing.edited(scene),
            *rest,
            dotted(parts.linked(scene), parts.asked_by(scene)),
        ),
        buttons=again_row(scene),
        complete=False,
    )


ENDED: Final[Mapping[Status, Callable[[Scene], Shown]]] = {
    Status.COMPLETED: _completed,
    Status.FAILED: _failed,
    Status.TIMED_OUT: _failed,
    Status.DENIED: _denied,
    Status.EXPIRED: _expired,
    Status.CANCELLED: _cancelled,
}


def end_reply(view: CallView) -> Shown:
    """One short sentence under the card, for the requester, saying how the call ended. It holds nothing of
    the arguments, so that it can be sent anywhere."""
    sign = f"<code>#{view.call.short_id}</code>"
    return Shown(html=_REPLIES.get(view.call.status, _changed)(view, sign), complete=False)


def _changed(_: CallView, sign: str) -> str:
    return f"{sign} has changed; the card above shows how it stands."


def _reply_denied(view: CallView, sign: str) -> str:
    denials = parts.votes(view, Vote.DENIED)
    if not denials:
        return f"⛔ {sign} was denied by policy; the card above says why. {_NOTHING}"
    last = denials[-1]
    why = parts.said(last, most=parts.REASON_MOST) or "."
    return f"⛔ {parts.person(last.person_name)} denied {sign}{why} {_NOTHING}"


_REPLIES: Final[Mapping[Status, Callable[[CallView, str], str]]] = {
    Status.COMPLETED: lambda _, sign: f"🟢 {sign} is done; the card above has the result.",
    Status.FAILED: lambda _, sign: f"🔴 {sign} failed; the card above says why and what to do.",
    Status.TIMED_OUT: lambda _, sign: f"🔴 {sign} took too long and was stopped; look at the card above.",
    Status.DENIED: _reply_denied,
    Status.EXPIRED: lambda view, sign: (
        f"⚪ {sign} has expired: "
        f"{'it was not started' if let_through(view) else 'nobody decided'} in time. {_NOTHING}"
    ),
    Status.CANCELLED: lambda _, sign: f"⚪ {sign} was cancelled; the card above says by whom.",
    Status.INTERRUPTED: lambda _, sign: (
        f"⚠️ {sign} was interrupted and nobody saw its end. Please look, and settle it on the card above."
    ),
}
