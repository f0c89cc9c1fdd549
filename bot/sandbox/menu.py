"""Which of a bot's commands a person sees in a chat: the narrowest scope wins, and scopes never merge."""

from bot.sandbox.records import Bot, Chat, Json, Person


def menu_of(bot: Bot, chat: Chat, person: Person) -> list[Json]:
    """Return the commands of the first scope that has some, in the person's language or in none."""
    here, admin = {"chat_id": chat.id}, chat.owner == person.id
    if chat.private:
        scopes: list[Json] = [{"type": "chat", **here}, {"type": "all_private_chats"}]
    else:
        scopes = [{"type": "chat_member", **here, "user_id": person.id}]
        scopes += [{"type": "chat_administrators", **here}] if admin else []
        scopes += [{"type": "chat", **here}]
        scopes += [{"type": "all_chat_administrators"}] if admin else []
        scopes += [{"type": "all_group_chats"}]
    entries = list(bot.commands.values())
    for scope in [*scopes, {"type": "default"}]:
        for language in (person.language_code, ""):
            for entry in entries:
                if (entry["scope"], entry["language_code"]) == (scope, language):
                    commands: list[Json] = entry["commands"]
                    return commands
    return []
