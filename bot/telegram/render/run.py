"""A run as one message: every step in full, where each stands, and what can be done about it.

As on the card of one call, everything that people or tools wrote stands inside an element, on one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bot.telegram.buttons import RunButton, RunVerb, Verb
from bot.telegram.render import parts, signing
from bot.telegram.render.arguments import ROOM, arguments, described, digest, json_file
from bot.telegram.render.card import can_be_edited
from bot.telegram.render.ended import undo_row
from bot.telegram.render.message import (
    DANGER,
    MESSAGE_MOST,
    SUCCESS,
    Button,
    Document,
    Rows,
    Shown,
    in_rows,
    on_call,
    parsed_units,
)
from bot.telegram.render.parts import Scene, dotted, lines
from bot.telegram.render.pausing import held
from bot.telegram.render.report import summary
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment
from core.engine.report import has_ended
from core.engine.runs import RunView, asked
from core.engine.steps import waits_for
from core.ids import CallId
from core.lifecycle import ENDS, EXECUTING, Status
from core.live import Progress
from core.model import OnFailure, PolicyDecision, StartMode, ToolCall, Vote
from core.registry import ToolRegistry

_MARGIN: Final = 60
_MOST_STEP_ROWS: Final = 20
_OPEN: Final = frozenset({Status.PROPOSED, Status.PENDING})


class _Level(Struct, frozen=True):
    """How much is said of each step, where there are many: units of its title and of what came of it.
    `whole`: with its tool, its arguments and its signatures."""

    title: int
    text: int
    whole: bool


_LEVELS: Final = (_Level(200, 200, True), _Level(80, 80, True), _Level(30, 0, False))


def card(
    run: RunView,
    *,
    now: datetime,
    registry: ToolRegistry,
    private: bool,
    progress_of: Callable[[CallId], Progress | None] = lambda call: None,
    one_by_one: bool = False,
) -> Shown:
    """The card of a run: at most 4,096 characters after parsing, however many its steps. It is complete only
    if it shows every step that waits for a signature in full.

    `one_by_one` gives each step its own buttons; they stay once some steps are decided and others are not.
    """
    scenes = [
        Scene(
            view=view,
            tool=registry.find(view.call.tool),
            now=now,
            registry=registry,
            private=private,
            progress=progress_of(view.call.id) if view.call.status in EXECUTING else None,
        )
        for view in run.views
    ]
    html, complete = _text(run, scenes)
    unsigned = any(call.status is Status.PROPOSED for call in run.calls)
    return Shown(
        html=html,
        buttons=_buttons(run, scenes, one_by_one=one_by_one),
        complete=complete and unsigned,
        document=_file_of(run) if private and unsigned and not complete else None,
    )


def end_reply(run: RunView) -> Shown:
    """One short sentence under the card, for the requester, once a run has come to its end."""
    sign, words = _state(run)
    told = f"{words[:1].lower()}{words[1:]}"
    return Shown(
        html=f"{sign} Run <code>#{run.record.short_id}</code>: {told}. The card above has the details.",
        complete=False,
    )


def by_itself(details: Shown, call: ToolCall) -> Shown:
    """The details of a call; those of a step that waits for a signature with the way to a card of its own."""
    if call.run_id is None or call.status is not Status.PROPOSED:
        return details
    return replace(
        details, buttons=((on_call("🔎 Decide it by itself", Verb.DETAILS, call),), *details.buttons)
    )


def _text(run: RunView, scenes: Sequence[Scene]) -> tuple[str, bool]:
    """The text, with as much of each step as there is room for, and whether it holds all that is to be
    signed."""
    for level in _LEVELS:
        html, complete = _at_level(run, scenes, level)
        if parsed_units(html) <= MESSAGE_MOST:
            return html, complete
    return html, complete


def _at_level(run: RunView, scenes: Sequence[Scene], level: _Level) -> tuple[str, bool]:
    top = lines(
        _head(run), f"Plan: <b>{brief(run.record.title, level.title)}</b>" if run.record.title else ""
    )
    bottom = _bottom(run, scenes)
    told = [_told(run, scene, level) for scene in scenes]
    taken = parsed_units(lines(top, *told, bottom)) + 2 * len(scenes)
    blocks, complete = _blocks(scenes, room=MESSAGE_MOST - taken - _MARGIN, level=level)
    steps = [_step(*each, level=level) for each in zip(scenes, told, blocks, strict=True)]
    delivery = "" if complete else _delivery(scenes)
    if level.whole:
        return "\n\n".join(part for part in (top, *steps, lines(delivery, bottom)) if part), complete
    return lines(top, *steps, delivery, bottom), complete


def _blocks(scenes: Sequence[Scene], *, room: int, level: _Level) -> tuple[list[str], bool]:
    """The arguments of each step that has not ended, those to be signed first; of what does not fit, the
    size and the digest. And whether all that is to be signed is there."""
    blocks = [""] * len(scenes)
    complete = True
    summaries = {n: _summary(scene.view.call) for n, scene in enumerate(scenes) if _shows_arguments(scene)}
    left = min(ROOM, room)
    if level.whole:
        left -= sum(parsed_units(text) + 1 for text in summaries.values())
    for n in sorted(summaries, key=lambda n: scenes[n].view.call.status is not Status.PROPOSED):
        call = scenes[n].view.call
        own = left + parsed_units(summaries[n])
        block = arguments(call, hidden=scenes[n].hidden, room=max(own, 0)) if level.whole else None
        fits = block is not None and block.fits and parsed_units(block.html) <= own
        blocks[n] = block.html if block is not None and fits else summaries[n] if level.whole else ""
        left -= parsed_units(blocks[n]) - parsed_units(summaries[n])
        if call.status is Status.PROPOSED and not (fits and block is not None and block.complete):
            complete = False
    return blocks, complete


def _shows_arguments(scene: Scene) -> bool:
    return scene.view.call.status not in ENDS


def _summary(call: ToolCall) -> str:
    return f"Arguments: too long to stand here · digest {digest(call)}"


def _head(run: RunView) -> str:
    sign, words = _state(run)
    return f"{sign} <b>{words}</b> · run <code>#{run.record.short_id}</code>"


def _state(run: RunView) -> tuple[str, str]:
    """What is most pressing about the run."""
    calls, steps = run.calls, len(run.views)
    counts = {status: sum(call.status is status for call in calls) for status in Status}
    if counts[Status.INTERRUPTED]:
        return "⚠️", "A step was interrupted: please look"
    if counts[Status.PROPOSED]:
        return "🟡", f"Approval needed for {counts[Status.PROPOSED]} of {_steps(steps)}"
    running = [call.step for call in calls if call.status in EXECUTING]
    if running:
        return "🔵", f"Running step {running[0]} of {steps}"
    if counts[Status.PENDING]:
        return "🟠", f"Waiting to run: {counts[Status.PENDING]} of {_steps(steps)}"
    done = counts[Status.COMPLETED]
    if done == steps:
        return "🟢", "All done" if steps > 1 else "Done"
    failed = counts[Status.FAILED] + counts[Status.TIMED_OUT]
    rest = steps - done - failed
    told = dotted(f"{done} done", f"{failed} failed" if failed else "", f"{rest} not run" if rest else "")
    return ("🔴" if failed else "⚪"), f"Ended: {told}"


def _steps(number: int) -> str:
    return "1 step" if number == 1 else f"{number} steps"


def _step(scene: Scene, told: str, block: str, *, level: _Level) -> str:
    """What is said of a step, its arguments under what it does."""
    parted = told.split("\n")
    at = 2 if level.whole and _shows_arguments(scene) else 1
    return lines(*parted[:at], block, *parted[at:])


def _told(run: RunView, scene: Scene, level: _Level) -> str:
    """What is said of a step besides its arguments."""
    call = scene.view.call
    title = brief(parts.plain_title(scene), level.title)
    tag = "s" if call.status in {Status.DENIED, Status.CANCELLED, Status.EXPIRED} else "b"
    first = f"{call.step}. {parts.SIGNS[call.status]} <{tag}>{title}</{tag}> · <code>#{call.short_id}</code>"
    if not level.whole:
        return first
    return lines(
        first,
        parts.kind(scene) if _shows_arguments(scene) else "",
        *(line for line in _standing(run, scene, level) if line),
    )


def _standing(run: RunView, scene: Scene, level: _Level) -> Iterator[str]:
    """Where a step stands: who is to sign it, what it waits for, what came of it."""
    call = scene.view.call
    if call.status is Status.PROPOSED:
        yield signing.edited(scene)
        if call.note:
            yield f"⚠️ To be signed again: <i>{brief(call.note, level.text)}</i>"
        if call.verdict.reason:
            yield f"Why it asks: <i>{brief(call.verdict.reason, level.text)}</i>"
        if call.verdict.note:
            yield f"💡 <i>{brief(call.verdict.note, level.text)}</i>"
        yield signing.signatures(scene)
    elif call.status is Status.PENDING:
        yield _waiting(run, scene)
        yield held(scene)
        yield parts.approved_by(scene)
    elif call.status in EXECUTING:
        yield parts.bar(scene) or "Running"
    elif call.status is Status.INTERRUPTED:
        yield "Nobody saw its end. It may have been done, or not; the rest waits until you tell me."
    else:
        yield _came(scene, level)


def _waiting(run: RunView, scene: Scene) -> str:
    call = scene.view.call
    allowed = call.verdict.decision is PolicyDecision.ALLOW
    word = "Allowed" if allowed else "Approved"
    before = waits_for(run.record, call, run.calls) if call.start_mode is StartMode.AFTER else ()
    if before:
        return f"{word}, waits for step {before[0]}"
    by_hand = call.start_mode is StartMode.MANUAL
    return f"{word}, waiting {'until somebody starts it' if by_hand else 'to run'}"


def _came(scene: Scene, level: _Level) -> str:
    """What came of a step that has ended."""
    view, outcome = scene.view, scene.view.outcome
    if view.call.status is Status.COMPLETED:
        if view.undone:
            return "↩️ Taken back"
        if scene.tool is not None and scene.tool.private and not scene.private:
            return parts.result(scene)
        said = outcome.formatted.strip() if outcome else ""
        return f"Result: <i>{brief(scene.clean(said), level.text)}</i>" if said else "Done"
    denials = parts.votes(view, Vote.DENIED)
    if view.call.status is Status.DENIED and denials:
        name = parts.person(denials[-1].person_name)
        return f"Denied by {name}{parts.said(denials[-1])}. Nothing was changed."
    told = (outcome.error if outcome else "") or view.call.note or "It did not say why."
    return f"{parts.WORDS[view.call.status].capitalize()}: <i>{brief(scene.clean(told), level.text)}</i>"


def _bottom(run: RunView, scenes: Sequence[Scene]) -> str:
    waits = [each for each in scenes if each.view.call.status in _OPEN]
    if not waits:
        return lines(summary(run), parts.asked_by(scenes[0]))
    ends = [each.view.call.expires_at for each in waits if each.view.call.expires_at is not None]
    expiry = f"expires {moment(min(ends), now=scenes[0].now)}" if ends else ""
    stops = run.record.on_failure is OnFailure.STOP
    rest = "the rest is not run" if stops else "only what needs it is not run"
    policy = f"If a step fails, {rest}." if len(scenes) > 1 else ""
    return lines(dotted(parts.asked_by(scenes[0]), expiry), policy)


def _delivery(scenes: Sequence[Scene]) -> str:
    """How whoever may sign gets to see what is not shown here; "" where nothing is to be signed."""
    if not any(scene.view.call.status is Status.PROPOSED for scene in scenes):
        return ""
    if scenes[0].private:
        return "📎 Full arguments: in the file below. Approve counts only after it was sent to you."
    return "🔒 Not all of it is shown here. Approve counts only after you were sent the rest in private."


def _file_of(run: RunView) -> Document:
    """All steps as a JSON file, with what is needed to check the digests."""
    steps = [{"step": call.step, **described(call)} for call in run.calls]
    return json_file(
        f"{run.record.short_id}-run.json",
        {"run": run.record.short_id, "steps": steps},
        f"📎 All steps of run <code>#{run.record.short_id}</code>\nPlease read them before you approve.",
    )


def _buttons(run: RunView, scenes: Sequence[Scene], *, one_by_one: bool) -> Rows:
    proposed = [call for call in run.calls if call.status is Status.PROPOSED]
    rows = [*_for_all(run, proposed)]
    if len(proposed) > 1 and (one_by_one or _is_mixed(run)):
        rows += [_for_one(call) for call in proposed[:_MOST_STEP_ROWS]]
    if any(call.status in _OPEN for call in run.calls):
        shown = one_by_one and not _is_mixed(run)
        switch = _on_run("☑️ Together", RunVerb.TOGETHER, run) if shown else None
        if not one_by_one and not _is_mixed(run) and len(proposed) > 1:
            switch = _on_run("☑️ One by one", RunVerb.ONE_BY_ONE, run)
        cancel = _on_run("✖️ Cancel", RunVerb.CANCEL_ALL, run)
        longer = _on_run("⏱ +1 h", RunVerb.EXTEND_ALL, run) if proposed else None
        rows.append(tuple(button for button in (switch, longer, cancel) if button))
    ways = list(_ways_on(scenes))[: 2 * _MOST_STEP_ROWS]
    report = ((_on_run("📄 Report", RunVerb.REPORT, run),),) if has_ended(run) else ()
    return (*rows, *in_rows(ways, per_row=2), *report)


def _for_all(run: RunView, proposed: Sequence[ToolCall]) -> Rows:
    if not proposed:
        return ()
    if len(proposed) == 1:
        only = proposed[0]
        number = f" {only.step}" if len(run.views) > 1 else ""
        change = [on_call(f"✏️ Edit{number}", Verb.EDIT, only)] if can_be_edited(only) else []
        return (
            (
                on_call(f"✅ Approve{number}", Verb.APPROVE, only, style=SUCCESS),
                on_call(f"⛔ Deny{number}", Verb.DENY, only, style=DANGER),
                *change,
            ),
        )
    return (
        (
            _on_run(f"✅ Approve all {len(proposed)}", RunVerb.APPROVE_ALL, run, style=SUCCESS),
            _on_run("⛔ Deny all", RunVerb.DENY_ALL, run, style=DANGER),
        ),
    )


def _is_mixed(run: RunView) -> bool:
    """Whether people have said something of some steps and others still wait for it."""
    return any(view.approvals for view in run.views)


def _for_one(call: ToolCall) -> tuple[Button, ...]:
    change = (on_call(f"✏️ {call.step}", Verb.EDIT, call),) if can_be_edited(call) else ()
    return (
        on_call(f"✅ {call.step}", Verb.APPROVE, call),
        on_call(f"⛔ {call.step}", Verb.DENY, call),
        *change,
    )


def _ways_on(scenes: Sequence[Scene]) -> Iterator[Button]:
    """What can be done with steps that are over, or that nobody saw the end of."""
    for scene in scenes:
        call = scene.view.call
        if call.status in EXECUTING and not parts.stopping(scene):
            yield on_call(f"⏹ Cancel {call.step}", Verb.CANCEL, call)
        elif call.status is Status.INTERRUPTED:
            yield on_call(f"✅ {call.step} was done", Verb.MARK_DONE, call)
            yield on_call(f"❌ {call.step} was not", Verb.MARK_NOT_DONE, call)
        elif call.status is Status.COMPLETED and undo_row(scene):
            yield on_call(f"↩️ Undo {call.step}", Verb.UNDO, call)
        elif call.status in {Status.FAILED, Status.TIMED_OUT} and call.undo_of is None:
            yield on_call(f"🔁 Retry {call.step}", Verb.AGAIN, call)


def _on_run(text: str, verb: RunVerb, run: RunView, *, style: str = "") -> Button:
    return Button(text=text, data=RunButton(verb, run.record.id, asked(run.calls)).encode(), style=style)
