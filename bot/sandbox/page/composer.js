// Where a person writes: text, command menu, reply and edit mode, one attached file.

import { encodeFile } from "./api.js";
import { el, icon } from "./dom.js";
import { fileSize } from "./format.js";

const MAX_FILE = 20 * 1024 * 1024;

export class Composer {
  #mode = null;
  #file = null;
  #hints = [];
  #chosen = -1;

  /** `send({text, reply, edit, file})` may reject; `commands()` lists what the "/" menu shows. */
  constructor(name, { send, commands, failed }) {
    Object.assign(this, { send, commands, failed });
    const id = `commands-${name}`;
    this.list = el("div", { class: "commands", id, role: "listbox", hidden: true, aria: { label: "Commands" } });
    this.bar = el("div", { class: "mode", hidden: true });
    this.fileBar = el("div", { class: "mode file", hidden: true });
    this.text = el("textarea", {
      name: "text", rows: "1", autocomplete: "off", placeholder: "Message", enterkeyhint: "send",
      aria: { label: `Message from ${name}`, controls: id, autocomplete: "list" },
    });
    this.picker = el("input", { type: "file", class: "picker", tabindex: "-1", aria: { hidden: "true", label: "File" } });
    this.slash = el("button", { type: "button", class: "tool slash", aria: { label: "Commands", expanded: "false", controls: id } }, icon("slash"));
    const attach = el("button", { type: "button", class: "tool", aria: { label: "Attach a file" } }, icon("attach"));
    this.go = el("button", { type: "submit", class: "tool send", aria: { label: "Send" } }, icon("send"));
    this.keys = el("div", { class: "reply-keys", hidden: true, role: "group", aria: { label: "Quick answers" } });
    this.node = el("form", { class: "composer" }, this.list, this.bar, this.fileBar,
      el("div", { class: "write" }, attach, this.picker, this.text, this.slash, this.go), this.keys);
    this.#listen(attach);
  }

  #listen(attach) {
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.text.addEventListener("input", () => this.#typed());
    this.text.addEventListener("keydown", (event) => this.#key(event));
    this.text.addEventListener("paste", (event) => {
      const [file] = event.clipboardData?.files || [];
      if (!file) return;
      event.preventDefault();
      this.attach(file);
    });
    attach.addEventListener("click", () => this.picker.click());
    this.picker.addEventListener("change", () => this.picker.files[0] && this.attach(this.picker.files[0]));
    this.slash.addEventListener("click", () => {
      if (this.list.hidden) this.#show(this.commands());
      else this.#show([]);
      this.text.focus();
    });
    this.node.addEventListener("focusout", (event) => this.node.contains(event.relatedTarget) || this.#show([]));
  }

  // --- modes --------------------------------------------------------------------------------

  /** Answer a message: its number, whose it is, one line of it. */
  reply(number, name, line, { placeholder = "", focus = true } = {}) {
    this.#setMode({ reply: number }, `Reply to ${name}`, line, "reply");
    if (placeholder) this.text.placeholder = placeholder;
    if (focus) this.text.focus();
  }

  edit(number, text) {
    this.#setMode({ edit: number }, "Edit message", text, "copy");
    this.value = text;
    this.text.focus();
  }

  #setMode(mode, title, line, symbol) {
    this.#mode = mode;
    const stop = el("button", { type: "button", class: "tool", aria: { label: "Cancel" } }, icon("close"));
    stop.addEventListener("click", () => {
      if (mode.edit) this.value = "";
      this.leave();
      this.text.focus();
    });
    this.bar.replaceChildren(icon(symbol), el("span", { class: "mode-text" }, el("b", {}, title), el("span", {}, line)), stop);
    this.bar.hidden = false;
  }

  /** The reply keyboard under the field: rows of texts; none takes it away. */
  keyboard(rows) {
    this.keys.hidden = rows.length === 0;
    this.keys.replaceChildren(...rows.map((row) => el("div", { class: "row" }, row.map((text) => el("button", {
      type: "button", class: "reply-key", on: { click: () => this.#say(text) },
    }, text)))));
  }

  #say(text) {
    this.value = text;
    return this.submit();
  }

  leave() {
    this.#mode = null;
    this.bar.hidden = true;
    this.text.placeholder = "Message";
  }

  attach(file) {
    if (file.size > MAX_FILE) {
      this.failed("Files of up to 20 MB can be sent.");
      return;
    }
    this.#file = file;
    const drop = el("button", { type: "button", class: "tool", aria: { label: "Remove the file" }, on: { click: () => this.#detach() } }, icon("close"));
    this.fileBar.replaceChildren(icon("file"), el("span", { class: "mode-text" }, el("b", {}, file.name || "file"), el("span", {}, fileSize(file.size))), drop);
    this.fileBar.hidden = false;
    this.text.focus();
  }

  #detach() {
    this.#file = null;
    this.picker.value = "";
    this.fileBar.hidden = true;
  }

  // --- writing ------------------------------------------------------------------------------

  set value(text) {
    this.text.value = text;
    this.#typed();
  }

  /** Show a text being typed, in about a third of a second. */
  async type(text) {
    const letters = Array.from(text);
    const step = Math.max(1, Math.ceil(letters.length / 14));
    for (let end = step; end < letters.length; end += step) {
      this.value = letters.slice(0, end).join("");
      await new Promise((done) => setTimeout(done, 24));
    }
  }

  async submit() {
    const text = this.text.value.trim();
    const file = this.#file;
    const mode = this.#mode;
    if (!text && !file) return;
    this.value = "";
    this.leave();
    this.#detach();
    try {
      await this.send({ text, reply: mode?.reply, edit: mode?.edit, file: file ? await encodeFile(file) : undefined });
    } catch (error) {
      if (!this.text.value) this.value = text;
      if (file) this.attach(file);
      this.failed(error.message);
    }
  }

  #typed() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight, 120)}px`;
    const typed = /^\/(\w*)$/.exec(this.text.value);
    this.#show(typed ? this.commands().filter(({ command }) => command.startsWith(typed[1].toLowerCase())) : []);
    this.go.classList.toggle("ready", Boolean(this.text.value.trim() || this.#file));
  }

  #key(event) {
    if (event.isComposing) return;
    if (!this.list.hidden && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      this.#mark((this.#chosen + (event.key === "ArrowDown" ? 1 : -1) + this.#hints.length) % this.#hints.length);
    } else if (!this.list.hidden && this.#chosen >= 0 && ["Enter", "Tab"].includes(event.key)) {
      event.preventDefault();
      this.#choose(this.#hints[this.#chosen], event.key === "Enter");
    } else if (event.key === "Escape" && (!this.list.hidden || this.#mode)) {
      if (!this.list.hidden) this.#show([]);
      else this.leave();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    }
  }

  // --- the "/" menu -------------------------------------------------------------------------

  #show(commands) {
    this.#hints = commands;
    this.list.hidden = commands.length === 0;
    this.slash.setAttribute("aria-expanded", String(!this.list.hidden));
    this.list.replaceChildren(...commands.map((entry, index) => {
      const option = el("button", { type: "button", role: "option", id: `${this.list.id}-${index}`, tabindex: "-1", aria: { selected: "false" } },
        el("b", {}, `/${entry.command}`), el("span", {}, entry.description || ""));
      option.addEventListener("click", () => this.#choose(entry, true));
      return option;
    }));
    this.#mark(-1);
  }

  #mark(index) {
    this.#chosen = index;
    [...this.list.children].forEach((node, at) => node.setAttribute("aria-selected", String(at === index)));
    if (index < 0) this.text.removeAttribute("aria-activedescendant");
    else {
      this.text.setAttribute("aria-activedescendant", this.list.children[index].id);
      this.list.children[index].scrollIntoView({ block: "nearest" });
    }
  }

  #choose(entry, now) {
    this.value = `/${entry.command}${now ? "" : " "}`;
    this.#show([]);
    this.text.focus();
    if (now) this.submit();
  }
}
