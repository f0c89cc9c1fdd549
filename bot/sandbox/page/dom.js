// Small helpers to build DOM nodes. Text always becomes a text node: nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  attach: "M20 11.5 12.3 19a5 5 0 0 1-7-7l8-7.9a3.3 3.3 0 0 1 4.7 4.7l-7.8 7.8a1.7 1.7 0 0 1-2.4-2.4l7-7",
  send: "M4 12 20 4l-5 16-3.5-6.5z M11.5 13.5 20 4",
  slash: "M14.5 7.5 9.5 16.5 M5 4.5h14a1.5 1.5 0 0 1 1.5 1.5v12a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 18V6A1.5 1.5 0 0 1 5 4.5z",
  close: "M6 6l12 12 M18 6 6 18",
  down: "M12 5v14 M6 13l6 6 6-6",
  chevron: "M6 9l6 6 6-6",
  file: "M13.5 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8.5z M13.5 3v5.5H19",
  more: "M5 12h.01 M12 12h.01 M19 12h.01",
  reply: "M10 7 4.5 12.5 10 18 M4.5 12.5H14a6 6 0 0 1 6 6",
  open: "M8 16 17 7 M9.5 7H17v7.5",
  copy: "M9 9h10.5v10.5H9z M5 15H4.5V4.5H15V5",
  sliders: "M4 7h9 M17 7h3 M4 17h3 M11 17h9 M15 4.5v5 M9 14.5v5",
  seal: "M7.5 12.5l3 3 6-6.5",
};

/** Make an element. Props: `class`, `on` (listeners), `data`, `aria`, else properties or attributes. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [type, handler] of Object.entries(value)) node.addEventListener(type, handler);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "aria") for (const [key, text] of Object.entries(value)) node.setAttribute(`aria-${key}`, text);
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An icon drawn with the colour of its text; hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: `icon icon-${name}`, "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A round picture with initials; the tint is one of six classes. */
export function avatar(name, tint, kind = "person") {
  const node = el("span", { class: `avatar tint-${tint} avatar-${kind}`, aria: { hidden: "true" } });
  if (kind === "bot") node.append(icon("seal"));
  else node.append(initials(name));
  return node;
}

function initials(name) {
  const words = String(name || "?").trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return letters.map((word) => Array.from(word)[0] || "").join("").toUpperCase();
}

/** Only links of the web leave this page; everything else is undefined. */
export function webUrl(text) {
  try {
    const url = new URL(String(text), location.href);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** A URL of this very server (files and photos), else undefined. */
export function ownUrl(text) {
  const href = webUrl(text);
  return href && new URL(href).origin === location.origin ? href : undefined;
}
