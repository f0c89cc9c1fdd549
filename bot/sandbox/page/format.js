// Telegram's HTML to DOM nodes, times and sizes. The markup is untrusted: it is read by the small
// tokenizer below and rebuilt with createElement; a tag that is not on the list stays visible as text.

import { el, icon, webUrl } from "./dom.js";

const TAGS = {
  b: "b", strong: "b", i: "i", em: "i", u: "u", ins: "u", s: "s", strike: "s", del: "s", code: "code", pre: "pre",
  a: "a", blockquote: "blockquote", span: "span", "tg-spoiler": "span", "tg-time": "time", time: "time", "tg-emoji": "span",
};
const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: "\u00a0" };
const TOKEN = /<(\/?)([a-z][a-z0-9-]*)((?:\s+[a-z-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+))?)*)\s*\/?>/gi;
const ATTRIBUTE = /([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?/gi;
const AUTOLINK = /(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}])|(?<![\w/@<])(\/[a-z][a-z0-9_]{0,31}(?:@\w+)?)(?![\w/]|\.\w)/gi;
const MAX_DEPTH = 24;

function unescape(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]+));/gi, (whole, decimal, hex, name) => {
    if (name) return Object.hasOwn(ENTITIES, name.toLowerCase()) ? ENTITIES[name.toLowerCase()] : whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function attributes(text) {
  const found = {};
  for (const [, name, double, single, bare] of text.matchAll(ATTRIBUTE)) {
    found[name.toLowerCase()] = unescape(double ?? single ?? bare ?? "");
  }
  return found;
}

/** Telegram HTML as a fragment. `on` may have `command(text)` and `link(url)`, called when the reader taps one. */
export function richText(html, on = {}) {
  const root = document.createDocumentFragment();
  const stack = [{ tag: "", node: root }];
  let position = 0;
  const addText = (text) => {
    if (!text) return;
    const literal = stack.some(({ tag }) => tag === "code" || tag === "pre" || tag === "a");
    stack[stack.length - 1].node.append(...(literal ? [text] : linked(text, on)));
  };
  for (const match of String(html).matchAll(TOKEN)) {
    const tag = TAGS[match[2].toLowerCase()];
    const closes = match[1] === "/";
    const open = closes ? stack.findLastIndex((entry) => entry.tag === tag) : -1;
    if (!tag || (closes && open < 1) || (!closes && stack.length >= MAX_DEPTH)) continue;
    addText(unescape(html.slice(position, match.index)));
    position = match.index + match[0].length;
    if (closes) {
      stack.length = open;
      // A block ends its line by itself.
      if ((tag === "blockquote" || tag === "pre") && html[position] === "\n") position += 1;
    } else {
      const [node, inner] = build(match[2].toLowerCase(), tag, attributes(match[3]), on);
      stack[stack.length - 1].node.append(node);
      stack.push({ tag, node: inner });
    }
  }
  addText(unescape(html.slice(position)));
  for (const node of root.querySelectorAll("time[data-unix]")) showTime(node);
  return root;
}

function build(name, tag, attrs, on) {
  if (tag === "a") return same(anchor(attrs.href, on));
  if (tag === "time") return same(time(attrs));
  if (tag === "blockquote") return quote(attrs.expandable !== undefined);
  if (name === "tg-spoiler" || (name === "span" && /(^|\s)(tg-)?spoiler(\s|$)/.test(attrs.class || ""))) return same(spoiler());
  return same(el(tag));
}

const same = (node) => [node, node];

function anchor(href, on) {
  const url = /^https?:\/\//i.test(href || "") ? webUrl(href) : undefined;
  return url ? link(url, on) : el("span", { class: "mention" });
}

/** A link that leaves the page in a tab of its own, unless `on.link(url)` deals with it. */
export function link(url, on, ...children) {
  const node = el("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: url }, children);
  node.addEventListener("click", (event) => on.link?.(url) && event.preventDefault());
  return node;
}

function spoiler() {
  const show = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    if (!node.classList.contains("spoiler")) return;
    event.preventDefault();
    event.stopPropagation();
    node.className = "revealed";
    for (const name of ["role", "tabindex", "aria-label"]) node.removeAttribute(name);
  };
  const node = el("span", {
    class: "spoiler", role: "button", tabindex: "0", aria: { label: "Hidden text, show" }, on: { click: show, keydown: show },
  });
  return node;
}

// A folded quote shows three lines; the observer finds out whether there is more to unfold.
const folds = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const box = target.parentElement;
    if (box && box.dataset.open !== "true") box.classList.toggle("folds", target.scrollHeight > target.clientHeight + 4);
  }
});

function quote(expandable) {
  if (!expandable) return same(el("blockquote"));
  const inner = el("div", { class: "quote-text" });
  const toggle = el("button", { type: "button", class: "fold", aria: { expanded: "false", label: "Show all" } }, icon("chevron"));
  const box = el("blockquote", { class: "expandable" }, inner, toggle);
  box.addEventListener("click", (event) => {
    if (!box.classList.contains("folds") || event.target.closest("a, .spoiler, .command")) return;
    if (!event.target.closest(".fold") && String(getSelection())) return;
    event.stopPropagation();
    setFold(box, box.dataset.open !== "true");
    box.dispatchEvent(new CustomEvent("fold", { bubbles: true }));
  });
  folds.observe(inner);
  return [box, inner];
}

export function setFold(box, open) {
  const toggle = box.querySelector(":scope > .fold");
  box.dataset.open = String(open);
  if (open) box.classList.add("folds");
  toggle.setAttribute("aria-expanded", String(open));
  toggle.setAttribute("aria-label", open ? "Show less" : "Show all");
}

function linked(text, on) {
  const nodes = [];
  let position = 0;
  for (const match of text.matchAll(AUTOLINK)) {
    if (match[2] && !on.command) continue;
    nodes.push(text.slice(position, match.index));
    const [found, url] = match;
    if (url) nodes.push(link(url, on, found));
    else nodes.push(el("button", { type: "button", class: "command", on: { click: () => on.command(found) } }, found));
    position = match.index + found.length;
  }
  nodes.push(text.slice(position));
  return nodes.filter((node) => node !== "");
}

// --- times -----------------------------------------------------------------------------------

let offset = 0;

/** Tell how far the sandbox's clock is ahead of this computer's, in ms. */
export function setClock(ms) {
  offset = ms;
}

export const now = () => Date.now() + offset;

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const shortTime = (ms) => clock.format(ms);
export const fullTime = (ms) => full.format(ms);

export function dayName(ms) {
  const midnight = (value) => new Date(value).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(now()) - midnight(ms)) / 86400000);
  return days === 0 ? "Today" : days === 1 ? "Yesterday" : day.format(ms);
}

function time(attrs) {
  const unix = Number(attrs.unix);
  if (!Number.isFinite(unix) || Math.abs(unix) > 8e12) return el("time");
  return el("time", { data: { unix: String(unix), format: attrs.format || "" } });
}

function showTime(node) {
  const ms = Number(node.dataset.unix) * 1000;
  const format = node.dataset.format;
  node.dateTime = new Date(ms).toISOString();
  node.title = fullTime(ms);
  if (format === "r") node.textContent = since(ms);
  else if (/^w?[dD]?[tT]?$/.test(format) && format) node.textContent = new Intl.DateTimeFormat(undefined, parts(format)).format(ms);
}

function parts(format) {
  const wanted = {};
  if (format.includes("w")) wanted.weekday = "long";
  if (format.includes("d")) Object.assign(wanted, { day: "2-digit", month: "2-digit", year: "2-digit" });
  if (format.includes("D")) Object.assign(wanted, { day: "numeric", month: "long", year: "numeric" });
  if (/t/i.test(format)) Object.assign(wanted, { hour: "numeric", minute: "2-digit" });
  if (format.includes("T")) wanted.second = "2-digit";
  return wanted;
}

function since(ms) {
  const seconds = (ms - now()) / 1000;
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return relative.format(Math.round(seconds), "second");
}

/** Bring every relative time on the page up to date. */
export function refreshTimes() {
  for (const node of document.querySelectorAll('time[data-format="r"]')) showTime(node);
}

export function fileSize(bytes) {
  if (!Number.isFinite(bytes)) return "";
  if (bytes < 1024) return `${bytes} B`;
  const [size, unit] = bytes < 1048576 ? [bytes / 1024, "KB"] : [bytes / 1048576, "MB"];
  return `${size.toFixed(size < 10 ? 1 : 0)} ${unit}`;
}
