"""Which action comes to which boundary: what is done before it, and what reaches it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from tests.crash.stage import Stage, data_of, has
from tests.e2e.phone import Seen

Trigger = Callable[[], Coroutine[Any, Any, None]]
Prepare = Callable[[Stage], Awaitable[Trigger]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A way to a boundary. `prepare` gives the action that reaches it; with `at_start`, a start does.
    `replies`: how many plain messages the bot owes for the action, however often it died over it.
    `retried`: whether the action is taken up again after a restart. `repeated`: whoever did it gets no answer
    from the dead, and does it once more. `command`: what starts is no bot, but a command at the machine."""

    prepare: Prepare
    at_start: bool = False
    replies: int = 0
    retried: bool = True
    repeated: bool = False
    command: bool = False


CASES: Final[dict[str, list[Case]]] = {}
"""By the name of a boundary, or of a unit of work."""


def reaches(*names: str, **how: Any) -> Callable[[Prepare], Prepare]:
    """The decorated function prepares what comes to these boundaries."""

    def note(prepare: Prepare) -> Prepare:
        for name in names:
            CASES.setdefault(name, []).append(Case(prepare=prepare, **how))
        return prepare

    return note


async def nothing() -> None:
    """The action of those that a start reaches."""


def saying(stage: Stage, person: str, text: str, *, calls: int = 0, **more: Any) -> Trigger:
    async def trigger() -> None:
        await stage.say(person, text, calls=calls, **more)

    return trigger


def tapping(stage: Stage, person: str, message: Seen, label: str = "", *, data: str = "") -> Trigger:
    async def trigger() -> None:
        stage.tap(person, message, label, data=data)

    return trigger


# --- starting ----------------------------------------------------------------------------------------------


@reaches("tenant", "beat", "claim_code", "demo.people", at_start=True)
async def a_start(stage: Stage) -> Trigger:
    await stage.down()
    return nothing


@reaches("inbox.corrupt", at_start=True)
async def an_update_that_cannot_be_read(stage: Stage) -> Trigger:
    await stage.down()
    bot = next(iter(stage.sandbox.world.bots))
    number = stage.seen.number("SELECT count(*) FROM inbox WHERE update_id < 1000") + 1
    stage.seen.change("INSERT INTO inbox VALUES (?, ?, '{\"update_id\": ', 0, NULL, NULL)", bot, number)
    return nothing


@reaches("recover", at_start=True)
async def attempts_of_the_dead(stage: Stage) -> Trigger:
    """One that may be repeated and one that may not, both in hand when the worker died."""
    await stage.up()
    await stage.say("member", f"/hang {stage.fresh()}", calls=1)
    await stage.life_sees("SELECT count(*) FROM tool_calls WHERE tool = 'hang' AND status = 'running'")
    await stage.dies_at("tool.after", saying(stage, "member", f"/tick {stage.fresh()}", calls=1))
    return nothing


# --- what people write -------------------------------------------------------------------------------------


@reaches("inbox.store", "inbox.stored", "inbox.before_confirm", "said", "mirror")
@reaches("relay.before_send", "relay.after_send", "relay.sent")
async def a_request(stage: Stage) -> Trigger:
    return saying(stage, "member", f"/stamp {stage.fresh()}", calls=1)


@reaches("command", replies=1)
async def a_command(stage: Stage) -> Trigger:
    return saying(stage, "member", "/help")


@reaches("command.start", replies=1)
async def a_greeting(stage: Stage) -> Trigger:
    return saying(stage, "admin", "/start")


@reaches("history", replies=1)
async def a_history(stage: Stage) -> Trigger:
    return saying(stage, "admin", "/history")


@reaches("pending", replies=2)
async def a_queue(stage: Stage) -> Trigger:
    """The first card comes to the end, and what it was before says so."""
    await stage.ask(stage.fresh())
    return saying(stage, "approver", "/pending")


@reaches("stranger", replies=1)
async def a_stranger(stage: Stage) -> Trigger:
    await add(stage, "stranger")
    return saying(stage, "stranger", "expense 900 EUR sweets")


@reaches("ignored")
async def small_talk(stage: Stage) -> Trigger:
    """It names the bot, and speaks to another one."""
    return saying(stage, "member", "/do@other_bot what @countersign_bot cannot", chat="group")


@reaches("not_text", replies=1)
async def a_file(stage: Stage) -> Trigger:
    return saying(stage, "member", "", file={"name": "voice.ogg", "text": "no text"})


@reaches("tool.write")
async def a_tool_that_keeps_records(stage: Stage) -> Trigger:
    return saying(stage, "member", f"create task: buy {stage.fresh()}", calls=1)


@reaches("choose", replies=1)
async def an_answer_to_did_you_mean(stage: Stage) -> Trigger:
    word = stage.fresh()
    await stage.up()
    asked = await stage.say("member", f"crate task: {word}")
    question = await stage.phones.see("member", lambda m: word in m["text"] and bool(m["buttons"]))

    async def trigger() -> None:
        stage.asked[asked["chat_id"], asked["message_id"]] = 1
        stage.tap("member", question, data=question["buttons"][0][0]["data"])

    return trigger


@reaches("setting", replies=1)
async def a_setting(stage: Stage) -> Trigger:
    await stage.up()
    asked = await stage.say("admin", "/settings")
    shown = await stage.phones.see(
        "admin", lambda m: m["message_id"] > asked["message_id"] and has(m, "Turn replies")
    )
    return tapping(stage, "admin", shown, "Turn replies")


@reaches("say")
async def an_example(stage: Stage) -> Trigger:
    await stage.up()
    asked = await stage.say("admin", "/start")
    shown = await stage.phones.see(
        "admin", lambda m: m["message_id"] > asked["message_id"] and bool(m["buttons"])
    )
    return tapping(stage, "admin", shown, data=shown["buttons"][0][0]["data"])


# --- chats -------------------------------------------------------------------------------------------------


async def add(stage: Stage, key: str) -> None:
    """Somebody new, once."""
    if not any(person.key == key for person in stage.sandbox.world.people.values()):
        await stage.phones.post("people", key=key, action="add", name=key.capitalize())


@reaches("inbox.done")
async def somebody_comes_or_goes(stage: Stage) -> Trigger:
    """A service message, which no handler wants."""
    await add(stage, "guest")
    guest = next(p.id for p in stage.sandbox.world.people.values() if p.key == "guest")
    action = "remove" if guest in stage.sandbox.world.group.members else "add"

    async def trigger() -> None:
        await stage.phones.post("members", chat="group", action=action, key="guest")

    return trigger


@reaches("membership")
async def a_block(stage: Stage) -> Trigger:
    await add(stage, "shy")
    shy = next(p for p in stage.sandbox.world.people.values() if p.key == "shy")
    action = "unblock" if shy.blocked else "block"

    async def trigger() -> None:
        await stage.phones.post("people", key="shy", action=action)

    return trigger


@reaches("migrated")
async def a_group_that_moves(stage: Stage) -> Trigger:
    async def trigger() -> None:
        await stage.phones.post("members", chat="group", action="migrate")

    return trigger


# --- what people tap ---------------------------------------------------------------------------------------


@reaches("tap.approve", "start", "tool.before", "tool.after", "finish")
async def an_approval(stage: Stage) -> Trigger:
    return tapping(stage, "approver", await stage.ask(stage.fresh()), "Approve")


@reaches("tool.before", "tool.after", "finish")
async def what_may_be_repeated(stage: Stage) -> Trigger:
    return saying(stage, "member", f"/tick {stage.fresh()}", calls=1)


@reaches("tap.deny")
async def a_denial(stage: Stage) -> Trigger:
    return tapping(stage, "approver", await stage.ask(stage.fresh()), "Deny")


@reaches("tap.cancel")
async def a_withdrawal(stage: Stage) -> Trigger:
    word = stage.fresh()
    await stage.ask(word)
    own = await stage.phones.see("member", lambda m: word in m["text"] and has(m, "Cancel"))
    return tapping(stage, "member", own, "Cancel")


@reaches("tap.undo")
async def an_undo(stage: Stage) -> Trigger:
    await stage.up()
    asked = await stage.say("member", f"/tick {stage.fresh()}", calls=1)
    line = await stage.phones.see(
        "member", lambda m: m["message_id"] > asked["message_id"] and has(m, "Undo")
    )
    return tapping(stage, "member", line, "Undo")


@reaches("tap.again")
async def asking_again(stage: Stage) -> Trigger:
    word = stage.fresh()
    stage.tap("approver", await stage.ask(word), "Deny")
    card = await stage.phones.see("member", lambda m: word in m["text"] and has(m, "Ask again"))
    return tapping(stage, "member", card, "Ask again")


@reaches("tap.details", replies=1)
async def showing_a_card_again(stage: Stage) -> Trigger:
    await stage.ask(stage.fresh())
    asked = await stage.say("approver", "/pending")
    queue = await stage.phones.see(
        "approver", lambda m: m["message_id"] > asked["message_id"] and has(m, "Show")
    )
    return tapping(stage, "approver", queue, data=data_of(queue, "Show"))


@reaches("tap.unknown")
async def a_forged_button(stage: Stage) -> Trigger:
    return tapping(stage, "approver", await stage.ask(stage.fresh()), data="not ours")


async def interrupted(stage: Stage) -> Seen:
    """A stamp that had its effect, whose end nobody saw; the member's card, with its three buttons."""
    word = stage.fresh()
    copy = await stage.ask(word)
    await stage.dies_at("tool.after", tapping(stage, "approver", copy, "Approve"))
    await stage.up()
    return await stage.phones.see("member", lambda m: word in m["text"] and has(m, "Mark not done"))


@reaches("tap.mark_done")
async def marking_done(stage: Stage) -> Trigger:
    card = await interrupted(stage)
    return tapping(stage, "member", card, data=data_of(card, "Mark done"))


@reaches("tap.mark_not_done")
async def marking_not_done(stage: Stage) -> Trigger:
    return tapping(stage, "member", await interrupted(stage), "Mark not done")


@reaches("tap.run_again")
async def running_again(stage: Stage) -> Trigger:
    return tapping(stage, "member", await interrupted(stage), "Run again")


# --- time and the clockwork --------------------------------------------------------------------------------


@reaches("expire")
async def time_that_runs_out(stage: Stage) -> Trigger:
    await stage.ask(stage.fresh())
    await stage.settled()

    async def trigger() -> None:
        await stage.advance(25 * 3600)

    return trigger


@reaches("renew")
async def a_lease(stage: Stage) -> Trigger:
    life = await stage.up()

    async def trigger() -> None:
        await stage.say("member", f"/hang {stage.fresh()}", calls=1)
        await stage.life_sees("SELECT count(*) FROM tool_calls WHERE tool = 'hang' AND status = 'running'")
        life.tell("renew")

    return trigger


@reaches("begin")
async def another_try(stage: Stage) -> Trigger:
    await stage.up()
    return saying(stage, "member", f"/waver {stage.fresh()}", calls=1)


@reaches("head", replies=1, retried=False)
async def the_daily_head(stage: Stage) -> Trigger:
    life = await stage.up()

    async def trigger() -> None:
        life.tell("head")

    return trigger


# --- rows that cannot be read ------------------------------------------------------------------------------


@reaches("set_aside", at_start=True)
async def a_call_that_cannot_be_read(stage: Stage) -> Trigger:
    """It was allowed and waits for a worker."""
    await stage.dies_at("start.before_commit", saying(stage, "member", f"/tick {stage.fresh()}", calls=1))
    stage.seen.change(
        "UPDATE tool_calls SET arguments = '{\"text\": ' WHERE status = 'pending' AND tool = 'tick'"
    )
    return nothing


@reaches("relay.stumble", at_start=True)
async def a_message_that_lacks_what_it_needs(stage: Stage) -> Trigger:
    """A mistake of ours that no retry mends: it was tried often enough."""
    await stage.dies_at("relay.before_send", saying(stage, "member", "/help"))
    stage.seen.change(
        "UPDATE outbox SET payload = '{}', tries = 1000 WHERE kind = 'show' AND done_at IS NULL"
    )
    return nothing


@reaches("relay.corrupt", at_start=True)
async def a_card_that_cannot_be_read(stage: Stage) -> Trigger:
    """It was asked for and its card was not sent yet."""
    word = stage.fresh()
    await stage.dies_at("relay.before_send", saying(stage, "member", f"/stamp {word}", calls=1))
    stage.seen.change("UPDATE tool_calls SET verdict = 'null' WHERE arguments LIKE ?", f'%"{word}"%')
    return nothing
