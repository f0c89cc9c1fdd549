// The scrolling list of messages of one chat: articles in order, days, runs of one sender, where the reader is.

import { el, icon } from "./dom.js";
import { dayName } from "./format.js";
import { fillMessage } from "./message.js";

const PAGE = 100;
const NEAR_END = 60;
const SHOW_JUMP = 160;
const RUN_MS = 300000;

export class Log {
  #shown = new Map();
  #limit = PAGE;
  #fresh = 0;
  #pinned = true;
  #list = () => [];

  /** `reader` is handed to each bubble; `hint()` makes the card of an empty chat. */
  constructor(reader, hint) {
    this.reader = reader;
    this.hint = hint;
    this.stack = el("div", { class: "stack" });
    this.list = el("div", { class: "log", role: "log", tabindex: "0", aria: { live: "polite", label: "Messages" } }, this.stack);
    this.jump = el("button", { type: "button", class: "jump", hidden: true, aria: { label: "To the newest message" } }, icon("down"), el("span", { class: "badge", hidden: true }));
    this.node = el("div", { class: "log-box" }, this.list, this.jump);
    this.list.addEventListener("scroll", () => this.#scrolled());
    this.jump.addEventListener("click", () => this.toEnd());
    // A reader at the end stays there when a picture loads or the window changes; whoever unfolds a quote stays at it.
    const resized = new ResizeObserver(() => this.#pinned && this.toEnd());
    for (const node of [this.list, this.stack]) resized.observe(node);
    this.list.addEventListener("fold", () => this.#scrolled());
  }

  /** Show another chat, at its end. `list()` gives its messages, oldest first. */
  open(title, list) {
    this.#list = list;
    this.#limit = PAGE;
    this.list.setAttribute("aria-label", `Messages: ${title}`);
    this.redraw();
    this.toEnd();
  }

  /** Draw everything anew; the reader stays where they were if that was not the end. */
  redraw() {
    const all = this.#list();
    const part = all.slice(-this.#limit);
    const fromEnd = this.list.scrollHeight - this.list.scrollTop;
    this.#shown.clear();
    this.list.setAttribute("aria-busy", "true");
    this.stack.replaceChildren(
      ...(all.length > part.length ? [el("button", { type: "button", class: "earlier", on: { click: () => this.#earlier() } }, "Earlier messages")] : []),
      ...part.map((message) => this.#article(message)),
    );
    this.#dress();
    if (this.#pinned) this.toEnd();
    else this.list.scrollTop = this.list.scrollHeight - fromEnd;
    requestAnimationFrame(() => this.list.setAttribute("aria-busy", "false"));
  }

  #earlier() {
    this.#limit += PAGE;
    this.#pinned = false;
    this.redraw();
    this.list.focus({ preventScroll: true });
  }

  /** A message of this chat is new or was edited; `follow` goes to the end in any case. */
  take(message, follow) {
    const pinned = this.#pinned;
    const known = this.#shown.get(message.id);
    if (known) {
      this.#fill(known, message);
      if (!message.draft) flash(known);
    } else {
      const article = this.#article(message);
      article.classList.add("arrived");
      this.#insert(article, message);
    }
    this.#dress();
    if (pinned || follow) this.toEnd();
    else if (!known) this.#setFresh(this.#fresh + 1);
  }

  gone(id) {
    const article = this.#shown.get(id);
    if (!article) return;
    if (article.contains(document.activeElement)) this.list.focus({ preventScroll: true });
    article.remove();
    this.#shown.delete(id);
    this.#dress();
  }

  /** The buttons of a message as drawn now. */
  buttonsOf(id) {
    return [...(this.#shown.get(id)?.querySelectorAll("button.key") || [])];
  }

  show(id) {
    const article = this.#shown.get(id);
    if (!article) return;
    article.scrollIntoView({ block: "center" });
    flash(article);
  }

  #article(message) {
    const article = el("article", {});
    this.#shown.set(message.id, article);
    this.#fill(article, message);
    return article;
  }

  #fill(article, message) {
    const inside = article.contains(document.activeElement);
    const held = inside ? document.activeElement.dataset.key : undefined;
    fillMessage(article, message, this.reader());
    article.dataset.order = message.date;
    if (!inside) return;
    const key = [...article.querySelectorAll("[data-key]")].find((one) => one.dataset.key === held);
    (key || article.querySelector("button") || this.list).focus({ preventScroll: true });
  }

  #insert(article, message) {
    const earlier = [...this.#shown.values()].filter((one) => one !== article && one.isConnected && Number(one.dataset.order) <= message.date);
    const before = earlier.reduce((last, one) => (last && Number(last.dataset.order) > Number(one.dataset.order) ? last : one), null);
    if (before) before.after(article);
    else this.stack.append(article);
  }

  // Days between messages, runs of one sender, the hint of an empty chat.
  #dress() {
    for (const mark of this.stack.querySelectorAll(".day, .empty")) mark.remove();
    const messages = this.#list().filter((message) => this.#shown.has(message.id));
    const days = messages.map((message) => dayName(message.date));
    const joins = (one, other) => messages[other] && days[one] === days[other] && messages[one].from.id === messages[other].from.id
      && Math.abs(messages[one].date - messages[other].date) < RUN_MS;
    messages.forEach((message, index) => {
      const article = this.#shown.get(message.id);
      if (days[index] !== days[index - 1]) article.before(el("div", { class: "day" }, el("span", {}, days[index])));
      article.classList.toggle("first", !joins(index, index - 1));
      article.classList.toggle("last", !joins(index, index + 1));
    });
    if (messages.length === 0) this.stack.append(this.hint());
  }

  #scrolled() {
    const room = this.list.scrollHeight - this.list.clientHeight - this.list.scrollTop;
    this.#pinned = room < NEAR_END;
    if (this.#pinned) this.#setFresh(0);
    this.jump.hidden = room < SHOW_JUMP && this.#fresh === 0;
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.#pinned = true;
    this.#setFresh(0);
    this.jump.hidden = true;
  }

  #setFresh(count) {
    this.#fresh = count;
    const badge = this.jump.querySelector(".badge");
    badge.textContent = count || "";
    badge.hidden = count === 0;
    if (count) this.jump.hidden = false;
  }
}

function flash(article) {
  article.classList.remove("changed", "arrived");
  requestAnimationFrame(() => article.classList.add("changed"));
  article.addEventListener("animationend", () => article.classList.remove("changed"), { once: true });
}
