// One message as a bubble: sender, quote, files, text, time, reactions, keyboard.

import { avatar, el, icon, ownUrl, webUrl } from "./dom.js";
import { fileSize, fullTime, link, richText, setFold, shortTime } from "./format.js";

/**
 * Fill `article` with a message. `reader` says how: {person, isGroup, topic, lookup(number), busy(button),
 * onButton, onCommand, onLink, onQuote, onReaction,
 * onMenu}. What the reader had unfolded stays unfolded.
 */
export function fillMessage(article, message, reader) {
  const own = message.from.id === reader.person.id;
  const opened = [...article.querySelectorAll("blockquote.expandable")].map((box) => box.dataset.open === "true");
  article.className = `message ${own ? "own" : "other"}${message.draft ? " draft" : ""}${message.service ? " service" : ""}`;
  article.dataset.messageId = message.number;
  article.dataset.from = message.from.id;
  article.setAttribute("aria-label", `${own ? "You" : message.from.name}, ${shortTime(message.date)}`);
  const bubble = el("div", { class: "bubble" },
    reader.isGroup && !own && !message.service && el("div", { class: `name text-${message.from.tint}` }, message.from.name),
    message.forward && el("div", { class: "forwarded" }, `Forwarded${forwardName(message.forward)}`),
    quoteOf(message, reader),
    photoOf(message),
    documentOf(message),
    textOf(message, reader),
    metaOf(message, own),
  );
  bubble.addEventListener("click", (event) => {
    if (event.target.closest("a, button, .spoiler, .fold, img") || String(getSelection())) return;
    reader.onMenu(message, bubble);
  });
  bubble.addEventListener("contextmenu", (event) => {
    if (event.target.closest("a, img") || String(getSelection())) return;
    event.preventDefault();
    reader.onMenu(message, bubble);
  });
  const more = el("button", { type: "button", class: "more", aria: { label: "Message actions", haspopup: "menu" } }, icon("more"));
  more.addEventListener("click", () => reader.onMenu(message, more));
  const faced = reader.isGroup && !own && !message.service;
  article.classList.toggle("faced", faced);
  article.replaceChildren(el("div", { class: `column${message.buttons.length ? " keyed" : ""}` },
    el("div", { class: "line" }, faced && avatarOf(message), bubble, !message.draft && !message.service && more),
    reactionsOf(message, reader), keyboardOf(message, reader)));
  article.querySelectorAll("blockquote.expandable").forEach((box, index) => opened[index] && setFold(box, true));
}

function avatarOf(message) {
  return avatar(message.from.name, message.from.tint, message.from.isBot ? "bot" : "person");
}

function forwardName(from) {
  const name = [from.first_name, from.last_name].filter(Boolean).join(" ");
  return name ? ` from ${name}` : "";
}

function quoteOf(message, reader) {
  const number = message.replyTo;
  if (number === undefined) return null;
  const target = reader.lookup(number);
  const name = target?.from.name || "Message";
  const text = target ? summary(target) : "Deleted message";
  return el("button", { type: "button", class: `reply tint-line-${target?.from.tint ?? 5}`, on: { click: () => reader.onQuote(number) } },
    el("span", { class: `reply-name text-${target?.from.tint ?? 5}` }, name), el("span", { class: "reply-text" }, text));
}

/** A message in one line, for quotes and the reply bar. */
export function summary(message) {
  const line = message.text.split("\n").find((one) => one.trim()) || "";
  if (line) return line.slice(0, 160);
  return message.photo ? "Photo" : message.document?.name || "Message";
}

function photoOf(message) {
  const url = message.photo && ownUrl(message.photo.url);
  if (!url) return null;
  const image = el("img", { src: url, alt: message.text.slice(0, 200) || "Photo", loading: "lazy" });
  return el("a", { class: "photo", href: url, target: "_blank", rel: "noopener" }, image);
}

function documentOf(message) {
  const file = message.document;
  if (!file) return null;
  const url = ownUrl(file.url);
  const props = url ? { href: url, download: file.name, target: "_blank", rel: "noopener" } : {};
  return el(url ? "a" : "div", { class: "document", ...props }, el("span", { class: "file-icon" }, icon("file")),
    el("span", { class: "file-text" }, el("span", { class: "file-name" }, file.name || "file"), el("span", { class: "file-size" }, fileSize(file.size))));
}

function textOf(message, reader) {
  if (message.draft && !message.html) return el("div", { class: "text" }, "Thinking…");
  if (!message.html) return null;
  return el("div", { class: "text", dir: "auto" }, richText(message.html, { command: reader.onCommand, link: reader.onLink }));
}

function metaOf(message, own) {
  if (message.draft) return el("span", { class: "dots", aria: { label: "is writing" } }, el("i"), el("i"), el("i"));
  const time = el("time", { datetime: new Date(message.date).toISOString(), title: fullTime(message.date) }, shortTime(message.date));
  return el("span", { class: "meta" }, message.edited && el("span", { class: "edited" }, "edited"), time,
    own && el("span", { class: "ticks", aria: { label: "sent" } }, "✓✓"));
}

function reactionsOf(message, reader) {
  if (!message.reactions.length) return null;
  return el("div", { class: "reactions" }, message.reactions.map(({ emoji, from }) => {
    const mine = from.includes(reader.person.id);
    return el("button", {
      type: "button", class: "reaction", aria: { label: `${emoji} ${from.length}`, pressed: String(mine) },
      on: { click: () => reader.onReaction(message, mine ? "" : emoji) },
    }, emoji.length === 1 ? `${emoji}\ufe0f` : emoji, el("span", { class: "count" }, String(from.length)));
  }));
}

function keyboardOf(message, reader) {
  if (!message.buttons.length) return null;
  return el("div", { class: "keyboard", role: "group", aria: { label: "Buttons" } },
    message.buttons.map((row) => el("div", { class: "row" }, row.map((button) => keyOf(button, message, reader)))));
}

function keyOf(button, message, reader) {
  const style = ["success", "danger", "primary"].includes(button.style) ? ` ${button.style}` : "";
  const url = button.url && webUrl(button.url);
  if (url) {
    const node = link(url, { link: reader.onLink }, button.text, icon("open"));
    node.className = `key link${style}`;
    return node;
  }
  const busy = reader.busy(message, button);
  return el("button", {
    type: "button", class: `key${style}`, data: { key: button.data ?? button.text },
    aria: { busy: String(busy), disabled: String(busy) }, on: { click: () => reader.onButton(message, button) },
  }, el("span", { class: "label" }, button.text), button.copy_text && icon("copy"), el("span", { class: "spinner" }));
}
