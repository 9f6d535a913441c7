// What every page's script uses: words, requests that change something, events, and sentences that are read out.

const words = JSON.parse(document.getElementById("words").textContent);
const csrf = document.querySelector('meta[name="csrf"]').content;

/** `text` in the language of the page, its placeholders such as {n} filled. */
export function t(text, filled = {}) {
  return (words[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => (name in filled ? String(filled[name]) : whole));
}

/**
 * An answer that is not a success: `status`, and what it said as the message. `status` 0: no answer. `ours` says
 * whether this server gave it, and not something on the way to it.
 */
export class RequestError extends Error {
  constructor(status, said, hint = "", ours = false) {
    super(said);
    this.status = status;
    this.hint = hint;
    this.ours = ours;
  }
}

async function answered(url, options) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", redirect: "error", ...options });
  } catch {
    throw new RequestError(0, t("The server does not answer."));
  }
  const body = await response.json().catch(() => ({}));
  const ours = typeof body.error === "string";
  if (!response.ok) throw new RequestError(response.status, ours ? body.error : response.statusText, body.hint, ours);
  return body;
}

/** Send `body` as JSON and return the JSON of the answer; throws RequestError. `options` are those of fetch. */
export function post(url, body = {}, options = {}) {
  const headers = { "content-type": "application/json", accept: "application/json", "x-truing-csrf": csrf };
  return answered(url, { method: "POST", headers, body: JSON.stringify(body), ...options });
}

/** Return the JSON at `url`; throws RequestError. */
export function get(url, options = {}) {
  return answered(url, { headers: { accept: "application/json" }, ...options });
}

/**
 * Follow server-sent events: `handlers` by the names of events. `url` is called for the address each time that the page
 * begins to follow: one that nobody sees does not, since a browser opens six connections to a server and no more.
 * `lost` is called where the server refuses. Returns what ends it.
 */
export function events(url, handlers, lost = () => {}) {
  let source = null;
  const begin = () => {
    const made = new EventSource(url());
    for (const [name, handle] of Object.entries(handlers)) {
      made.addEventListener(name, (event) => handle(event.data === undefined ? null : JSON.parse(event.data)));
    }
    made.addEventListener("error", () => { if (made.readyState === EventSource.CLOSED) lost(); });
    source = made;
  };
  const stop = () => {
    source?.close();
    source = null;
  };
  const turn = () => {
    if (document.hidden) stop();
    else if (!source) begin();
  };
  document.addEventListener("visibilitychange", turn);
  turn();
  return () => {
    document.removeEventListener("visibilitychange", turn);
    stop();
  };
}

/** Have a screen reader say a sentence, without moving the focus. */
export function announce(text) {
  document.getElementById("said").textContent = text;
}

/** The content of a block of JSON that the page holds. */
export function data(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

/** A new element: `element("p", {class: "quiet", dir: "auto"}, "text", child, …)`. Text is text, never markup. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** A new element of a drawing: `svgElement("circle", {cx: 1}, child, …)`. */
export function svgElement(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The elements of what `markdown_tree` of the server returns. */
export function grown(nodes) {
  return nodes.map((node) => {
    if (typeof node === "string") return node;
    const [name, attributes, children] = node;
    return element(name, attributes, ...grown(children));
  });
}
