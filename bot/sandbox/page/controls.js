// The drawer that moves the clock, breaks the network, blocks people and starts afresh.

import { api } from "./api.js";
import { el } from "./dom.js";
import { fullTime, now } from "./format.js";

const METHODS = [["", "any method"], ["sendMessage", "sendMessage"], ["editMessageText", "editMessageText"], ["answerCallbackQuery", "answerCallbackQuery"]];

export class Controls {
  #timer;

  /** `drawer` is the panel, `opener` its button; `changed` is called when the state must be read anew. */
  constructor(store, drawer, opener, changed) {
    Object.assign(this, { store, drawer, opener, changed });
    this.note = el("p", { class: "note", role: "status" });
    this.time = el("p", { class: "now" });
    this.people = el("div", { class: "switches" });
    this.method = el("select", { id: "fault-method" }, METHODS.map(([value, text]) => el("option", { value }, text)));
    this.times = el("input", { id: "fault-times", type: "number", min: "1", max: "20", value: "1" });
    drawer.append(
      el("div", { class: "drawer-head" }, el("h2", {}, "Controls"),
        el("button", { type: "button", class: "quiet", on: { click: () => this.show(false) } }, "Close")),
      part("Clock", this.time, el("div", { class: "choices" },
        this.#button("+10 min", () => this.#clock(600)), this.#button("+1 h", () => this.#clock(3600)), this.#button("+24 h", () => this.#clock(86400)))),
      part("Faults", el("p", {}, "Let the bot’s next calls to Telegram fail. It has to cope, and nothing may be lost."),
        el("div", { class: "fields" },
          el("label", { for: "fault-method" }, "Method"), this.method, el("label", { for: "fault-times" }, "Times"), this.times),
        el("div", { class: "choices" },
          this.#button("429, wait 5 s", () => this.#fault({ status: 429, retry_after: 5 })),
          this.#button("502", () => this.#fault({ status: 502, description: "Bad Gateway" })),
          this.#button("Lost answer", () => this.#fault({ drop: "after" })))),
      part("People", el("p", {}, "Click a message to reply, react or edit it. Who blocks the bot gets nothing from it."), this.people),
      part("Start afresh", el("p", {}, "Forgets every message here. The bot keeps what it has stored."), el("div", { class: "choices" }, this.#reset())),
      this.note,
    );
    opener.addEventListener("click", () => this.show(drawer.hidden));
    drawer.addEventListener("keydown", (event) => event.key === "Escape" && this.show(false));
  }

  show(open) {
    this.drawer.hidden = !open;
    this.opener.setAttribute("aria-expanded", String(open));
    clearInterval(this.#timer);
    if (open) {
      this.update();
      this.#timer = setInterval(() => this.#tick(), 1000);
      this.drawer.querySelector("button").focus();
    } else this.opener.focus();
  }

  update() {
    this.#tick();
    this.people.replaceChildren(...this.store.people.map((person) => {
      const box = el("input", { type: "checkbox" });
      box.checked = Boolean(person.blocked);
      box.addEventListener("change", () => this.#run(api.person({ key: person.key, action: box.checked ? "block" : "unblock" }), "Done."));
      return el("label", {}, box, `${person.name} blocks the bot`);
    }));
  }

  #tick() {
    const ahead = Math.round((now() - Date.now()) / 60000);
    const gap = ahead >= 60 ? ` (${Math.round(ahead / 6) / 10} h ahead)` : ahead > 0 ? ` (${ahead} min ahead)` : "";
    this.time.textContent = fullTime(now()) + gap;
  }

  #button(text, act) {
    return el("button", { type: "button", on: { click: act } }, text);
  }

  #clock(seconds) {
    return this.#run(api.clock(seconds), "The sandbox’s clock was moved.");
  }

  #fault(fault) {
    const times = Number(this.times.value) || 1;
    const method = this.method.value || undefined;
    return this.#run(api.fault({ ...fault, method, times }), `Set: the next ${times === 1 ? "call" : `${times} calls`} will fail.`);
  }

  // Asks twice: the first click only arms the button.
  #reset() {
    const button = el("button", { type: "button", class: "bad" }, "Reset");
    const calm = () => {
      button.textContent = "Reset";
      delete button.dataset.armed;
    };
    button.addEventListener("blur", calm);
    button.addEventListener("click", () => {
      if (!button.dataset.armed) {
        button.dataset.armed = "true";
        button.textContent = "Really reset?";
        return;
      }
      calm();
      this.#run(api.reset(), "The sandbox is empty again.");
    });
    return button;
  }

  async #run(promise, done) {
    try {
      await promise;
      this.note.textContent = done;
      await this.changed();
    } catch (error) {
      this.note.textContent = error.message;
    }
  }
}

const part = (title, ...nodes) => el("section", {}, el("h3", {}, title), nodes);
