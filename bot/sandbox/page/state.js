// What the page knows: people, chats, messages. It tells its listeners what changed; it draws nothing.

import { api } from "./api.js";
import { setClock } from "./format.js";

// How many messages of a chat are read at the start.
const NEWEST = 300;

/** A conversation as a tab shows it: a chat, or one topic of it. */
export const viewKey = (ref, thread) => (thread ? `${ref}/${thread}` : ref);

// A person's private chats with several bots share one id: only with the bot it is a name.
const refOf = (chat) => (chat.type === "private" && chat.bot ? `${chat.id}@${chat.bot}` : String(chat.id));

export class Store extends EventTarget {
  people = [];
  bots = [];
  chats = [];
  commands = [];
  #messages = new Map();
  #changes = new Map();

  /** Read the state, and the messages of chats not known yet. */
  async load() {
    const state = await api.state();
    this.people = state.people || [];
    this.bots = state.bots || [];
    this.chats = (state.chats || []).map((chat) => ({ ...chat, ref: refOf(chat) }));
    this.commands = state.commands || {};
    const ahead = state.now ? state.now * 1000 - Date.now() : 0;
    setClock(Math.abs(ahead) < 2000 ? 0 : ahead);
    // Numbers never fall, so a smaller one means another sandbox behind the same address.
    if (state.change < Math.max(0, ...this.#changes.values())) this.forget();
    await Promise.all(this.chats.filter((chat) => !this.#messages.has(chat.ref)).map((chat) => this.#first(chat)));
    return state;
  }

  async #first(chat) {
    const known = this.#chat(chat.ref);
    for (const raw of await this.#newest(chat)) {
      const message = this.#read(raw, chat.ref);
      if (!message.deleted && !known.has(message.id)) known.set(message.id, message);
      this.#seen(chat.ref, raw.change);
    }
  }

  async #newest(chat) {
    return (await api.messages(chat.id, { limit: NEWEST, bot: chat.bot })).messages || [];
  }

  /** After a break: learn what changed meanwhile, and drop what a reset took away unseen. */
  async catchUp() {
    const before = new Set(this.#messages.keys());
    const { change } = await this.load();
    await Promise.all(this.chats.filter((chat) => before.has(chat.ref)).map(async (chat) => {
      await this.#changed(chat);
      const there = new Set((await this.#newest(chat)).map((raw) => this.#read(raw, chat.ref).id));
      const oldest = Math.min(...[...there].map((id) => this.#chat(chat.ref).get(id)?.number ?? Infinity));
      for (const message of [...this.#chat(chat.ref).values()]) {
        const kept = there.has(message.id) || message.change > change || (there.size >= NEWEST && message.number < oldest);
        if (!kept) this.#drop(message);
      }
    }));
  }

  async #changed(chat) {
    const { messages = [] } = await api.messages(chat.id, { after: this.#changes.get(chat.ref) ?? 0, bot: chat.bot });
    for (const raw of messages) this.take(raw, chat.ref);
  }

  /** Take a change of the event stream: `{chat_id, bot?, message}`. */
  async arrive({ chat_id: id, bot, message }) {
    const chat = this.chats.find((one) => one.id === id && (bot === undefined || one.bot === bot));
    if (chat) this.take(message, chat.ref);
    else await this.load();
  }

  /** Take one message as the server tells it: new, edited or deleted. */
  take(raw, ref) {
    const message = this.#read(raw, ref);
    const known = this.#chat(ref);
    const before = known.get(message.id);
    if (before && before.change > message.change) return;
    this.#seen(ref, raw.change);
    if (message.deleted) {
      if (before) this.#drop(before);
      return;
    }
    if (before && before.change === message.change && !message.draft) return;
    if (!message.draft && message.from.isBot) this.#endDrafts(message);
    known.set(message.id, message);
    this.#tell("message", { message, isNew: !before });
  }

  #endDrafts(message) {
    const drafts = [...this.#chat(message.ref).values()].filter((one) => one.draft && one.from.id === message.from.id);
    for (const draft of drafts) this.#drop(draft);
  }

  #drop({ ref, id }) {
    this.#chat(ref).delete(id);
    this.#tell("gone", { ref, id });
  }

  /** The messages of a view, oldest first. */
  view(chat, thread) {
    const topics = this.topics(chat);
    const place = (message) => (topics.some(({ id }) => id === message.thread) ? message.thread : undefined);
    return [...this.#chat(chat.ref).values()]
      .filter((message) => place(message) === thread)
      .sort((a, b) => a.date - b.date || a.number - b.number);
  }

  message(ref, number) {
    return this.#chat(ref).get(`m${number}`);
  }

  /** The topics of a forum chat. */
  topics(chat) {
    return (chat.topics || []).map((topic) => ({ id: topic.message_thread_id, name: topic.name }));
  }

  person(id) {
    return this.people.find((one) => one.id === id || one.key === id);
  }

  /** The chats that a person has: private ones with a bot first, then groups they belong to. */
  chatsOf(person) {
    const own = (chat) => (chat.type === "private" ? chat.id === person.id : (chat.members || []).includes(person.id));
    return this.chats.filter(own).sort((a, b) => Number(b.type === "private") - Number(a.type === "private"));
  }

  #chat(ref) {
    if (!this.#messages.has(ref)) this.#messages.set(ref, new Map());
    return this.#messages.get(ref);
  }

  #seen(ref, change) {
    if (Number.isFinite(change)) this.#changes.set(ref, Math.max(change, this.#changes.get(ref) ?? 0));
  }

  /** Forget every message: the next load reads them anew. */
  forget() {
    this.#messages.clear();
    this.#changes.clear();
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** One shape for everything that follows, whatever the server left out. */
  #read(raw, ref) {
    return {
      id: `${raw.draft ? "d" : "m"}${raw.message_id}`,
      number: raw.message_id,
      ref,
      from: this.#sender(raw.from),
      date: (raw.date || 0) * 1000 || Date.now(),
      edited: Boolean(raw.edit_date),
      html: raw.html ?? escape(raw.text ?? ""),
      text: raw.text ?? "",
      buttons: raw.buttons || [],
      replyTo: raw.reply_to,
      thread: raw.thread || undefined,
      document: raw.document,
      photo: raw.photo,
      deleted: Boolean(raw.deleted),
      draft: Boolean(raw.draft),
      forceReply: raw.force_reply,
      replyKeyboard: raw.remove_keyboard ? [] : raw.reply_keyboard,
      reactions: raw.reactions || [],
      forward: raw.forward_from,
      service: raw.service,
      change: raw.change ?? 0,
    };
  }

  #sender(from = {}) {
    const person = this.person(from.id);
    if (person) return { id: person.id, name: person.name, isBot: false, tint: this.people.indexOf(person) % 5 };
    return { id: from.id, name: from.name || "Unknown", isBot: Boolean(from.is_bot), tint: 5 };
  }
}

function escape(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
