"""One call as one message: a card through its life, a plain line for what is harmless, a word at the end.

A card shows committed state only. Its first line is the state, the second what the call does; everything
that people or tools wrote stands inside an element, so that no text can pass for a line of the card.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from bot.telegram.buttons import Verb
from bot.telegram.render import parts, signing
from bot.telegram.render.arguments import ROOM, Arguments, arguments, file_of
from bot.telegram.render.ended import ENDED, again_row, end_reply, says_not_done, undo_row
from bot.telegram.render.message import (
    DANGER,
    MESSAGE_MOST,
    SUCCESS,
    Button,
    Rows,
    Shown,
    on_call,
    parsed_units,
)
from bot.telegram.render.occasion import occasion
from bot.telegram.render.parts import Scene, dotted, lines
from bot.telegram.render.pausing import held
from bot.telegram.render.safe import brief, lookalikes
from bot.telegram.render.times import moment
from bot.telegram.render.tries import again, tried
from core.grants import offer_of
from core.lifecycle import EXECUTING, Status
from core.live import Progress
from core.model import CallView, PolicyDecision, StartMode, ToolCall
from core.registry import ToolRegistry
from core.tool import Effect, Tool

__all__ = ["card", "end_reply", "line"]

_MARGIN: Final = 100


def card(
    view: CallView,
    *,
    tool: Tool | None,
    now: datetime,
    registry: ToolRegistry,
    private: bool,
    progress: Progress | None = None,
    above: str = "",
) -> Shown:
    """The card of a call: at most 4,096 characters after parsing, whatever the call holds.

    `private`: only the reader is in the chat; elsewhere sensitive values are masked and no file is given.
    `above` is HTML of ours for a line over the card.
    """
    scene = Scene(view=view, tool=tool, now=now, registry=registry, private=private, progress=progress)
    shown = _BY_STATUS[view.call.status](scene)
    return replace(shown, html=f"{above}\n{shown.html}") if above else shown


def line(
    view: CallView,
    *,
    tool: Tool | None,
    now: datetime,
    registry: ToolRegistry,
    private: bool = False,
    progress: Progress | None = None,
) -> Shown:
    """A harmless call without ceremony: its result, with Undo while there is a way back; where it takes long,
    how far it is. Whatever needs a person or went wrong is shown as a card."""
    scene = Scene(view=view, tool=tool, now=now, registry=registry, private=private, progress=progress)
    call = view.call
    if view.held:
        return Shown(
            html=lines(f"⏳ {parts.title(scene)} · <code>#{call.short_id}</code>", held(scene)),
            complete=False,
        )
    if call.status is Status.PENDING:
        return Shown(html=f"⏳ {parts.title(scene)} …", complete=False)
    if call.status in EXECUTING:
        return Shown(html=_running_line(scene), buttons=_stop_row(scene), complete=False)
    if view.outcome is None or view.undone_by or call.undo_of:
        return card(view, tool=tool, now=now, registry=registry, private=private)
    if call.status is Status.COMPLETED:
        shown = lines(_result_line(scene), tried(scene), occasion(scene), _let_through(scene))
        file = parts.result_file(scene)
        return Shown(html=shown, buttons=undo_row(scene), complete=False, document=file)
    if call.status is Status.FAILED and says_not_done(view) and view.outcome.marked_by is None:
        shown = lines(_failed_line(scene), tried(scene), occasion(scene), _let_through(scene))
        return Shown(html=shown, buttons=again_row(scene, "🔁 Retry"), complete=False)
    return card(view, tool=tool, now=now, registry=registry, private=private)


def _running_line(scene: Scene) -> str:
    first = f"⏳ {parts.title(scene)} · <code>#{scene.view.call.short_id}</code>"
    return lines(first, parts.bar(scene), parts.output(scene), parts.stopping(scene))


def _let_through(scene: Scene) -> str:
    """The grant that it used; "" where it would not have asked anyway."""
    return f"♻️ {parts.granted_by(scene)}" if scene.view.call.verdict.grant is not None else ""


def _result_line(scene: Scene) -> str:
    said = scene.clean(scene.view.outcome.formatted).strip() if scene.view.outcome else ""
    sign = f"<code>#{scene.view.call.short_id}</code>"
    hidden = scene.tool is not None and scene.tool.private and not scene.private
    if hidden or "\n" in said or len(said) > parts.TITLE_MOST:
        only_reads = scene.tool is not None and scene.tool.effects == {Effect.READS}
        return lines(parts.result(scene), "" if only_reads else sign)
    return f"✅ <b>{brief(said or f'Done: {parts.plain_title(scene)}', parts.TITLE_MOST)}</b> · {sign}"


def _failed_line(scene: Scene) -> str:
    told = (scene.view.outcome.error if scene.view.outcome else "") or "it did not say why."
    return lines(
        f"🔴 {parts.title(scene)} · <code>#{scene.view.call.short_id}</code>",
        f"Not done: <i>{brief(scene.clean(told), parts.TEXT_MOST)}</i>",
    )


def _proposed(scene: Scene) -> Shown:
    call = scene.view.call
    again = bool(call.note)
    top = lines(
        parts.head(scene, "🟡", "Approval needed again" if again else "Approval needed"),
        parts.title(scene),
        occasion(scene),
        signing.edited(scene),
        f"⚠️ It came back to be signed again: <i>{brief(call.note, parts.REASON_MOST)}</i>" if again else "",
        dotted(parts.kind(scene), parts.linked(scene)),
    )
    bottom = lines(
        _warning(scene),
        f"Why it asks: <i>{brief(call.verdict.reason, parts.REASON_MOST)}</i>" if call.verdict.reason else "",
        f"💡 <i>{brief(call.verdict.note, parts.REASON_MOST)}</i>" if call.verdict.note else "",
        dotted(parts.asked_by(scene), _expiry(scene)),
        signing.signatures(scene),
    )
    block, delivery = _arguments(scene, taken=parsed_units(top) + parsed_units(bottom))
    return Shown(
        html=lines(top, block.html, delivery, bottom),
        buttons=_ways(scene),
        complete=block.complete,
        document=file_of(call) if scene.private and not block.fits else None,
    )


def _ways(scene: Scene) -> Rows:
    """What can be done with a call that waits. The same for all who see it: each tap is judged by itself."""
    call = scene.view.call
    change = [on_call("✏️ Edit", Verb.EDIT, call)] if can_be_edited(call) else []
    longer = [on_call("⏱ +1 h", Verb.EXTEND, call)] if call.expires_at is not None else []
    similar = [on_call("♻️ Approve similar…", Verb.SIMILAR, call)] if can_be_granted(scene) else []
    return (
        (
            on_call("✅ Approve", Verb.APPROVE, call, style=SUCCESS),
            on_call("⛔ Deny", Verb.DENY, call, style=DANGER),
        ),
        (*change, *longer, on_call("✖️ Cancel", Verb.CANCEL, call)),
        (on_call("💬 Deny with reason", Verb.REASONS, call), *similar),
    )


def can_be_edited(call: ToolCall) -> bool:
    """Whether there is anything to change: an undo is bound to what it takes back."""
    return call.undo_of is None and bool(call.arguments)


def can_be_granted(scene: Scene) -> bool:
    """Whether calls like this one may be approved for a while, by anybody."""
    return offer_of(scene.view.call, scene.tool, person=None, role=None)


def _arguments(scene: Scene, *, taken: int) -> tuple[Arguments, str]:
    """The arguments, and how whoever may sign gets to see what is not shown here."""
    call = scene.view.call
    room = min(ROOM, MESSAGE_MOST - taken - _DELIVERY_MOST - _MARGIN)
    block = arguments(call, hidden=scene.hidden, room=room)
    if block.complete:
        return block, ""
    if scene.private:
        told = "📎 Full arguments: in the file below. Approve counts only after it was sent to you."
    else:
        what = "The hidden values" if block.fits else "Full arguments"
        told = f"🔒 {what}: in your private chat with me. Approve counts only after you were sent them there."
    return block, told


_DELIVERY_MOST: Final = 160


def _expiry(scene: Scene) -> str:
    call = scene.view.call
    return "" if call.expires_at is None else f"expires {moment(call.expires_at, now=scene.now)}"


def _warning(scene: Scene) -> str:
    """A warning of letters that pass for others; hidden characters are spelt out where they stand."""
    if scene.hides:
        return ""
    found = lookalikes(scene.view.call.arguments)
    if not found:
        return ""
    return f"⚠️ Mixes alphabets, look closely: <code>{brief(found, 80)}</code>"


def _pending(scene: Scene) -> Shown:
    call = scene.view.call
    allowed = call.verdict.decision is PolicyDecision.ALLOW
    waits = "until somebody starts it" if call.start_mode is StartMode.MANUAL else "to run"
    by = f"expires {moment(call.start_by, now=scene.now)} if it is not started" if call.start_by else ""
    return _open(
        scene,
        parts.head(scene, "🟠", f"{'Allowed' if allowed else 'Approved'}, waiting {waits}"),
        held(scene),
        signing.edited(scene),
        dotted(parts.approved_by(scene), by),
        buttons=((on_call("✖️ Cancel", Verb.CANCEL, call),),),
    )


def _running(scene: Scene) -> Shown:
    view = scene.view
    checking = view.call.status is Status.VALIDATING
    attempt = view.attempts[-1] if view.attempts else None
    started = f"Started {moment(attempt.started_at, now=scene.now)}" if attempt else ""
    words = "Running, checking the result" if checking else "Running"
    return _open(
        scene,
        parts.head(scene, "🔵", "Stopping…" if parts.stopping(scene) else words),
        parts.bar(scene),
        parts.output(scene),
        parts.stopping(scene),
        dotted(started, again(scene)),
        parts.approved_by(scene),
        buttons=_stop_row(scene),
    )


def _stop_row(scene: Scene) -> Rows:
    """The way to stop what runs, until somebody has asked for that."""
    if parts.stopping(scene):
        return ()
    return ((on_call("⏹ Cancel", Verb.CANCEL, scene.view.call),),)


def _interrupted(scene: Scene) -> Shown:
    view, call = scene.view, scene.view.call
    attempt = view.attempts[-1] if view.attempts else None
    started = (
        f"Attempt {attempt.number} started {moment(attempt.started_at, now=scene.now)}. Nobody saw its end."
        if attempt
        else "Nobody saw its end."
    )
    buttons: list[tuple[Button, ...]] = [
        (
            on_call("✅ Mark done", Verb.MARK_DONE, call),
            on_call("❌ Mark not done", Verb.MARK_NOT_DONE, call),
        )
    ]
    if call.undo_of is None:
        buttons.append((on_call("🔁 Run again", Verb.RUN_AGAIN, call),))
    return _open(
        scene,
        parts.head(scene, "⚠️", "Interrupted"),
        f"{started} It may have been done, or not. I will not run it again by myself.",
        f"What is known: <i>{brief(scene.clean(call.note), parts.REASON_MOST)}</i>" if call.note else "",
        parts.approved_by(scene),
        "<b>Please look, then tell me.</b>"
        + ("" if call.undo_of else " Run again marks this one not done and asks for a new call."),
        buttons=tuple(buttons),
    )


def _open(scene: Scene, first: str, *rest: str, buttons: Rows = ()) -> Shown:
    """A call that is decided and has not ended: what it is, its arguments, where it stands."""
    top = lines(first, parts.title(scene), occasion(scene))
    bottom = lines(*rest)
    room = min(ROOM, MESSAGE_MOST - parsed_units(top) - parsed_units(bottom) - _MARGIN)
    block = arguments(scene.view.call, hidden=scene.hidden, room=room)
    return Shown(html=lines(top, bottom, block.html), buttons=buttons, complete=block.complete)


_BY_STATUS: Final[Mapping[Status, Callable[[Scene], Shown]]] = {
    Status.PROPOSED: _proposed,
    Status.PENDING: _pending,
    Status.RUNNING: _running,
    Status.VALIDATING: _running,
    Status.INTERRUPTED: _interrupted,
    **ENDED,
}
