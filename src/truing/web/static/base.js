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

/** Follow server-sent events: `handlers` by the names of events. Returns the source; `close()` ends it. */
export function events(url, handlers) {
  const source = new EventSource(url);
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handle(event.data === undefined ? null : JSON.parse(event.data)));
  }
  return source;
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
