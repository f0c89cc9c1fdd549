"""Ways to the boundaries around a card that waits: edits, reasons, more time, grants, the queue."""

from __future__ import annotations

from tests.crash import cases
from tests.crash.cases import Trigger, reaches, saying, tapping
from tests.crash.stage import Stage, data_of, has
from tests.e2e.phone import Seen


async def expense(stage: Stage) -> Seen:
    """A call that can be granted, and that no grant of an earlier case lets through; the approver's card."""
    await stage.up()
    stage.seen.change("UPDATE grants SET revoked_at = created_at WHERE revoked_at IS NULL")
    word = stage.fresh()
    await stage.say("member", f"expense 900 EUR {word}", calls=1)
    return await stage.phones.see("approver", lambda m: word in m["text"] and has(m, "Approve"))


async def below(stage: Stage, card: Seen, button: str, label: str) -> Seen:
    """The short message that a button of the card opens."""
    await stage.settled()
    stage.tap("approver", card, button)
    return await stage.phones.see(
        "approver", lambda m: m["message_id"] > card["message_id"] and has(m, label)
    )


@reaches("said.call", replies=1)
async def a_change_in_words(stage: Stage) -> Trigger:
    card = await stage.ask(stage.fresh())
    text = f"text: {stage.fresh()}"
    return saying(stage, "approver", text, reply_to=card["message_id"])


@reaches("said.call", replies=1)
async def a_decision_in_words(stage: Stage) -> Trigger:
    card = await stage.ask(stage.fresh())
    return saying(stage, "approver", "no: not now", reply_to=card["message_id"])


@reaches("tap.edit", replies=1)
async def opening_the_fields(stage: Stage) -> Trigger:
    return tapping(stage, "approver", await stage.ask(stage.fresh()), "Edit")


@reaches("field", replies=1)
async def choosing_a_field(stage: Stage) -> Trigger:
    card = await stage.ask(stage.fresh())
    fields = await below(stage, card, "Edit", "text:")
    return tapping(stage, "approver", fields, "text:")


@reaches("tap.extend")
async def more_time(stage: Stage) -> Trigger:
    return tapping(stage, "approver", await stage.ask(stage.fresh()), "+1 h")


@reaches("tap.reasons", replies=1)
async def opening_the_reasons(stage: Stage) -> Trigger:
    return tapping(stage, "approver", await stage.ask(stage.fresh()), "Deny with reason")


def a_reason(label: str) -> cases.Prepare:
    """A tap on one of the reasons, which closes the question."""

    async def prepare(stage: Stage) -> Trigger:
        card = await stage.ask(stage.fresh())
        asked = await below(stage, card, "Deny with reason", label)
        return tapping(stage, "approver", asked, label)

    return prepare


for _verb, _label in (
    ("too_expensive", "Too expensive"),
    ("not_now", "Not now"),
    ("wrong_details", "Wrong details"),
    ("not_allowed", "Not allowed"),
    ("other_reason", "Other"),
    ("back", "Back"),
):
    reaches(f"tap.{_verb}", replies=1)(a_reason(_label))


@reaches("tap.similar", replies=1)
async def opening_the_spans(stage: Stage) -> Trigger:
    card = await expense(stage)
    await stage.settled()
    return tapping(stage, "approver", card, "Approve similar")


def a_grant(label: str) -> cases.Prepare:
    """A grant for one span."""

    async def prepare(stage: Stage) -> Trigger:
        card = await expense(stage)
        spans = await below(stage, card, "Approve similar", label)
        return tapping(stage, "approver", spans, label)

    return prepare


for _verb, _label in (("hour", "1 h"), ("today", "Today"), ("chat", "This chat")):
    reaches(f"tap.grant_{_verb}", replies=1)(a_grant(_label))


@reaches("grants", replies=1)
async def ending_a_grant(stage: Stage) -> Trigger:
    spans = await below(stage, await expense(stage), "Approve similar", "1 h")
    stage.tap("approver", spans, "1 h")
    await stage.phones.see(
        "approver", lambda m: m["message_id"] == spans["message_id"] and "is approved" in m["text"]
    )
    await stage.settled()
    asked = await stage.say("approver", "/grants")
    listed = await stage.phones.see(
        "approver", lambda m: m["message_id"] > asked["message_id"] and has(m, "Revoke")
    )
    return tapping(stage, "approver", listed, data=data_of(listed, "Revoke"))


def a_comment(label: str) -> cases.Prepare:
    """A tap that says what a reply to the card was."""

    async def prepare(stage: Stage) -> Trigger:
        card = await stage.ask(stage.fresh())
        await stage.settled()
        said = await stage.say("approver", "that is a lot", reply_to=card["message_id"])
        asked = await stage.phones.see(
            "approver", lambda m: m["message_id"] > said["message_id"] and has(m, label)
        )
        return tapping(stage, "approver", asked, label)

    return prepare


reaches("tap.deny_with_it", replies=1)(a_comment("Deny, with it"))
reaches("tap.approve_with_it", replies=1)(a_comment("Approve, with it"))


@reaches("pending.next", replies=3)
async def the_next_in_the_queue(stage: Stage) -> Trigger:
    """The queue and its card come below, and both say so where they were."""
    for _ in range(2):
        await stage.ask(stage.fresh())
    await stage.settled()
    asked = await stage.say("approver", "/pending")
    queue = await stage.phones.see(
        "approver", lambda m: m["message_id"] > asked["message_id"] and has(m, "Next")
    )
    return tapping(stage, "approver", queue, data=data_of(queue, "Next"))
