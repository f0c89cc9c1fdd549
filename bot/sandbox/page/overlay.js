// What lies over a phone for a moment: alerts that wait for OK, toasts that pass, and menus.

import { el } from "./dom.js";

const TOAST_MS = 3500;

export class Overlay {
  #alerts = [];
  #timer;

  /** `screen` is the phone's frame, `body` the part that an alert makes inert. */
  constructor(screen, body) {
    this.screen = screen;
    this.body = body;
    this.toastBox = el("div", { class: "toast", role: "status", aria: { live: "polite" } });
    screen.append(this.toastBox);
  }

  toast(text, bad = false) {
    clearTimeout(this.#timer);
    this.toastBox.textContent = text;
    this.toastBox.classList.toggle("bad", bad);
    this.toastBox.classList.add("shown");
    this.#timer = setTimeout(() => this.toastBox.classList.remove("shown"), Math.max(TOAST_MS, text.length * 55));
  }

  /** Show an alert; further ones wait for their turn. */
  alert(title, text) {
    this.#alerts.push({ title, text });
    if (this.#alerts.length === 1) this.#showAlert();
  }

  #showAlert() {
    const { title, text } = this.#alerts[0];
    const back = document.activeElement;
    const label = `alert-${Math.random().toString(36).slice(2)}`;
    const ok = el("button", { type: "button", class: "alert-ok" }, "OK");
    const box = el("div", { class: "alert", role: "alertdialog", aria: { modal: "true", labelledby: `${label}-t`, describedby: `${label}-d` } },
      el("h3", { id: `${label}-t` }, title), el("p", { id: `${label}-d` }, text), el("div", { class: "alert-row" }, ok));
    const shade = el("div", { class: "shade" }, box);
    const close = () => {
      shade.remove();
      this.body.inert = false;
      this.#alerts.shift();
      if (this.#alerts.length) this.#showAlert();
      else if (back?.isConnected) back.focus({ preventScroll: true });
    };
    ok.addEventListener("click", close);
    shade.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      if (event.key === "Tab") event.preventDefault();
    });
    const mine = this.screen.contains(back);
    this.body.inert = true;
    this.screen.append(shade);
    if (mine || back === document.body) ok.focus({ preventScroll: true });
  }

  /** A small menu at `anchor`: `items` are [label, action], `emojis` a row above them. */
  menu(anchor, items, emojis, onEmoji) {
    this.closeMenu();
    const back = document.activeElement;
    const close = (refocus = true) => {
      document.removeEventListener("pointerdown", outside, true);
      menu.remove();
      this.closeMenu = () => {};
      if (refocus && back?.isConnected) back.focus({ preventScroll: true });
    };
    const outside = (event) => menu.contains(event.target) || close(false);
    const choose = (action) => () => {
      close();
      action();
    };
    const row = emojis.map((emoji) => el("button", {
      type: "button", role: "menuitem", class: "emoji", aria: { label: `React ${emoji}` }, on: { click: choose(() => onEmoji(emoji)) },
    }, emoji));
    const menu = el("div", { class: "menu", role: "menu", aria: { label: "Message actions" } }, el("div", { class: "emojis", role: "none" }, row),
      items.map(([label, action]) => el("button", { type: "button", role: "menuitem", on: { click: choose(action) } }, label)));
    menu.addEventListener("keydown", (event) => this.#menuKey(event, menu, close));
    this.screen.append(menu);
    this.#place(menu, anchor);
    this.closeMenu = close;
    document.addEventListener("pointerdown", outside, true);
    menu.querySelector("button:not(.emoji)")?.focus({ preventScroll: true });
  }

  closeMenu = () => {};

  #menuKey(event, menu, close) {
    const all = [...menu.querySelectorAll("button")];
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") close();
    if (event.key === "Tab") close(false);
    if (!step) return;
    event.preventDefault();
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  }

  #place(menu, anchor) {
    const frame = this.screen.getBoundingClientRect();
    const spot = anchor.getBoundingClientRect();
    const size = menu.getBoundingClientRect();
    const left = Math.min(Math.max(spot.left - frame.left, 12), frame.width - size.width - 12);
    const below = spot.bottom - frame.top + 6;
    const top = below + size.height < frame.height - 12 ? below : Math.max(spot.top - frame.top - size.height - 6, 12);
    menu.style.left = `${left}px`;
    menu.style.top = `${Math.min(top, frame.height - size.height - 12)}px`;
  }
}
