// The buttons of the moment, with their keys on them, and what the keyboard does.

import { element, t } from "/static/base.js";

const KEYS = { Enter: "↵", Backspace: "⌫", Escape: "Esc", "Ctrl+Enter": "Ctrl ↵" };
const KEYS_OFF = "truing/keys-off"; // in the browser's storage: somebody's speech input types single letters

const shortcut = (key) => key.replace("Ctrl", "Control");

export const button = ({ act, key, label, fields, on, off }, kind = "") => element("button", {
  type: "button",
  class: kind,
  "data-act": act,
  "aria-keyshortcuts": keysWork() ? shortcut(key) : null,
  "aria-pressed": on === undefined ? null : String(on),
  "aria-disabled": off ? "true" : null, // a disabled button would lose the focus
}, element("kbd", { "aria-hidden": label ? "true" : null }, KEYS[key] ?? key), label ? element("span", {}, t(label, fields)) : "");

// Put new buttons in place of the old; the one that has the focus keeps it.
export const drawBar = (place, buttons, kind) => {
  const had = place.contains(document.activeElement) ? document.activeElement.dataset.act : null;
  place.replaceChildren(...buttons.map((one) => button(one, kind)));
  if (had) place.querySelector(`[data-act="${CSS.escape(had)}"]`)?.focus();
};

export const keysWork = () => localStorage.getItem(KEYS_OFF) === null;

export const letKeysWork = (work) => {
  if (work) localStorage.removeItem(KEYS_OFF);
  else localStorage.setItem(KEYS_OFF, "1");
};

const isTyping = (target) => target.closest("input, textarea, select") !== null;
const presses = (target) => target.closest("button, a, summary, [tabindex='0']") !== null;

// Calls `pressed(key)` with the name of a key, as on the buttons, unless it means something else where the focus is.
// `pressed` returns whether it did something.
export const listen = (pressed) => {
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.isComposing || event.altKey || document.querySelector("dialog[open]")) return;
    const key = event.ctrlKey || event.metaKey ? `Ctrl+${event.key}` : event.key;
    const always = key === "Escape" || key === "Ctrl+Enter";
    if (!always && (isTyping(event.target) || event.ctrlKey || event.metaKey || !keysWork())) return;
    if (key === "Enter" && presses(event.target)) return;
    if (pressed(key)) event.preventDefault();
  });
};
