// The sandbox's HTTP interface: one function per request, and the stream of changes.

async function call(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `The sandbox answered ${response.status}.`);
  return answer;
}

const query = (values) => {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return entries.length ? `?${new URLSearchParams(entries)}` : "";
};

export const api = {
  state: () => call("/sandbox/state"),
  messages: (chat, options = {}) => call(`/sandbox/chats/${encodeURIComponent(chat)}/messages${query(options)}`),
  say: (body) => call("/sandbox/messages", body),
  tap: (body) => call("/sandbox/taps", body),
  edit: (body) => call("/sandbox/edits", body),
  react: (body) => call("/sandbox/reactions", body),
  fault: (body) => call("/sandbox/faults", body),
  clock: (seconds) => call("/sandbox/clock", { advance_s: seconds }),
  person: (body) => call("/sandbox/people", body),
  member: (body) => call("/sandbox/members", body),
  reset: () => call("/sandbox/reset", {}),
};

/** Read a File as the sandbox takes it: name, type, base64 content. */
export async function encodeFile(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (let start = 0; start < bytes.length; start += 32768) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 32768));
  }
  return { name: file.name || "file", mime_type: file.type || "application/octet-stream", content: btoa(binary) };
}

const EVENTS = ["change", "state", "reset", "action"];

/**
 * Follow /sandbox/events for ever. `onChange(type, data)` gets each change; `onLive(true or false)` tells when
 * the stream opens and breaks. A broken stream is opened anew, at first at once, later every five seconds.
 * Returns a function that breaks it, for a reader who has lost track.
 */
export function follow(onChange, onLive) {
  let source;
  let timer;
  let wait = 250;
  const retry = () => {
    source.close();
    onLive(false);
    clearTimeout(timer);
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, 5000);
  };
  const open = () => {
    source = new EventSource("/sandbox/events");
    source.addEventListener("open", () => onLive(true));
    source.addEventListener("error", retry);
    for (const type of EVENTS) {
      source.addEventListener(type, (event) => {
        wait = 250;
        onChange(type, JSON.parse(event.data));
      });
    }
  };
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
  return retry;
}
