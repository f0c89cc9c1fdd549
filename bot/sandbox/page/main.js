// Starts the page: reads the state, builds the phones, follows the stream of changes.

import { follow } from "./api.js";
import { Controls } from "./controls.js";
import { el } from "./dom.js";
import { refreshTimes } from "./format.js";
import { arrows, badge, Phone } from "./phone.js";
import { Store } from "./state.js";

const EXAMPLES = [
  "expense 12.50 EUR coffee",
  "expense 900 EUR new laptop",
  "create task: review the budget due friday",
  "print label Hello",
  "what's on my list",
];
const ORDER = ["member", "approver", "admin"];

const store = new Store();
const phones = new Map();
const stage = document.querySelector("#phones");
const tabs = document.querySelector("#people");
const narrow = matchMedia("(max-width: 900px)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let current = "member";

// --- people -----------------------------------------------------------------------------------

function buildPhones() {
  const rank = (person) => (ORDER.includes(person.key) ? ORDER.indexOf(person.key) : ORDER.length);
  const people = [...store.people].sort((a, b) => rank(a) - rank(b));
  for (const [key, phone] of phones) {
    if (people.some((person) => person.key === key)) continue;
    phone.node.remove();
    phones.delete(key);
  }
  for (const person of people) {
    if (!phones.has(person.key)) {
      const phone = new Phone(store, person, store.people.indexOf(person) % 5);
      phone.node.addEventListener("unread", drawTabs);
      phones.set(person.key, phone);
      stage.append(phone.node);
    }
    phones.get(person.key).update();
  }
  if (!phones.has(current)) current = people[0]?.key;
  select(current);
}

function select(key) {
  current = key;
  for (const [name, phone] of phones) phone.node.toggleAttribute("data-current", name === key);
  phones.get(key)?.seen();
  drawTabs();
}

function drawTabs() {
  const focused = tabs.contains(document.activeElement);
  const buttons = [...phones.values()].map(({ person, role, unread }) => {
    const on = person.key === current;
    return el("button", {
      type: "button", role: "tab", data: { tab: person.key }, aria: { selected: String(on), controls: `phone-${person.key}` }, tabindex: on ? "0" : "-1",
      on: { click: () => select(person.key) },
    }, el("span", { class: "tab-text" }, ORDER.includes(person.key) ? role : person.name), badge(unread));
  });
  tabs.replaceChildren(...buttons);
  tabs.onkeydown = (event) => arrows(event, buttons);
  if (focused) buttons.find((button) => button.tabIndex === 0)?.focus();
}

narrow.addEventListener("change", () => {
  for (const phone of phones.values()) if (!narrow.matches) phone.seen();
});

// --- examples ---------------------------------------------------------------------------------

function buildExamples() {
  const box = document.querySelector("#examples");
  box.append(...EXAMPLES.map((text) => {
    const chip = el("button", { type: "button", class: "chip" }, text);
    chip.addEventListener("click", async () => {
      if (chip.ariaBusy === "true" || !phones.has("member")) return;
      chip.ariaBusy = "true";
      if (narrow.matches) select("member");
      await phones.get("member").act(text, calm.matches);
      chip.ariaBusy = "false";
    });
    return chip;
  }));
}

// --- changes ----------------------------------------------------------------------------------

store.addEventListener("message", ({ detail }) => {
  for (const phone of phones.values()) phone.take(detail.message, detail.isNew);
});
store.addEventListener("gone", ({ detail }) => {
  for (const phone of phones.values()) phone.gone(detail.ref, detail.id);
});

const controls = new Controls(store, document.querySelector("#drawer"), document.querySelector("#open-controls"), async () => {
  await store.load();
  buildPhones();
  controls.update();
});

async function readAll() {
  await store.catchUp();
  buildPhones();
  for (const phone of phones.values()) phone.redraw();
}

let rereading = false;

async function changed(type, data) {
  if (type === "change") await store.arrive(data);
  else if (type === "action") for (const phone of phones.values()) phone.typing(data.chat_id, data.bot);
  else if (type === "reset") {
    store.forget();
    await readAll();
    for (const phone of phones.values()) phone.forget();
  } else if (type === "state" && !rereading) {
    // Such changes come in bursts; one look at the state that follows them serves all.
    rereading = true;
    inLine(async () => {
      rereading = false;
      await store.load();
      buildPhones();
    });
  }
}

function connection(live) {
  const dot = document.querySelector("#connection");
  dot.dataset.live = String(live);
  dot.querySelector("span").textContent = live ? "Live" : "Reconnecting…";
}

// Changes are taken one after the other, in the order in which they came. Where one fails, all is read anew.
let line = Promise.resolve();
function inLine(work) {
  line = line.then(work).catch(() => again());
}

buildExamples();
const again = follow(
  (type, data) => inLine(() => changed(type, data)),
  (live) => {
    if (!live) connection(false);
    else inLine(() => readAll().then(() => connection(true)));
  },
);
setInterval(refreshTimes, 20000);
