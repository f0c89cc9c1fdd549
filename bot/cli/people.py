"""Who is meant on the command line, and where what they ask for there is said."""

from __future__ import annotations

from datetime import datetime

from core.errors import Code, Refusal
from core.ids import AccountId, ConversationId, NewId, TenantId
from core.model import Channel, Conversation, Membership, Principal, Role
from core.ports import Records


def asker(records: Records, tenant_id: TenantId, who: str | None) -> Membership:
    """The member of this name, Telegram id or id; without one, the only admin. Raises a Refusal where that is
    nobody, or more than one."""
    members = records.people.members(tenant_id)
    if who is None:
        admins = [member for member in members if member.role is Role.ADMIN]
        if len(admins) == 1:
            return admins[0]
        told = "There is no admin yet." if not admins else f"There are {len(admins)} admins."
        raise Refusal(Code.NOT_FOUND, f"{told} Say with --as who asks for it.")
    exact = [member for member in members if who == member.person_id or who in _telegram(records, member)]
    named = [member for member in members if member.name.casefold() == who.strip().casefold()]
    found = exact or named
    if len(found) != 1:
        many = f"{len(found)} members are" if found else "No member is"
        raise Refusal(
            Code.NOT_FOUND, f"{many} called {who!r}: give the id that `countersign members list` shows."
        )
    return found[0]


def _telegram(records: Records, member: Membership) -> set[str]:
    identities = records.people.identities(member.person_id)
    return {each.subject for each in identities if each.channel is Channel.TELEGRAM}


def speaking(member: Membership) -> Principal:
    """This member, acting from the machine."""
    return Principal(
        person=member.person_id,
        tenant=member.tenant_id,
        roles=frozenset({member.role}),
        channel=Channel.CLI,
    )


def place_of(
    records: Records, member: Membership, *, new_id: NewId, now: datetime, keep: bool = True
) -> Conversation:
    """Where what they ask for shows up: their private chat with the bot, if they have opened it; else a
    place of their own at this machine, made on first sight if `keep`."""
    for identity in records.people.identities(member.person_id):
        if identity.channel is Channel.TELEGRAM and identity.private_chat is not None:
            chat = str(identity.private_chat)
            found = records.people.conversation_at(member.tenant_id, Channel.TELEGRAM, chat, None)
            if found is not None:
                return found
    chat = str(member.person_id)
    found = records.people.conversation_at(member.tenant_id, Channel.CLI, chat, None)
    if found is not None:
        return found
    fresh = Conversation(
        id=ConversationId(new_id()),
        tenant_id=member.tenant_id,
        account_id=AccountId(f"{member.tenant_id}:cli:{member.person_id}"),
        channel=Channel.CLI,
        chat=chat,
        thread=None,
        private=True,
        owner_id=member.person_id,
    )
    if keep:
        records.people.add_conversation(fresh, account_name=member.name, now=now)
    return fresh
