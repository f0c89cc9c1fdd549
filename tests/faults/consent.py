"""Edits, grants, runs and tokens, made as people make them, for faults of what is stored of them."""

from __future__ import annotations

from datetime import timedelta

from bot.bootstrap import Countersign, new_id
from core.engine import Refused
from core.engine.members import at_machine
from core.engine.tokens import Issued, issue
from core.ids import AccountId, TokenId
from core.model import ApiToken
from core.ports import Records
from tests.e2e.phone import Seen, labels
from tests.e2e.talk import ask, becomes, card_at, data
from tests.faults.stage import Town


async def edited(town: Town, paper: str) -> Seen:
    """A stamp that the member asked for and the approver changed; the approver's card as it is then."""
    (card,) = await town.asked(paper)
    said = await ask(town.phones, "approver", f"text: {paper}!", reply_to=card["message_id"])
    assert "changed" in said["text"].casefold(), said["text"]
    return await card_at(town.phones, "approver", f"{paper}!")


async def granted(town: Town, what: str, *, amount: int = 900) -> Seen:
    """A grant of an hour, made from an expense of the member that is done; the member's card of it."""
    phones = town.phones
    mine = await ask(phones, "member", f"expense {amount} EUR {what}", "Approval needed")
    card = await card_at(phones, "approver", f"{what}\n")
    await phones.tap("approver", card, data=data(card, "Approve similar"))
    spans = await phones.see(
        "approver", lambda m: m["message_id"] > card["message_id"] and "1 h" in " ".join(labels(m))
    )
    await phones.tap("approver", spans, "1 h")
    return await becomes(phones, mine, "Done")


async def a_run(town: Town, *papers: str) -> Seen:
    """Stamps that the member asks for in one message; the approver's card of all of them."""
    await town.phones.say("member", "\n".join(f"/stamp {paper}" for paper in papers))
    return await town.phones.see(
        "approver",
        lambda m: "run #" in m["text"] and papers[0] in m["text"] and "Approve all" in " ".join(labels(m)),
    )


async def a_token(product: Countersign) -> ApiToken:
    """A token for the home team's first member and one account, as `countersign token create` makes it."""
    now = product.clock.now()

    def work(records: Records) -> Issued | Refused:
        token = ApiToken(
            id=TokenId(new_id()),
            tenant_id=product.home,
            person_id=records.people.members(product.home)[0].person_id,
            name="the till",
            account_ids=(AccountId("till"),),
            created_at=now,
            expires_at=now + timedelta(days=1),
        )
        return issue(records, token, by=at_machine(product.home), now=now)

    issued = await product.db.writer.run("test", work)
    assert isinstance(issued, Issued)
    return issued.token
