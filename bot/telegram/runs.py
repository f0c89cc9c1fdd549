"""Runs in chat: several calls said in one message, and the buttons of a run's card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from bot.telegram.buttons import RunButton, RunVerb
from bot.telegram.jobs import shows_whole
from bot.telegram.render import toasts
from bot.telegram.render.report import document
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import attach
from bot.telegram.tapping import NotShownYet, Tapped, acting_on, told_no
from bot.telegram.turn import Turn, known_person
from core.engine import Proposal, Refused
from core.engine.answers import refused
from core.engine.report import report
from core.engine.runs import (
    RunDecided,
    RunProposed,
    asked,
    cancel_run,
    decide_run,
    extend_run,
    propose_run,
    run_view,
)
from core.errors import Code, Refusal
from core.guards import not_found, visible
from core.ids import CallId
from core.lifecycle import Status
from core.model import Card, Conversation, OnFailure, Principal, Risk, Run, ToolCall
from core.parsing import Candidate
from core.policy.evaluate import eligible
from core.ports import Records


def propose_several(
    records: Records,
    turn: Turn,
    candidates: Sequence[Candidate],
    conversation: Conversation,
    by: Principal,
    *,
    message_id: int,
) -> RunProposed | Refused:
    """Proposes what one message asked for as a run. Nothing in it needs another: what was said in one breath
    is done in order, and one that is denied or fails takes nothing else with it."""
    proposals = [
        Proposal(
            tool=candidate.tool,
            arguments=candidate.arguments,
            conversation=conversation,
            message=message_id,
            place=number,
        )
        for number, candidate in enumerate(candidates)
    ]
    return propose_run(
        records,
        proposals,
        title="",
        needs=dict.fromkeys(range(1, len(proposals) + 1), ()),
        on_failure=OnFailure.CONTINUE,
        by=by,
        now=turn.now,
        env=turn.front.env,
    )


class RunTap(Struct, frozen=True, kw_only=True):
    """One tap on a run's button, inside its transaction. `card` is the tapped message, if it is a card of
    this run; `final` says that what the chat shows has settled."""

    records: Records
    turn: Turn
    record: Run
    calls: Sequence[ToolCall]
    by: Principal
    card: Card | None
    message_id: int
    revision: int
    final: bool

    @property
    def waiting(self) -> Sequence[ToolCall]:
        """The steps that wait for a signature."""
        return [call for call in self.calls if call.status is Status.PROPOSED]

    def refuse(self, refusal: Refusal, verb: str) -> Tapped:
        """Records a refusal of this door's own, and tells it."""
        first = self.calls[0]
        return told_no(
            refused(self.records, refusal, verb=verb, by=self.by, now=self.turn.now.wall, call=first)
        )


def act(records: Records, turn: Turn, button: RunButton, message_id: int, *, final: bool) -> Tapped:
    """One tap on a button of a run: who taps, on which card; then what the button does."""
    person = known_person(records, turn)
    run = records.runs.get(button.run_id)
    calls = [] if run is None else list(records.runs.calls(button.run_id))
    role = None if run is None else records.people.role(run.tenant_id, person.id)
    by = acting_on(records, turn, person, calls[0] if calls else None)
    card = records.cards.at(turn.chat.id, message_id)
    here = card if card is not None and run is not None and card.run_id == run.id else None
    seen = here is not None and role is not None
    if run is None or not (seen or any(visible(call, by=by, role=role) for call in calls)):
        verb = button.verb.name.lower()
        return told_no(refused(records, not_found(), verb=verb, by=by, now=turn.now.wall))
    tap = RunTap(
        records=records,
        turn=turn,
        record=run,
        calls=calls,
        by=by,
        card=here,
        message_id=message_id,
        revision=button.revision,
        final=final,
    )
    return _VERBS[button.verb](tap)


def _approve_all(tap: RunTap) -> Tapped:
    """Signs every step that waits, was shown to this person and is theirs to sign."""
    problem = _out_of_date(tap)
    if problem is not None:
        return tap.refuse(problem, "approve_all")
    _note_delivery(tap)
    if _asks_once_more(tap):
        return Tapped(toasts.once_more())
    return _decided(tap, approve=[call.step or 0 for call in tap.waiting], deny=[])


def _deny_all(tap: RunTap) -> Tapped:
    """Says no to every step that waits."""
    problem = _out_of_date(tap)
    if problem is not None:
        return tap.refuse(problem, "deny_all")
    return _decided(tap, approve=[], deny=[call.step or 0 for call in tap.waiting])


def _cancel_all(tap: RunTap) -> Tapped:
    """Withdraws what has not started."""
    answer = cancel_run(
        tap.records,
        by=tap.by,
        run_id=tap.record.id,
        shown=tap.card is not None,
        now=tap.turn.now,
        env=tap.turn.front.env,
    )
    if isinstance(answer, Refused):
        return told_no(answer)
    return _told(answer, "Withdrawn")


def _extend_all(tap: RunTap) -> Tapped:
    """Gives what waits for a signature one hour more."""
    answer = extend_run(
        tap.records,
        by=tap.by,
        run_id=tap.record.id,
        shown=tap.card is not None,
        now=tap.turn.now,
        env=tap.turn.front.env,
    )
    if isinstance(answer, Refused):
        return told_no(answer)
    if answer.refused:
        return _told(answer, "One hour more")
    return Tapped(toasts.run_extended(len(answer.done)))


def _one_by_one(tap: RunTap) -> Tapped:
    """Gives the tapped card buttons for each step. Nothing is decided by it."""
    tap.turn.front.relay.step_buttons(tap.turn.chat.id, tap.message_id, opened=True)
    return Tapped(Toast(""), look_again=True)


def _together(tap: RunTap) -> Tapped:
    """Takes them away again."""
    tap.turn.front.relay.step_buttons(tap.turn.chat.id, tap.message_id, opened=False)
    return Tapped(Toast(""), look_again=True)


def _report(tap: RunTap) -> Tapped:
    """Sends what became of each step, as far as it is known now."""
    run, turn = run_view(tap.records, tap.record), tap.turn
    file = document(run, report(run, registry=turn.front.env.registry))
    attach(tap.records, tap.record.tenant_id, turn.chat.id, file, now=turn.now.wall, thread=turn.thread)
    return Tapped(toasts.report_follows())


def _out_of_date(tap: RunTap) -> Refusal | None:
    """Why "all" cannot mean what is there now."""
    if not tap.waiting:
        told = f"No step of run #{tap.record.short_id} waits for a signature any more."
        return Refusal(Code.ALREADY_DECIDED, told)
    if tap.revision != asked(tap.calls):
        told = "A step changed since. Showing the latest version; please look again."
        return Refusal(Code.STALE_REVISION, told)
    return None


def _note_delivery(tap: RunTap) -> None:
    """A card that shows every step in full counts as delivered to the person who taps it there. Raises
    NotShownYet where it is not known yet what it shows."""
    person = tap.by.person
    if person is None:
        return
    if tap.card is not None and shows_whole(tap.records, tap.card, tap.calls[0]):
        for call in tap.waiting:
            tap.records.cards.delivered(call.id, person, call.consent_digest, now=tap.turn.now.wall)
    elif not tap.final and not all(_was_delivered(tap, call) for call in tap.waiting):
        raise NotShownYet


def _was_delivered(tap: RunTap, call: ToolCall) -> bool:
    person = tap.by.person
    return person is not None and tap.records.cards.was_delivered(call.id, person, call.consent_digest)


def _asks_once_more(tap: RunTap) -> bool:
    """Whether this is a first tap that would sign a critical step."""
    person = tap.by.person
    role = None if person is None else tap.records.people.role(tap.record.tenant_id, person)
    critical = [
        call
        for call in tap.waiting
        if call.risk is Risk.CRITICAL
        and person is not None
        and eligible(call.verdict, requester=call.requester_id, person=person, role=role)
        and _was_delivered(tap, call)
    ]
    if person is None or not critical:
        return False
    turn = tap.turn
    return not turn.front.first_taps.is_second(
        person, CallId(tap.record.id), tap.revision, update_id=turn.update_id, now=turn.now.real
    )


def _decided(tap: RunTap, *, approve: Sequence[int], deny: Sequence[int]) -> Tapped:
    answer = decide_run(
        tap.records,
        by=tap.by,
        run_id=tap.record.id,
        revisions={call.step: call.revision for call in tap.calls if call.step is not None},
        approve=approve,
        deny=deny,
        shown=tap.card is not None,
        now=tap.turn.now,
        env=tap.turn.front.env,
    )
    if isinstance(answer, Refused):
        return told_no(answer)
    return _told(answer, "Approved" if approve else "Denied")


def _told(answer: RunDecided, word: str) -> Tapped:
    """What counted, and of what did not the first with its reason."""
    done, said_no = sorted(answer.done), sorted(answer.refused)
    if not said_no:
        still = any(call.step in answer.done and call.status is Status.PROPOSED for call in answer.calls)
        return Tapped(toasts.all_of_run(word, len(done), more_needed=still))
    first = answer.refused[said_no[0]].refusal
    return Tapped(toasts.some_of_run(word, done, said_no, first), look_again=True)


_VERBS: Final[Mapping[RunVerb, Callable[[RunTap], Tapped]]] = {
    RunVerb.APPROVE_ALL: _approve_all,
    RunVerb.DENY_ALL: _deny_all,
    RunVerb.CANCEL_ALL: _cancel_all,
    RunVerb.EXTEND_ALL: _extend_all,
    RunVerb.ONE_BY_ONE: _one_by_one,
    RunVerb.TOGETHER: _together,
    RunVerb.REPORT: _report,
}
