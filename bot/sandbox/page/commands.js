// Which commands a person sees in a chat: the narrowest scope that the bot has set wins, as in Telegram.

// The language of the sandbox's people.
const LANGUAGE = "en";

/** The commands for a person in a chat: `[{command, description}]`. `byBot` is the state's `commands`. */
export function commandsFor(byBot, chat, person) {
  const bots = chat.type === "private" ? [chat.bot] : chat.bots || [];
  return bots.flatMap((bot) => ofBot(byBot[bot] || [], chat, person));
}

function ofBot(list, chat, person) {
  const admin = person.key === "admin";
  const inChat = (scope) => String(scope.chat_id) === String(chat.id);
  const order = chat.type === "private"
    ? [(s) => s.type === "chat" && inChat(s), (s) => s.type === "all_private_chats"]
    : [
      (s) => s.type === "chat_member" && inChat(s) && String(s.user_id) === String(person.id),
      (s) => admin && s.type === "chat_administrators" && inChat(s),
      (s) => s.type === "chat" && inChat(s),
      (s) => admin && s.type === "all_chat_administrators",
      (s) => s.type === "all_group_chats",
    ];
  for (const fits of [...order, (s) => s.type === "default"]) {
    for (const language of [LANGUAGE, ""]) {
      const found = list.find((entry) => fits(entry.scope) && entry.language_code === language);
      if (found) return found.commands;
    }
  }
  return [];
}
