"""/policy: what the rules are, why a call is decided as it is, and the common limits by buttons."""

from __future__ import annotations

from datetime import datetime

from bot.policy_file import Reloaded
from bot.telegram.members import admins_chats
from bot.telegram.render import policies as render
from bot.telegram.render import texts, toasts
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import reply, say
from bot.telegram.turn import Turn, context_of, known_person, place
from core.engine import Refused
from core.engine.explain import explain_call, explain_wish
from core.engine.limits import set_ask_above
from core.errors import Refusal
from core.guards import visible
from core.ids import TenantId, read_short_id
from core.model import Principal, Role, ToolCall
from core.parsing import Candidate, Reading, Understood, understand
from core.parsing.text import first_word
from core.ports import Records

EXPLAIN = "explain"
_CONFIRMED = "I would first ask whether this is meant."


def command(records: Records, turn: Turn, by: Principal, rest: str) -> Shown:
    """/policy, or /policy explain with a call or a text. Nothing is proposed."""
    word, said = first_word(rest)
    if not rest:
        return _page(records, turn, by)
    if word.lower() != EXPLAIN or not said:
        return render.cannot_explain("I can explain one call, or what you would say.")
    try:
        return _explained(records, turn, by, said)
    except Refusal as refusal:
        return texts.refusal(refusal)


def tapped(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    """A limit was chosen under /policy. Only admins have it; the verb checks that."""
    by = turn.caller(records, known_person(records, turn))
    if argument not in (*render.LIMITS, render.AS_USUAL):
        return toasts.unknown_button()
    amount = None if argument == render.AS_USUAL else argument
    answer = set_ask_above(records, by=by, amount=amount, now=turn.now.wall)
    if isinstance(answer, Refused):
        return toasts.refusal(answer.refusal)
    tenant = answer.tenant
    say(records, turn, render.policy(turn.front.env.policy(), tenant, Role.ADMIN), edit=message_id)
    return toasts.saved(render.limit_words(tenant))


def tell_admins(records: Records, found: Reloaded, *, tenant: TenantId, now: datetime) -> None:
    """Queues what became of a changed policy file, to every admin's private chat."""
    shown = (
        render.refused(found.problem)
        if found.after is None
        else render.reloaded(
            added=found.added,
            removed=found.removed,
            changed=found.changed,
            moved=found.moved,
            rules=len(found.after.rules),
        )
    )
    for chat in admins_chats(records, tenant):
        reply(records, tenant, chat, shown, now=now)


def _page(records: Records, turn: Turn, by: Principal) -> Shown:
    return render.policy(turn.front.env.policy(), turn.team(records), next(iter(by.roles)))


def _explained(records: Records, turn: Turn, by: Principal, said: str) -> Shown:
    call = _call(records, turn, by, said)
    env = turn.front.env
    if call is not None:
        told = explain_call(records, call, now=turn.now, env=env)
        note = "A grant let it through." if call.verdict.grant else ""
        return render.explained(told, title=f"#{call.short_id} {call.title}", note=note)
    understood = _understood(records, turn, said)
    candidate = understood.candidates[0] if understood.candidates else None
    if understood.problem is not None:
        return texts.refusal(understood.problem)
    if candidate is None or by.person is None or understood.reading is Reading.UNKNOWN:
        return render.cannot_explain("I did not understand that.")
    if candidate.missing:
        return render.cannot_explain(f"I would first ask for {candidate.missing[0].replace('_', ' ')}.")
    told = explain_wish(
        records,
        tool=candidate.tool,
        arguments=candidate.arguments,
        requester=by.person,
        conversation=place(records, turn, by.person),
        now=turn.now,
        env=env,
    )
    note = _CONFIRMED if understood.reading is Reading.CONFIRM else ""
    return render.explained(told, title=_words(turn, candidate), note=note)


def _call(records: Records, turn: Turn, by: Principal, said: str) -> ToolCall | None:
    """The call that is named, if it may be known of: else it is taken for a text, as any other."""
    if len(said.split()) != 1:
        return None
    call = records.calls.by_short_id(turn.tenant(records), read_short_id(said))
    role = next(iter(by.roles), None)
    return call if call is not None and visible(call, by=by, role=role) else None


def _understood(records: Records, turn: Turn, said: str) -> Understood:
    return understand(said, registry=turn.front.env.registry, context=context_of(records, turn))


def _words(turn: Turn, candidate: Candidate) -> str:
    return texts.candidate_words(turn.front.env.registry.get(candidate.tool), candidate.arguments)
