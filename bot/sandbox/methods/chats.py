"""What a bot asks about chats and who is in them."""

from bot.sandbox.errors import bad_request
from bot.sandbox.methods.call import Call
from bot.sandbox.records import Chat, Json
from bot.sandbox.views import chat_json, user_json
from bot.sandbox.world import World

_GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")


def get_chat(call: Call) -> Json:
    """Return a chat in full."""
    chat = call.chat()
    if chat.private and not chat.opened and not call.world.rules.bots_may_write_first:
        raise bad_request("chat not found")
    return {
        **chat_json(call.world, chat),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(_GIFTS, False),
    }


def get_chat_member(call: Call) -> Json:
    """Return what somebody is in a chat, also if they left it."""
    chat = call.chat()
    user = call.params.integer("user_id")
    if user not in call.world.people and user not in call.world.bots:
        raise bad_request("user not found")
    return member_json(call.world, chat, user)


def get_chat_administrators(call: Call) -> list[Json]:
    """Return the owner of a group; the sandbox has no other administrators."""
    chat = call.chat()
    if chat.private:
        raise bad_request("there are no administrators in the private chat")
    owners = [chat.owner] if chat.owner in chat.members else []
    return [member_json(call.world, chat, owner) for owner in owners if owner is not None]


def member_json(world: World, chat: Chat, user: int) -> Json:
    """Return a person or bot as Telegram's ChatMember."""
    who = user_json(world, user)
    if user in chat.kicked:
        return {"status": "kicked", "user": who, "until_date": 0}
    if not chat.has(user):
        return {"status": "left", "user": who}
    if user == chat.owner:
        return {"status": "creator", "user": who, "is_anonymous": False}
    return {"status": "member", "user": who}
