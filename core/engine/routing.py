"""Where a call's cards go: the requester's chat, and the people who are asked to sign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from core.approvals import signers
from core.digest import Json, args_digest, canonical
from core.engine.change import amend
from core.engine.env import Env
from core.engine.expire import schedule
from core.engine.facts import verdict_today
from core.engine.readable import readable, skipping
from core.engine.steps import is_last
from core.ids import CallId, CardId, PersonId, TenantId
from core.lifecycle import ENDS, Status
from core.model import SYSTEM, Card, Channel, Conversation, Membership, PolicyDecision, ToolCall, Verdict
from core.ports import Now, Records

MOST: Final = 500
REQUESTER: Final = "requester"
NOBODY_REACHED: Final = (
    "Nobody who may sign this has opened me yet. Ask one of them to send me /start, then /pending."
)
_ALL_AWAY: Final = "Those who may sign this are away. They were asked all the same."
_SURELY_SHOWN_BYTES: Final = 1500
"""Arguments up to this size stand on a card in full, however they are spelt out there."""


def route(records: Records, call: ToolCall, conversation: Conversation, *, env: Env) -> None:
    """Adds the cards of a new call, or of a new revision of it, and sets when it is reminded of. Cards are
    queued as soon as the call is told of.

    A call that needs no signature is one line in the requester's chat. One that does is a card there, with
    copies where its verdict says (see `spread`).
    """
    line = call.status in {Status.PENDING, Status.DENIED}
    if conversation.channel is Channel.TELEGRAM:
        _add(
            records,
            call,
            env=env,
            chat=int(conversation.chat),
            thread=conversation.thread,
            reply_to=call.source_message,
            private=conversation.private,
            line=line,
        )
    if call.status is Status.PROPOSED:
        spread(records, call, conversation, now=call.changed_at, env=env)
        schedule(records, call, since=call.changed_at)


def spread(records: Records, call: ToolCall, conversation: Conversation, *, now: datetime, env: Env) -> bool:
    """Adds the copies still missing of a call that waits for a signature; whether there were any.

    They go to those who may sign: in private, or in the approvers' chat, or where the rule says. There are
    none where the requester may sign alone, so that nobody is asked for trifles. What a group's card does not
    show whole goes to each signer in private besides.
    """
    chats = _copies(records, call, conversation, now=now, env=env)
    return _copy(records, call, chats, env=env)


def _copy(records: Records, call: ToolCall, chats: Sequence[int], *, env: Env) -> bool:
    fresh = [
        _add(records, call, env=env, chat=chat, thread=None, reply_to=None, private=chat > 0, line=False)
        for chat in chats
    ]
    return any(fresh)


def _copies(
    records: Records, call: ToolCall, conversation: Conversation, *, now: datetime, env: Env
) -> list[int]:
    """The chats, besides the requester's, that this call's card goes to."""
    chats = _by_rule(records, call, conversation, now=now, env=env)
    if call.verdict.escalated:
        chats += _further_up(records, call, now=now)
    in_groups = not conversation.private or any(chat < 0 for chat in chats)
    if in_groups and not _shown_whole_in_groups(records, call, env=env):
        chats += _private_chats(records, call, now=now)
    return list(dict.fromkeys(chats))


def _by_rule(
    records: Records, call: ToolCall, conversation: Conversation, *, now: datetime, env: Env
) -> list[int]:
    """The chats that the verdict's routing means. A card in the requester's chat alone is seen by signers
    where it is a group; where they are not there, they are asked as usual."""
    verdict, chat = call.verdict, conversation.channel is Channel.TELEGRAM
    signed_there = chat and (verdict.self_approval or not conversation.private)
    if verdict.cards_to == REQUESTER and signed_there:
        return []
    if _is_chat(verdict.cards_to):
        return [int(verdict.cards_to)]
    if not verdict.cards_to and chat and verdict.self_approval:
        return []
    return signers_chats(records, call, now=now, env=env)


def _is_chat(cards_to: str) -> bool:
    return cards_to.removeprefix("-").isdecimal()


def _shown_whole_in_groups(records: Records, call: ToolCall, *, env: Env) -> bool:
    tool = env.registry.find(call.tool)
    masked = tool is None or bool(tool.sensitive)
    return not masked and len(canonical(dict(call.arguments))) <= _surely_shown(records, call)


def _surely_shown(records: Records, call: ToolCall) -> int:
    """The bytes of arguments that surely stand on the card. A run's steps share one, with lines for each."""
    run = None if call.run_id is None else records.runs.get(call.run_id)
    return _SURELY_SHOWN_BYTES if run is None else min(_SURELY_SHOWN_BYTES, 3600 // run.steps - 350)


def show_here(
    records: Records, call: ToolCall, *, chat: int, thread: int | None, private: bool, env: Env
) -> None:
    """Queues the call's card to be sent to this chat anew, at its end."""
    here = next((card for card in records.cards.of(call.id) if card.chat == chat), None)
    if here is None:
        _add(
            records,
            call,
            env=env,
            chat=chat,
            thread=thread,
            reply_to=None,
            private=private,
            line=False,
            alone=True,
        )
    else:
        records.cards.send_anew(here)
    records.outbox.card(call)


def follow_chat(records: Records, *, old: int, new: int, now: datetime) -> None:
    """A chat got a new id and left its messages behind: its open cards are sent anew there."""
    records.people.migrate_chat(Channel.TELEGRAM, str(old), str(new))
    for call_id in records.cards.unsent(new):
        call = readable(records, call_id, now=now)
        if call is not None and (call.status not in ENDS or not is_last(records, call)):
            records.outbox.card(call)


def signers_chats(records: Records, call: ToolCall, *, env: Env, now: datetime | None = None) -> list[int]:
    """The chats in which somebody who may sign can be reached."""
    own = env.home in {None, call.tenant_id}  # no other team's calls are shown in the approvers' chat
    if env.approvers_chat is not None and own and not call.verdict.named:
        return [env.approvers_chat]
    return _private_chats(records, call, now=now or call.changed_at)


def private_chat(records: Records, person: PersonId) -> int | None:
    """Where the bot may write to this person alone."""
    ways = records.people.identities(person)
    chats = (way.private_chat for way in ways if way.channel is Channel.TELEGRAM)
    return next((chat for chat in chats if chat is not None), None)


def people_asked(records: Records, call: ToolCall, *, now: datetime) -> list[PersonId]:
    """Those of whoever may sign that are asked now: without who is away, and without the role that is asked
    once nobody decided, but for those of it who stand in for somebody away. More of them where too few would
    be reached."""
    verdict, members = call.verdict, records.people.members(call.tenant_id)
    may = signers(verdict, requester=call.requester_id, members=members)
    here = [one for one in may if not _is_away(one, now=now)]
    asked = [one for one in may if verdict.escalated or not _asked_later(verdict, one)]
    called = {one.person_id for one in asked} | _stand_ins(records, asked, now=now)
    first = [one for one in here if one.person_id in called]
    for some in (first, here):
        people = [one.person_id for one in some]
        others = [
            one for one in people if one != call.requester_id and private_chat(records, one) is not None
        ]
        if len(others) >= verdict.count:
            return people
    return [one.person_id for one in may]


def _stand_ins(records: Records, asked: Sequence[Membership], *, now: datetime) -> set[PersonId]:
    """Whom those who are away have named. It gives nobody a right: only who may sign is asked."""
    away = [records.people.person(one.person_id) for one in asked if _is_away(one, now=now)]
    return {person.stand_in for person in away if person is not None and person.stand_in is not None}


def _asked_later(verdict: Verdict, one: Membership) -> bool:
    return verdict.escalate_to is not None and one.role.includes(verdict.escalate_to)


def _is_away(one: Membership, *, now: datetime) -> bool:
    return one.away_until is not None and now < one.away_until


def _private_chats(records: Records, call: ToolCall, *, now: datetime) -> list[int]:
    return _chats_of(records, people_asked(records, call, now=now))


def _further_up(records: Records, call: ToolCall, *, now: datetime) -> list[int]:
    """The private chats of those who are asked because nobody had decided."""
    asked = people_asked(records, call, now=now)
    members = records.people.members(call.tenant_id)
    people = [one for one in members if one.person_id in asked and _asked_later(call.verdict, one)]
    return _chats_of(records, (one.person_id for one in people))


def _chats_of(records: Records, people: Iterable[PersonId]) -> list[int]:
    """Where the bot may write to each of them alone, of those who have opened it."""
    chats = (private_chat(records, person) for person in people)
    return [chat for chat in chats if chat is not None]


def with_reach(records: Records, call: ToolCall, place: Conversation, *, now: datetime, env: Env) -> ToolCall:
    """The call, saying so on its card where nobody who may sign can be reached, or where they are away."""
    alone = place.private and call.status is Status.PROPOSED and not call.verdict.self_approval
    if not alone or call.verdict.note or _is_chat(call.verdict.cards_to):
        return call
    if not signers_chats(records, call, now=now, env=env):
        return replace(call, verdict=replace(call.verdict, note=NOBODY_REACHED))
    members = records.people.members(call.tenant_id)
    if not any(_is_away(one, now=now) for one in members):
        return call
    asked = people_asked(records, call, now=now)
    if asked and all(_is_away(one, now=now) for one in members if one.person_id in asked):
        return replace(call, verdict=replace(call.verdict, note=_ALL_AWAY))
    return call


def ask_others(records: Records, call_id: CallId, *, lost: int, now: Now, env: Env) -> None:
    """A card of the call cannot be delivered to this chat: asks those who may sign elsewhere, and says so on
    the requester's card where nobody is left."""
    call = readable(records, call_id, now=now.wall)  # as it is now: it was sent as it was a while ago
    place = None if call is None else records.people.conversation(call.conversation_id)
    if call is None or call.status is not Status.PROPOSED or place is None or str(lost) == place.chat:
        return
    chats = [chat for chat in _private_chats(records, call, now=now.wall) if chat != lost]
    if _copy(records, call, chats, env=env):
        records.outbox.card(call)
    elif not chats and place.private and not call.verdict.self_approval:
        verdict = replace(call.verdict, note=NOBODY_REACHED)
        if verdict != call.verdict:
            amend(records, call, "unreached", by=SYSTEM, now=now.wall, verdict=verdict)


def reroute(records: Records, tenant_id: TenantId, *, now: Now, env: Env) -> None:
    """Roles changed: each call of the team that waits for a signature is asked of those who may sign today,
    and its card says so; also where nobody may any more. At most `MOST` calls, the newest first."""
    for call_id in records.calls.asked(tenant_id, limit=MOST):
        call = readable(records, call_id, now=now.wall)
        place = None if call is None else records.people.conversation(call.conversation_id)
        if call is not None and place is not None:
            with skipping(records, now=now.wall):
                _reroute(records, call, place, now=now, env=env)


def reach(records: Records, person: PersonId, *, now: Now, env: Env) -> None:
    """Somebody opened or closed their private chat: what waits in their teams is asked of who can be reached
    now."""
    for tenant_id in records.people.tenants_of(person):
        reroute(records, tenant_id, now=now, env=env)


def _reroute(records: Records, call: ToolCall, place: Conversation, *, now: Now, env: Env) -> None:
    verdict = _asked_today(records, call, now=now.wall, env=env)
    after = with_reach(records, replace(call, verdict=verdict), place, now=now.wall, env=env)
    spread(records, after, place, now=now.wall, env=env)
    if after.verdict == call.verdict:
        records.outbox.card(call)
        return
    content: dict[str, Json] = {"rule": after.verdict.rule, "note": after.verdict.note}
    amend(records, call, "rerouted", by=SYSTEM, now=now.wall, content=content, verdict=after.verdict)


def _asked_today(records: Records, call: ToolCall, *, now: datetime, env: Env) -> Verdict:
    """Today's verdict, where it still asks for a signature; else the recorded one, which says that signing
    does not help where that is so. What policy allows by now is let through when it is asked for again."""
    tool = env.registry.find(call.tool)
    if tool is None:
        return call.verdict
    digest = args_digest(call.tool, call.tool_version, call.arguments)
    today = verdict_today(records, call, tool, digest=digest, now=now, env=env)
    if today.decision is PolicyDecision.REQUIRES_APPROVAL:
        return replace(today, note=today.note or call.verdict.note) if today.escalated else today
    if today.decision is PolicyDecision.DENY:
        return replace(call.verdict, note=f"Nobody can sign this any more: {today.reason}.")
    return call.verdict


def _add(
    records: Records,
    call: ToolCall,
    *,
    env: Env,
    chat: int,
    thread: int | None,
    reply_to: int | None,
    private: bool,
    line: bool,
    alone: bool = False,
) -> bool:
    """Adds a card, where the chat has none of this call; whether it was new. That of a step is its run's,
    unless `alone`."""
    run_id = None if alone else call.run_id
    return records.cards.add(
        Card(
            id=CardId(env.new_id()),
            call_id=call.id if run_id is None else records.runs.calls(run_id)[0].id,
            tenant_id=call.tenant_id,
            account_id=call.account_id,
            chat=chat,
            thread=thread,
            reply_to=reply_to,
            message_id=None,
            private=private,
            line=line and run_id is None,
            shown_version=0,
            shown_digest=None,
            run_id=run_id,
        )
    )
