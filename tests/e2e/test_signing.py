"""Two signatures on what is critical, with an edit in between; +1 h, a reminder, an end that nobody chose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.model import Channel, Risk, Role
from tests.e2e.ledger import effects, stamp
from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, short


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "effects.ledger"


@pytest.fixture
async def demo(tmp_path: Path, ledger: Path) -> AsyncIterator[Demo]:
    """The stamp is critical here: two approvers, neither of them who asked, a second tap each."""
    async with running_demo(tmp_path / "data", extra=[stamp(ledger, risk=Risk.CRITICAL)]) as running:
        yield running


async def asked(phones: Phones, text: str) -> tuple[Seen, Seen, Seen]:
    """A critical call; the cards of who asked and of the two who may sign."""
    own = await ask(phones, "member", f"/stamp {text}", "Approval needed")
    return own, await card_at(phones, "approver", text), await card_at(phones, "admin", text)


async def signs(phones: Phones, person: str, card: Seen) -> Seen:
    """Two taps; what the second is told."""
    first = await phones.tap(person, card, "Approve")
    assert first["alert"]
    assert "once more within 10 s" in first["text"]
    return await phones.tap(person, card, "Approve")


async def demote(demo: Demo, chat: int) -> None:
    """Somebody is a member only from now on."""
    _, product = demo

    def work(records: object) -> None:
        people = records.people  # type: ignore[attr-defined]
        identity = people.identity(Channel.TELEGRAM, str(chat))
        people.set_role(product.home, identity.person_id, Role.MEMBER, now=product.clock.now())

    await product.db.writer.run("test.demote", work)


async def test_a_critical_call_needs_two_people_who_tap_twice(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    own, paul, ada = await asked(phones, "gold")
    assert "approvals 0/2" in own["text"]
    for name in ("Paul Approver", "Ada Admin"):
        assert name in own["text"], "who may sign is named"
    assert "alike" not in " ".join(labels(own)).lower()
    assert "similar" not in " ".join(labels(own)), "never for critical"
    first = await phones.tap("approver", paul, "Approve")
    assert first["alert"]
    assert "approvals 0/2" in (await phones.messages("member"))[-1]["text"], "the first tap is no vote"
    counted = await phones.tap("approver", paul, "Approve")
    assert not counted["alert"]
    for card in (own, paul, ada):
        seen = await becomes(phones, card, "approvals 1/2")
        assert "Paul Approver ✓" in seen["text"], "every copy shows the tally"
    again = await phones.tap("approver", paul, "Approve")
    assert "already" in again["text"]
    assert not effects(ledger)
    assert not (await signs(phones, "admin", ada))["alert"]
    done = await becomes(phones, own, "Done")
    assert "Paul Approver" in done["text"]
    assert "Ada Admin" in done["text"]
    assert list(effects(ledger).values()) == [1]


async def test_taps_of_different_people_are_first_taps_each(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    own, paul, ada = await asked(phones, "silver")
    for person, card in (("approver", paul), ("admin", ada)):
        assert "once more" in (await phones.tap(person, card, "Approve"))["text"]
    assert "approvals 0/2" in (await becomes(phones, own, "Approval needed"))["text"]
    assert not effects(ledger)


async def test_an_edit_in_between_voids_the_first_signature(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    own, paul, ada = await asked(phones, "iron")
    assert not (await signs(phones, "approver", paul))["alert"]
    await becomes(phones, ada, "approvals 1/2")
    told = await ask(phones, "member", "text: steel", "signing again", reply_to=own["message_id"])
    assert "text: iron → steel" in told["text"]
    for card in (own, paul, ada):
        seen = await becomes(phones, card, "approvals 0/2")
        assert "Mia Member changed text: iron → steel" in seen["text"]
        assert "Stamp steel" in seen["text"]
    stale = await phones.tap("admin", ada, data=data(ada, "Approve"))
    assert stale["alert"]
    assert "changed" in stale["text"]
    for person, card in (("admin", ada), ("approver", paul)):
        fresh = await becomes(phones, card, "Stamp steel")
        assert not (await signs(phones, person, fresh))["alert"]
    done = await becomes(phones, own, "Done")
    assert "Stamped steel" in done["text"]
    assert [line.split(" ", 1)[1] for line in ledger.read_text().splitlines()] == ["steel"]


async def test_a_demoted_approvers_vote_does_not_count(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    own, paul, ada = await asked(phones, "copper")
    assert not (await signs(phones, "approver", paul))["alert"]
    await becomes(phones, ada, "approvals 1/2")
    await demote(demo, paul["chat_id"])
    await signs(phones, "admin", ada)
    assert not effects(ledger)
    seen = await becomes(phones, own, "Approval needed")
    assert "Done" not in seen["text"]
    told = await phones.tap("approver", paul, data=data(paul, "Approve"))
    assert told["alert"]
    assert not effects(ledger)


async def test_a_wrong_tapper_is_told_by_name_who_may_sign(demo: Demo) -> None:
    phones, _ = demo
    own, _, _ = await asked(phones, "zinc")
    told = await phones.tap("member", own, "Approve")
    assert told["alert"]
    assert "Paul Approver" in told["text"]
    assert len(told["text"]) <= 200
    for label in ("Deny with reason", "+1 h"):
        refused = await phones.tap("member", own, label)
        assert refused["alert"], label


async def test_words_do_not_sign_what_is_critical(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    own, paul, _ = await asked(phones, "lead")
    told = await ask(phones, "approver", "ok: fine by me", "critical", reply_to=paul["message_id"])
    assert "Nothing was changed" in told["text"]
    assert "approvals 0/2" in (await becomes(phones, own, "Approval needed"))["text"]
    assert not effects(ledger)


async def test_a_comment_does_not_sign_what_is_critical(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    own, paul, _ = await asked(phones, "chrome")
    what = await ask(phones, "approver", "seems fair", "or a comment", reply_to=paul["message_id"])
    told = await phones.tap("approver", what, "Approve, with it")
    assert told["alert"]
    assert "tap Approve on its card" in told["text"]
    assert "approvals 0/2" in (await becomes(phones, own, "Approval needed"))["text"]
    assert not effects(ledger)


async def test_one_hour_more_a_reminder_and_an_end_that_nobody_chose(demo: Demo, ledger: Path) -> None:
    phones, product = demo
    own, paul, ada = await asked(phones, "tin")
    longer = await phones.tap("approver", paul, "+1 h")
    assert not longer["alert"]
    assert "expires" in longer["text"]
    await phones.post("clock", advance_s=24 * 3600 - 300)
    await product.sweeper.remind()
    await product.sweeper.expire()
    still = await becomes(phones, paul, "Approval needed")
    assert any("Approve" in label for label in labels(still)), "the first day is over, the hour is not"
    await phones.see("approver", lambda m: m["message_id"] > paul["message_id"] and short(paul) in m["text"])
    await phones.post("clock", advance_s=3600 + 600)
    await product.sweeper.remind()
    await product.sweeper.expire()
    for card in (own, paul, ada):
        seen = await becomes(phones, card, "nobody decided")
        assert "Denied" not in seen["text"]
    expired = await becomes(phones, own, "nobody decided")
    await phones.tap("member", expired, "Ask again")
    anew = await card_at(phones, "approver", "Asked again after")
    assert short(own) in anew["text"]
    assert not effects(ledger)
