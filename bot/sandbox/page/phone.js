// One person's phone: the switch between chats, the chat, the composer, and what this person does in it.

import { api } from "./api.js";
import { commandsFor } from "./commands.js";
import { Composer } from "./composer.js";
import { avatar, el } from "./dom.js";
import { Log } from "./log.js";
import { summary } from "./message.js";
import { Overlay } from "./overlay.js";
import { viewKey } from "./state.js";

const TYPING_MS = 5500;
const EMOJIS = ["👍", "👎", "❤️", "🎉", "🤔"];
const ROLES = {
  member: ["Member", "asks for things", "Ask for something in your own words. Whatever is risky waits for a signature."],
  approver: ["Approver", "signs or denies", "Requests that need a signature arrive here, with exactly what will run."],
  admin: ["Admin", "sets the rules", "Look at the history, set the policy, stop everything with /pause."],
};
const GUEST = ["Guest", "has just joined", "Write to the bot, or open an invite link."];
// Shown until a bot has connected.
const NOBODY = { key: "nobody", chat: { type: "private", ref: "nobody" }, tab: "Bot", title: "No bot yet", face: "bot", tint: 5 };
const NOBODY_HINT = "No bot has connected. Give yours any well-formed token and this base URL:";
const GROUP_HINT = "Everybody sees this chat. Write a command, mention the bot, or reply to it.";

export class Phone {
  #views = [];
  #view;
  #unread = new Map();
  #busy = new Set();
  #typing;
  #asked = new Set();

  constructor(store, person, tint) {
    this.store = store;
    this.person = person;
    this.unread = 0;
    const [role, does] = ROLES[person.key] || GUEST;
    this.role = role;
    this.tabs = el("div", { class: "chats", role: "tablist", aria: { label: `Chats of ${person.name}` } });
    this.title = el("h3", { class: "chat-title" });
    this.subtitle = el("span", { class: "chat-subtitle" });
    this.face = el("span", { class: "face" });
    this.name = el("span", { class: "who-name" }, person.name);
    this.log = new Log(() => this.#reader(), () => this.#hint());
    this.block = el("button", { type: "button", class: "unblock", hidden: true }, "Unblock the bot");
    this.block.addEventListener("click", () => this.#try(api.person({ key: person.key, action: "unblock" })));
    this.composer = new Composer(person.name, {
      send: (draft) => this.#send(draft),
      commands: () => (this.#view ? commandsFor(store.commands, this.#view.chat, this.person) : []),
      failed: (text) => this.overlay.toast(text, true),
    });
    const screen = el("div", { class: "screen" },
      el("header", { class: "chat-head" }, this.face, el("div", { class: "chat-name" }, this.title, this.subtitle)),
      this.tabs, this.log.node, this.composer.node, this.block);
    this.frame = el("div", { class: "frame" }, screen);
    this.node = el("section", { class: "phone", id: `phone-${person.key}`, data: { person: person.key }, aria: { label: `${person.name}, ${role.toLowerCase()}` } },
      el("div", { class: "who" }, avatar(person.name, tint), el("h2", {}, this.name, el("small", {}, !person.name.endsWith(role) && el("b", {}, `${role} `), does))), this.frame);
    this.overlay = new Overlay(this.frame, screen);
  }

  // --- which chat ---------------------------------------------------------------------------

  /** The state was read anew: chats, names, who is blocked. */
  update() {
    this.person = this.store.person(this.person.key) || this.person;
    this.name.textContent = this.person.name;
    const chats = this.store.chatsOf(this.person);
    this.#views = [...(this.store.bots.length ? [] : [NOBODY]), ...chats.flatMap((chat) => this.#viewsOf(chat))];
    const old = this.#view;
    const current = this.#views.find((view) => view.key === old?.key);
    if (!current && old) {
      // A group that moved has a new id.
      this.open(this.#views.find((view) => view.chat.type === old.chat.type && view.thread === old.thread)?.key);
    } else if (current) {
      this.#view = current;
      this.#drawTabs();
      this.#drawHead();
    } else this.open();
  }

  #viewsOf(chat) {
    if (chat.type === "private") {
      const bot = this.store.bots.find((one) => one.id === chat.bot) || this.store.bots[0];
      const title = bot?.name || "Bot";
      return [{ key: viewKey(chat.ref), chat, tab: this.store.bots.length > 1 ? title : "Bot", title, face: "bot", tint: 5 }];
    }
    const title = chat.title || "Group";
    const group = { chat, face: "group", tint: 3 };
    return [{ ...group, key: viewKey(chat.ref), tab: title, title }, ...this.store.topics(chat).map(({ id, name }) => ({
      ...group, key: viewKey(chat.ref, id), thread: id, tab: `# ${name}`, title: `${title} · ${name}`,
    }))];
  }

  /** Show a chat by its key; without one the first, which is the private one. */
  open(key) {
    const view = this.#views.find((one) => one.key === key) || this.#views[0];
    if (!view) return;
    this.#view = view;
    this.#unread.delete(view.key);
    this.overlay.closeMenu();
    this.composer.leave();
    this.composer.keyboard([]);
    this.#drawTabs();
    this.#drawHead();
    this.log.open(view.title, () => this.#messages());
    this.#prompted(this.#messages());
  }

  /** Everything was reset: nothing is unread or asked any more. */
  forget() {
    this.#unread.clear();
    this.#asked.clear();
    this.open(this.#view?.key);
  }

  /** Draw the chat in view anew, after the store was read anew. */
  redraw() {
    if (!this.#view) return;
    this.log.redraw();
    this.#prompted(this.#messages());
  }

  #messages() {
    return this.store.view(this.#view.chat, this.#view.thread);
  }

  #drawTabs() {
    const focused = this.tabs.contains(document.activeElement);
    const tabs = this.#views.map((view) => {
      const on = view.key === this.#view?.key;
      const tab = el("button", {
        type: "button", role: "tab", class: "chat-tab", title: view.title, data: { chat: view.chat.id, type: view.chat.type },
        aria: { selected: String(on) }, tabindex: on ? "0" : "-1", on: { click: () => this.open(view.key) },
      }, el("span", { class: "tab-text" }, view.tab), badge(this.#unread.get(view.key)));
      return tab;
    });
    this.tabs.replaceChildren(...tabs);
    this.tabs.onkeydown = (event) => arrows(event, tabs);
    if (focused) tabs.find((tab) => tab.tabIndex === 0)?.focus();
    this.unread = [...this.#unread.values()].reduce((sum, one) => sum + one, 0);
    this.node.dispatchEvent(new CustomEvent("unread"));
  }

  #drawHead() {
    const { chat, title, face, tint } = this.#view;
    this.title.textContent = title;
    this.face.replaceChildren(avatar(title, tint, face));
    const still = chat.type === "private" ? "bot" : `${chat.members.length} people and the bot`;
    this.subtitle.textContent = this.#typing ? "typing…" : still;
    this.subtitle.classList.toggle("typing", Boolean(this.#typing));
    const blocked = Boolean(this.person.blocked) && chat.type === "private";
    this.block.hidden = !blocked;
    this.composer.node.hidden = blocked;
  }

  typing(chatId, bot) {
    const chat = this.#view?.chat;
    if (chat?.id !== chatId || (chat.bot !== undefined && chat.bot !== bot)) return;
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#quiet(), TYPING_MS);
    this.#drawHead();
  }

  #quiet() {
    clearTimeout(this.#typing);
    this.#typing = undefined;
    if (this.#view) this.#drawHead();
  }

  #hint() {
    if (this.#view === NOBODY) return card(this.#view, NOBODY.title, NOBODY_HINT, el("code", {}, `${location.origin}/bot`));
    const group = this.#view.chat.type !== "private";
    const start = el("button", { type: "button", class: "start", on: { click: () => this.#try(this.#send({ text: "/start" })) } }, "START");
    return group ? card(this.#view, this.#view.title, GROUP_HINT)
      : card(this.#view, "What can this bot do?", (ROLES[this.person.key] || GUEST)[2], start);
  }

  // --- messages -----------------------------------------------------------------------------

  /** A message is new or was edited, in whichever chat. */
  take(message, isNew) {
    if (!this.#views.some((view) => view.chat.ref === message.ref)) return;
    const mine = this.#isOwn(message);
    const topic = viewKey(message.ref, message.thread);
    const key = this.#views.some((view) => view.key === topic) ? topic : viewKey(message.ref);
    const here = key === this.#view?.key;
    if (message.from.isBot && here) this.#quiet();
    if (here) this.log.take(message, isNew && mine);
    if (!isNew || mine || message.draft) return;
    if (here) this.#prompted([message]);
    // On a narrow screen the phone may be out of sight: then its person's tab counts what came.
    if (here && this.node.offsetParent) return;
    this.#unread.set(key, (this.#unread.get(key) || 0) + 1);
    this.#drawTabs();
  }

  gone(ref, id) {
    if (ref === this.#view?.chat.ref) this.log.gone(id);
  }

  /** The phone came into sight again. */
  seen() {
    if (this.#view && this.#unread.delete(this.#view.key)) this.#drawTabs();
  }

  #reader() {
    const { chat } = this.#view;
    return {
      person: this.person,
      isGroup: chat.type !== "private",
      lookup: (number) => this.store.message(chat.ref, number),
      busy: (message, button) => this.#busy.has(busyKey(message, button)),
      onButton: (message, button) => this.#tap(message, button),
      onCommand: (text) => this.#try(this.#send({ text })),
      onLink: (url) => this.#followLink(url),
      onQuote: (number) => this.log.show(`m${number}`),
      onReaction: (message, emoji) => this.#react(message, emoji),
      onMenu: (message, anchor) => this.#menu(message, anchor),
    };
  }

  #isOwn(message) {
    return message.from.id === this.person.id;
  }

  // --- acting -------------------------------------------------------------------------------

  async #send({ text, reply, edit, file }) {
    const { chat, thread } = this.#view;
    const answer = edit ? await api.edit({ ...this.#me(chat), message_id: edit, text })
      : await api.say({ ...this.#me(chat), text, reply_to: reply, thread, file });
    const message = answer.message || answer;
    if (message.message_id !== undefined) this.store.take(message, chat.ref);
    this.log.toEnd();
  }

  // Who acts, and where.
  #me(chat) {
    return { from: this.person.key, chat: chat.id, bot: chat.bot };
  }

  // A link to the bot itself (an invite) starts it here, as Telegram would; others open as links do.
  #followLink(url) {
    const found = /^https?:\/\/(?:t\.me|telegram\.me)\/(\w+)\?start=([\w-]{1,64})$/i.exec(url);
    if (!found || !this.store.bots.some((bot) => bot.username?.toLowerCase() === found[1].toLowerCase())) return false;
    this.open();
    this.#try(this.#send({ text: `/start ${found[2]}` }));
    return true;
  }

  async #tap(message, button) {
    const key = busyKey(message, button);
    if (this.#busy.has(key)) return;
    if (button.copy_text) {
      await this.#copy(button.copy_text.text ?? button.copy_text);
      return;
    }
    this.#setBusy(message, key, true);
    try {
      const target = button.data === undefined ? { text: button.text } : { data: button.data };
      const answer = await api.tap({ ...this.#me(this.#view.chat), message_id: message.number, ...target });
      if (!answer.answered) this.overlay.toast("The bot has not answered this tap.", true);
      else if (answer.alert && answer.text) this.overlay.alert(message.from.name, answer.text);
      else if (answer.text) this.overlay.toast(answer.text);
    } catch (error) {
      this.overlay.toast(error.message, true);
    } finally {
      this.#setBusy(message, key, false);
    }
  }

  #setBusy(message, key, on) {
    if (on) this.#busy.add(key);
    else this.#busy.delete(key);
    for (const node of this.log.buttonsOf(message.id)) {
      if (busyKey(message, { data: node.dataset.key }) !== key) continue;
      node.setAttribute("aria-busy", String(on));
      node.setAttribute("aria-disabled", String(on));
    }
  }

  #menu(message, anchor) {
    if (message.draft || message.service) return;
    const items = [["Reply", () => this.#reply(message)], ["Copy text", () => this.#copy(message.text)]];
    if (this.#isOwn(message) && message.text) items.push(["Edit", () => this.composer.edit(message.number, message.text)]);
    this.overlay.menu(anchor, items, EMOJIS, (emoji) => this.#react(message, emoji));
  }

  #reply(message, options) {
    this.composer.reply(message.number, message.from.name, summary(message), options);
  }

  // What a bot asks of the composer: a ForceReply puts it in reply mode until this person has written, a reply
  // keyboard stays until another comes or it is taken away.
  #prompted(messages) {
    const keys = messages.findLast((message) => message.replyKeyboard);
    if (keys) this.composer.keyboard(keys.replyKeyboard);
    const last = messages.findLast((message) => message.forceReply && !message.draft);
    if (!last || this.#asked.has(`${last.ref}:${last.id}`)) return;
    this.#asked.add(`${last.ref}:${last.id}`);
    const answered = messages.some((one) => this.#isOwn(one) && one.number > last.number);
    const target = this.store.message(last.ref, last.replyTo);
    const meant = !last.forceReply.selective || (target && this.#isOwn(target)) || last.text.includes(`@${this.person.username}`);
    if (answered || !meant) return;
    this.#reply(last, { placeholder: last.forceReply.placeholder, focus: this.node.contains(document.activeElement) });
  }

  async #copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.overlay.toast("Copied");
    } catch {
      this.overlay.toast("The browser does not allow copying here.", true);
    }
  }

  #react(message, emoji) {
    return this.#try(api.react({ ...this.#me(this.#view.chat), message_id: message.number, emoji }));
  }

  async #try(promise) {
    try {
      await promise;
    } catch (error) {
      this.overlay.toast(error.message, true);
    }
  }

  /** Type a text into the private chat, as an example does, and send it. */
  async act(text, atOnce) {
    if (this.#views[0] && this.#view?.key !== this.#views[0].key) this.open();
    this.composer.leave();
    if (!atOnce) await this.composer.type(text);
    this.composer.value = text;
    await this.composer.submit();
  }
}

function card(view, title, text, ...more) {
  return el("div", { class: "empty" }, el("div", { class: "card" }, avatar(view.title, view.tint, view.face), el("h4", {}, title), el("p", {}, text), more));
}

const busyKey = (message, button) => `${message.ref}:${message.id}:${button.data ?? button.text}`;

/** A small count of unread messages, or nothing. */
export function badge(count) {
  return count > 0 ? el("span", { class: "badge", aria: { label: `${count} unread` } }, count > 99 ? "99+" : String(count)) : null;
}

/** Left and right walk through a list of tabs. */
export function arrows(event, tabs) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = tabs[(tabs.indexOf(event.target.closest("[role=tab]")) + step + tabs.length) % tabs.length];
  next.focus();
  next.click();
}
