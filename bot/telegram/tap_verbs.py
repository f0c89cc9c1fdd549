"""What each button on a call does: one verb of the engine a button, and what the person is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from bot.telegram import decisions, editing, granting, pendings
from bot.telegram.buttons import Verb
from bot.telegram.render import approving, toasts
from bot.telegram.tapping import Tap, Tapped, told, told_no
from core.engine import Refused, ask_again, cancel, mark, undo
from core.engine.expire import extend
from core.errors import Code, Refusal
from core.guards import not_found, visible
from core.lifecycle import EXECUTING


def _cancel(tap: Tap) -> Tapped:
    withdrawn = cancel(
        tap.records, by=tap.by, call_id=tap.call.id, shown=tap.shown, now=tap.turn.now, env=tap.turn.front.env
    )
    if not isinstance(withdrawn, Refused) and withdrawn.call.status in EXECUTING:
        return Tapped(toasts.stopping(again=withdrawn.repeated))
    return told(withdrawn, toasts.withdrawn())


def _undo(tap: Tap) -> Tapped:
    undone = undo(
        tap.records, by=tap.by, call_id=tap.call.id, shown=tap.shown, now=tap.turn.now, env=tap.turn.front.env
    )
    return told(undone, toasts.undoing(undone))


def _again(tap: Tap) -> Tapped:
    if tap.role is None:
        return tap.refuse(Refusal(Code.NOT_A_MEMBER, "You have no access here."), "again")
    if not (tap.shown or visible(tap.call, by=tap.by, role=tap.role)):
        return tap.refuse(not_found(), "again")
    fresh = ask_again(tap.records, tap.call, by=tap.by, now=tap.turn.now, env=tap.turn.front.env)
    return told(fresh, toasts.asked_again())


def _mark_done(tap: Tap) -> Tapped:
    return _mark(tap, done=True)


def _mark_not_done(tap: Tap) -> Tapped:
    return _mark(tap, done=False)


def _run_again(tap: Tap) -> Tapped:
    return _mark(tap, done=False, run_again=True)


def _mark(tap: Tap, *, done: bool, run_again: bool = False) -> Tapped:
    marked = mark(
        tap.records,
        by=tap.by,
        call_id=tap.call.id,
        done=done,
        run_again=run_again,
        shown=tap.shown,
        now=tap.turn.now,
        env=tap.turn.front.env,
    )
    if isinstance(marked, Refused):
        return told_no(marked)
    if isinstance(marked.again, Refused):
        return Tapped(toasts.refusal(marked.again.refusal))
    return Tapped(toasts.marked(marked.call, again=marked.again is not None))


def _extend(tap: Tap) -> Tapped:
    extended = extend(
        tap.records,
        by=tap.by,
        call_id=tap.call.id,
        revision=tap.revision,
        shown=tap.shown,
        now=tap.turn.now,
        env=tap.turn.front.env,
    )
    if isinstance(extended, Refused):
        return told_no(extended)
    return Tapped(toasts.extended(extended.call))


def _back(tap: Tap) -> Tapped:
    """Closes one of the short messages under a card. Nothing is decided by it."""
    if tap.role is None:
        return tap.refuse(Refusal(Code.NOT_A_MEMBER, "You have no access here."), "back")
    if tap.by.person is not None and decisions.is_open(tap):
        tap.records.dialogues.drop(tap.turn.chat.id, tap.by.person)
    tap.rewrite(approving.left_as_it_is(tap.call))
    return Tapped(toasts.left())


VERBS: Final[Mapping[Verb, Callable[[Tap], Tapped]]] = {
    Verb.APPROVE: decisions.approve,
    Verb.DENY: decisions.deny,
    Verb.CANCEL: _cancel,
    Verb.UNDO: _undo,
    Verb.AGAIN: _again,
    Verb.MARK_DONE: _mark_done,
    Verb.MARK_NOT_DONE: _mark_not_done,
    Verb.RUN_AGAIN: _run_again,
    Verb.DETAILS: pendings.show,
    Verb.EDIT: editing.open_fields,
    Verb.EXTEND: _extend,
    Verb.REASONS: decisions.open_reasons,
    **{verb: partial(decisions.deny_because, reason=reason) for verb, reason in decisions.REASONS.items()},
    Verb.OTHER_REASON: decisions.ask_reason,
    Verb.DENY_WITH_IT: decisions.deny_with_it,
    Verb.APPROVE_WITH_IT: decisions.approve_with_it,
    Verb.SIMILAR: granting.open_spans,
    **{verb: partial(granting.approve_similar, span=span) for verb, span in granting.SPANS.items()},
    Verb.BACK: _back,
}
