"""Several actions in one message, through the phones: one card, decided as one or one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.model import Risk
from core.ports import Records
from tests.e2e.ledger import effects, stamp
from tests.e2e.lives import settled
from tests.e2e.phone import Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, data

THREE = "/stamp one\n/stamp two\n/stamp three"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "effects.ledger"


@pytest.fixture
async def demo(tmp_path: Path, ledger: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path / "data", extra=[stamp(ledger)]) as running:
        yield running


def is_run(message: Seen) -> bool:
    return "run #" in message["text"] and bool(message["buttons"])


async def three(demo: Demo) -> tuple[Seen, Seen]:
    """The member asks for three stamps in one message: their card and the approver's."""
    phones, _ = demo
    mine = await ask(phones, "member", THREE, is_run)
    return mine, await phones.see("approver", is_run)


async def test_a_run_of_three_with_a_mixed_decision(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    mine, copy = await three(demo)
    for text in ("one", "two", "three"):
        assert f"Stamp {text}" in copy["text"]
        assert f'text: "{text}"' in copy["text"]
    assert "Approval needed for 3 of 3 steps" in copy["text"]
    assert labels(copy)[:5] == ["✅ Approve all 3", "⛔ Deny all", "☑️ One by one", "⏱ +1 h", "✖️ Cancel"]
    await phones.tap("approver", copy, "One by one")
    copy = await becomes(phones, copy, lambda m: "✅ 1" in labels(m))
    assert not (await phones.tap("approver", copy, data=data(copy, "⛔ 2")))["alert"]
    copy = await becomes(phones, copy, "Approval needed for 2 of 3 steps")
    assert "Denied by" in copy["text"]
    told = await phones.tap("approver", copy, "Approve all")
    assert told["text"].startswith("Approved: 2 steps")
    ended = await becomes(phones, mine, "Ended: 2 done · 1 not run")
    assert sorted(effects(ledger).values()) == [1, 1]
    assert "Stamped one" in ended["text"]
    assert "Stamped three" in ended["text"]
    assert "Approve" not in " ".join(labels(ended))
    await becomes(phones, copy, "Ended: 2 done · 1 not run")


async def test_approving_all_runs_them_in_the_order_that_they_were_said(demo: Demo, ledger: Path) -> None:
    phones, product = demo
    mine, copy = await three(demo)
    await phones.tap("approver", copy, "Approve all")
    await becomes(phones, mine, "All done")
    await settled(product)

    def steps(records: Records) -> list[str]:
        card = records.cards.at(mine["chat_id"], mine["message_id"])
        assert card is not None
        assert card.run_id is not None
        return [call.id for call in records.runs.calls(card.run_id)]

    assert list(effects(ledger)) == await product.db.reader.read(steps)


async def test_what_the_tapper_may_not_sign_is_left_and_told(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    mine, _ = await three(demo)
    told = await phones.tap("member", mine, "Approve all")
    assert told["alert"]
    assert told["text"].startswith("Not steps 1, 2, 3: You asked for this")
    assert not effects(ledger)


async def test_denying_all_changes_nothing(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    mine, copy = await three(demo)
    told = await phones.tap("approver", copy, "Deny all")
    assert told["text"] == "Denied: 3 steps. Nothing of it was done."
    await becomes(phones, mine, "Ended: 0 done · 3 not run")
    late = await phones.tap("approver", copy, data=data(copy, "Approve all"))
    assert late["alert"]
    assert "waits for a signature any more" in late["text"]
    assert not effects(ledger)


async def test_the_requester_withdraws_the_rest(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    mine, copy = await three(demo)
    await phones.tap("approver", copy, data=data(copy, "One by one"))
    copy = await becomes(phones, copy, lambda m: "✅ 1" in labels(m))
    await phones.tap("approver", copy, data=data(copy, "✅ 1"))
    await becomes(phones, mine, "Stamped one")
    told = await phones.tap("member", mine, "Cancel")
    assert told["text"] == "Withdrawn: 2 steps. Nothing of it was done."
    await becomes(phones, mine, "Ended: 1 done · 2 not run")
    assert len(effects(ledger)) == 1


async def test_a_button_of_somebody_who_does_not_see_the_run_finds_nothing(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    said = await ask(phones, "admin", THREE, is_run)
    welcome = (await phones.messages("member"))[-1]
    for label in ("Approve all", "Deny all", "One by one", "Cancel"):
        told = await phones.tap("member", welcome, data=data(said, label))
        assert told["alert"]
        assert told["text"] == "There is no such call here."
    assert not effects(ledger)


async def test_harmless_steps_run_at_once_and_the_card_says_so(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 12 EUR taxi and expense 40 EUR dinner", "All done")
    assert "taxi" in card["text"]
    assert "dinner" in card["text"]
    listed = await ask(phones, "member", "/expenses", "52.00")
    assert "taxi" in listed["text"]


async def test_what_is_one_action_stays_one(demo: Demo) -> None:
    phones, _ = demo
    line = await ask(phones, "member", "/task buy milk and eggs", "buy milk and eggs")
    assert "run #" not in line["text"]


async def test_a_step_is_decided_by_its_own_short_id(demo: Demo, ledger: Path) -> None:
    phones, product = demo
    mine, copy = await three(demo)
    steps = [word.strip("#") for word in copy["text"].split() if word.startswith("#")][1:]
    found = await ask(phones, "approver", f"/call {steps[1]}", "Stamp two")
    await phones.tap("approver", found, "Decide it by itself")
    await settled(product)
    own = await phones.see(
        "approver",
        lambda m: "Stamp two" in m["text"] and "run #" not in m["text"] and "✅ Approve" in labels(m),
    )
    await phones.tap("approver", own, "✅ Approve")
    await becomes(phones, mine, "Stamped two")
    assert len(effects(ledger)) == 1


async def test_a_button_from_before_a_change_decides_nothing(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    _, copy = await three(demo)
    for label in ("Approve all", "Deny all"):
        verb, run, asked = data(copy, label).split(":")
        told = await phones.tap("approver", copy, data=f"{verb}:{run}:{int(asked) - 1}")
        assert told["alert"]
        assert "A step changed since" in told["text"]
    assert "3 of 3" in (await phones.see("approver", is_run))["text"]
    assert not effects(ledger)


async def test_approving_all_with_something_critical_in_it_takes_a_second_tap(
    tmp_path: Path, ledger: Path
) -> None:
    async with running_demo(tmp_path / "data", extra=[stamp(ledger, risk=Risk.CRITICAL)]) as demo:
        phones, _ = demo
        mine, copy = await three(demo)
        for signer in ("approver", "admin"):
            card = copy if signer == "approver" else await phones.see(signer, is_run)
            first = await phones.tap(signer, card, data=data(card, "Approve all"))
            assert first["alert"]
            assert "once more" in first["text"]
            assert not effects(ledger)
            second = await phones.tap(signer, card, data=data(card, "Approve all"))
            after = "That counts; more" if signer == "approver" else "They run in order"
            assert second["text"].startswith(f"Approved: 3 steps. {after}")
        await becomes(phones, mine, "All done")
        assert sorted(effects(ledger).values()) == [1, 1, 1]


async def test_what_does_not_fit_counts_only_after_it_was_sent(demo: Demo, ledger: Path) -> None:
    """In private the rest comes as a file with the card; who was sent neither cannot sign all."""
    phones, product = demo
    text = "\n".join(f"/stamp {letter * 900}" for letter in "abcd")
    await phones.say("member", text)
    copy = await phones.see("approver", is_run)
    await phones.see("approver", lambda m: "All steps of run" in str(m))
    await settled(product)
    assert "Approve counts only after it was sent to you" in copy["text"]
    told = await phones.tap("approver", copy, data=data(copy, "Approve all"))
    assert told["text"].startswith("Approved: 4 steps")
