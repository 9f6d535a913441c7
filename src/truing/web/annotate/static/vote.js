// The page where a person votes: items come, one key answers, the next is there.
//
// `task.js` says what a key does, `draw.js` and `bar.js` show it, `outbox.js` brings votes to the server. This file
// holds what is on the screen, and the items before and after it. A person who settles disagreements has the same
// page with other addresses: see `data("page")`.

import { announce, data, element, post, t } from "/static/base.js";
import { drawBar, keysWork, letKeysWork, listen } from "/static/annotate/bar.js";
import { drawPrompt, drawResponses, drawVotes, refresh } from "/static/annotate/draw.js";
import { clearMarks, markDifferences } from "/static/annotate/highlight.js";
import { Outbox, clientKey } from "/static/annotate/outbox.js";
import { drawRanking } from "/static/annotate/ranks.js";
import { act, actOf, begin, choices, tools } from "/static/annotate/task.js";

const page = data("page"); // { name, save, next, undo, names, voted, last, guidelines }
const AHEAD = 3; // items that wait beside the one on the screen
const at = (id) => document.getElementById(id);
const option = (name) => localStorage.getItem(`truing/${name}`) !== "off";
const draftName = (item) => `truing/${page.name}/draft/${item.item}-${item.look}`;

let item = null; // on the screen
let state = null;
let queue = [];
const left = []; // disagreements that were passed over
const past = []; // items that were answered in this page, with their states
const unseen = new Set(); // keys of undos whose items this page does not know
const earlier = []; // keys of votes from before this page, the latest last
let voted = page.voted;
let asking = false;
let raw = !option("pretty");
let marks = option("differences");
let shownAt = 0;
let clock = { spent: 0, since: null }; // milliseconds that the item was looked at

const outbox = new Outbox({
  storage: localStorage,
  name: page.name,
  send: async (path, body) => {
    try {
      const reply = await post(path, body, { signal: AbortSignal.timeout(20_000) });
      return { status: "id" in reply || "item" in reply ? 200 : 0, reply }; // anything else is not of this server
    } catch (error) {
      return { status: error.ours ? error.status : 0, reply: { error: error.message } };
    }
  },
  changed: showUnsent,
  stored: (entry, reply) => {
    if (unseen.delete(entry.body.client_key)) reopen(reply);
    else if (reply.known) tell(entry.body.client_key, reply.known);
  },
  refused: (entry, reply) => {
    const place = past.findIndex((one) => one.key === entry.body.client_key);
    if (place >= 0) past.splice(place, 1); // there is nothing to take back
    complain(t("A vote was not taken: {reason}", { reason: reply.error }));
  },
});

// What waits to be stored, and only what is stored is called saved.
function showUnsent({ unsent, away, signedOut }) {
  const place = at("unsent");
  place.className = unsent ? "badge unsure" : "badge good";
  place.textContent = unsent ? t("{n} unsent", { n: unsent }) : t("saved");
  at("away").hidden = !(away || signedOut);
  at("away").textContent = signedOut
    ? t("This browser is signed out. Nothing is lost: ask for a link back, and open it in this browser.")
    : t("No connection. Votes wait in this browser and are sent when it is back.");
}

function complain(text) {
  at("problem").hidden = false;
  at("problem").textContent = text;
}

// Items

// The votes that wait in the outbox, but for those that are taken back there.
function waiting() {
  const all = outbox.entries();
  const undone = new Set(all.filter(({ path }) => path === page.undo).map(({ body }) => body.vote));
  return all.filter(({ path, body }) => path === page.save && !undone.has(body.client_key)).map(({ body }) => body);
}

const waitingItems = () => waiting().map((body) => body.item);

async function fill() {
  const count = AHEAD - queue.length + (item ? 0 : 1);
  if (asking || count <= 0) return;
  asking = true;
  let more = false; // keys may be pressed while the server is asked
  try {
    const held = [...left, ...waitingItems(), ...queue.map((one) => one.item), ...(item ? [item.item] : [])];
    const { items } = await post(page.next, { count, held });
    const here = new Set([...held, ...waitingItems()]);
    const found = items.filter((one) => !here.has(one.item));
    queue.push(...found);
    more = found.length === count;
    at("offline").hidden = true;
    if (!item) (queue.length ? show(queue.shift()) : finish());
  } catch (error) {
    if (!item) at("offline").hidden = false;
    if (error.status === 0 || error.status >= 500) setTimeout(fill, 3000);
    else complain(error.message);
  } finally {
    asking = false;
  }
  if (more) fill();
}

function show(next, before = null) {
  item = { ...next, names: page.names };
  const draft = localStorage.getItem(draftName(item));
  state = before ?? (draft ? JSON.parse(draft) : begin(item));
  shownAt = performance.now();
  clock = { spent: 0, since: document.hidden ? null : shownAt };
  at("empty").hidden = true;
  at("task").hidden = false;
  at("place").textContent = t("Item {n}", { n: voted + 1 });
  at("training").hidden = !item.training;
  at("known").hidden = true;
  drawPrompt(at("prompt"), item, raw);
  drawVotes(at("votes"), item.votes);
  draw();
  window.scrollTo({ top: 0, behavior: "instant" });
  if (!at("edited")) at("place").focus({ preventScroll: true });
}

function finish() {
  item = null;
  at("task").hidden = true;
  at("empty").hidden = false;
  announce(at("empty").textContent);
  setTimeout(fill, 5000); // items can be added while people vote
}

// Drawing

function draw() {
  drawResponses(at("responses"), item, state, raw);
  drawButtons();
  const field = at("edited");
  if (field) {
    field.addEventListener("input", () => change("text", field.value));
    field.focus();
  }
  drawMarks();
}

function drawButtons() {
  drawBar(at("choices"), choices(item, state), "choice");
  drawBar(at("tools"), toolsNow(), "tool");
  at("choices").className = `choices kind-${item.kind} mode-${state.mode}`;
  at("comment").value = state.comment;
  drawRanking(at("ranking"), item, state, (groups) => change("groups", groups));
}

const LATER = { act: "later", key: "s", label: t("Later") }; // a disagreement that is left for now
const UNDO = { act: "undo", key: "u", label: t("Undo") };
const GUIDELINES = { act: "guidelines", key: "g", label: t("Guidelines") };
const HELP = { act: "help", key: "?", label: t("Keys") };

function toolsNow() {
  const own = tools(item, state).filter((one) => page.undo || one.act !== "skip").map(withOptions);
  const back = page.undo || past.length ? [UNDO] : [];
  return [...(page.undo ? [] : [LATER]), ...own, ...back, ...(page.guidelines ? [GUIDELINES] : []), HELP];
}

function withOptions(one) {
  if (one.act === "raw") return { ...one, on: raw };
  if (one.act === "differences") return { ...one, on: marks };
  return one;
}

function drawMarks() {
  const texts = at("responses").querySelectorAll("[data-text]");
  const found = marks && texts.length === 2 ? markDifferences(...texts) : clearMarks();
  at("marks").textContent = { same: t("The texts are equal."), apart: t("Too different to mark.") }[found] ?? "";
}

// Deeds

function change(deed, given) {
  const done = act(item, state, deed, given);
  const redraw = done.state.mode !== state.mode || done.state.slot !== state.slot;
  state = done.state;
  if (done.answer) {
    answer(done.answer);
    return;
  }
  keepDraft();
  if (redraw) draw();
  else if (deed !== "text") { refresh(at("responses"), item, state); drawButtons(); }
  else drawButtons();
}

// What is half done survives a closed tab, where the browser has room for it.
function keepDraft() {
  try {
    localStorage.setItem(draftName(item), JSON.stringify(state));
  } catch {
    localStorage.removeItem(draftName(item)); // an older one would come back in its place
  }
}

function answer(given) {
  const body = {
    client_key: clientKey(),
    item: item.item,
    key: item.key,
    look: item.look,
    answer: given,
    seconds: Math.round(spent()) / 1000,
    comment: state.comment.trim(),
    flag: state.flag,
  };
  const answered = item;
  past.push({ item, state, key: body.client_key });
  localStorage.removeItem(draftName(item));
  voted += 1;
  at("comments").open = false;
  at("problem").hidden = true;
  if (answered.training) {
    state = { ...state, mode: "told", key: body.client_key };
    at("known").hidden = false;
    at("known").replaceChildren(t("The known answer comes …"));
    outbox.add(page.save, body);
    drawButtons();
    return;
  }
  item = null;
  outbox.add(page.save, body);
  goOn();
}

function goOn() {
  item = null;
  clearMarks();
  if (queue.length) show(queue.shift());
  else { at("task").hidden = true; at("empty").hidden = true; }
  fill();
}

// The answer that is known, once the vote on a training item is stored.
function tell(key, known) {
  if (!item || state.key !== key) return;
  const right = known.right;
  at("known").replaceChildren(
    element("strong", { class: right ? "good-text" : "bad-text" }, right ? t("As the known answer.") : t("The known answer is another:")),
    ` ${known.said} `, element("span", { dir: "auto" }, known.why ?? ""));
  announce(at("known").textContent);
}

// An undo names its vote: another tab may have voted since.
function undo() {
  const last = past.pop();
  const vote = last ? last.key : earlier.pop();
  if (!vote) {
    if (!unseen.size) announce(t("There is nothing to take back."));
    return;
  }
  const body = { client_key: clientKey(), vote };
  if (!last) unseen.add(body.client_key);
  if (page.undo) outbox.add(page.undo, body);
  if (!last) return; // the server has its item
  if (item && state.mode !== "told") queue.unshift(item);
  voted -= 1;
  show(last.item, { ...last.state, mode: begin(last.item).mode });
  announce(t("The last vote is taken back."));
}

// Show the item of an undo, unless it is on the screen or waits already. `before` is the vote before it.
function reopen({ item: shown, before }) {
  if (before && !earlier.length) earlier.push(before);
  if (!shown) {
    announce(t("That vote was taken back already."));
    return;
  }
  if ([item, ...queue].some((one) => one && one.item === shown.item)) return;
  if (item && state.mode !== "told") queue.unshift(item);
  voted = Math.max(0, voted - 1);
  show(shown);
}

const spent = () => clock.spent + (clock.since === null ? 0 : performance.now() - clock.since);

const OWN = {
  undo,
  on: goOn,
  later: () => { left.push(item.item); goOn(); },
  help: () => at("help").showModal(),
  guidelines: () => {
    at("guidelines").hidden = !at("guidelines").hidden;
    localStorage.setItem("truing/guidelines", at("guidelines").hidden ? "off" : "on");
  },
  comment: () => { at("comments").open = true; at("comment").focus(); },
  raw: () => {
    raw = !raw;
    localStorage.setItem("truing/pretty", raw ? "off" : "on");
    drawPrompt(at("prompt"), item, raw);
    draw();
  },
  differences: () => {
    marks = !marks;
    localStorage.setItem("truing/differences", marks ? "on" : "off");
    drawMarks();
    drawButtons();
  },
};

function deed(name, value) {
  if (!name || (!item && name !== "undo" && name !== "help" && name !== "guidelines")) return false;
  if (name in OWN) OWN[name]();
  else change(name, value);
  return true;
}

// Wiring

listen((key) => {
  if (!item) return deed({ u: page.undo ? "undo" : null, "?": "help", g: page.guidelines ? "guidelines" : null }[key]);
  if (state.mode === "write" && key.length === 1) return false;
  return deed(actOf([...choices(item, state), ...toolsNow()], key));
});

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-act]");
  // The second click of a double click would answer the next item.
  if (!pressed || (event.detail > 1 && performance.now() - shownAt < 500) || pressed.getAttribute("aria-disabled") === "true") return;
  deed(pressed.dataset.act, pressed.dataset.value === undefined ? undefined : Number(pressed.dataset.value));
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clock = { spent: spent(), since: null };
  else clock.since ??= performance.now();
});

at("comment").addEventListener("input", () => {
  state = { ...state, comment: at("comment").value };
  keepDraft();
});
at("comment").addEventListener("keydown", (event) => {
  if ((event.key === "Enter" && !event.isComposing) || event.key === "Escape") {
    event.preventDefault();
    at("place").focus({ preventScroll: true });
    drawButtons();
  }
});
at("keys").checked = keysWork();
at("keys").addEventListener("change", () => { letKeysWork(at("keys").checked); if (item) drawButtons(); });
window.addEventListener("online", () => { outbox.flush(); fill(); });
window.addEventListener("storage", () => showUnsent(outbox));
if (page.guidelines) at("guidelines").hidden = !option("guidelines") || matchMedia("(max-width: 720px)").matches;

earlier.push(...[page.last, ...(page.undo ? waiting().map((body) => body.client_key) : [])].filter(Boolean));
showUnsent(outbox);
outbox.flush();
fill();
