// The arena's page: it follows a talk, shows its rounds, and sends questions and votes.

import { announce, data, element, events, get, grown, post, t } from "/static/base.js";
import { showStandings } from "/static/arena/standings.js";

const rounds = document.getElementById("rounds");
const trouble = document.getElementById("trouble");
const voting = document.getElementById("vote");
const form = document.getElementById("ask");
const question = document.getElementById("question");
const VOTES = [
  { outcome: "left", key: "1", also: "a", label: t("First is better") },
  { outcome: "tie", key: "t", label: t("Tie") },
  { outcome: "both_bad", key: "x", label: t("Both bad") },
  { outcome: "right", key: "2", also: "b", label: t("Second is better") },
  { outcome: "skip", key: "s", label: t("Skip") },
];
const SIDES = [t("Response 1"), t("Response 2")];

let { talk } = data("arena");
let shown = []; // for each round: what it was made of, its element, and the texts that grow
let newest = null; // the newest round, as the server told it
let readyAt = 0; // when both responses had ended
let raw = false;

function follow() {
  events(() => `/talks/${encodeURIComponent(talk)}/events`, {
    talk: showTalk,
    text: ({ side, text }) => shown.at(-1).texts[side].append(text),
  }, lost);
}

async function lost() {
  try {
    await get(`/talks/${encodeURIComponent(talk)}`, { headers: { accept: "text/html" } });
  } catch (error) {
    trouble.textContent = error.status === 404 ? t("The server no longer holds this conversation: begin a new one.") : error.message;
  }
}

function showTalk(told) {
  const before = newest;
  newest = told.at(-1) ?? null;
  told.forEach((round, place) => {
    const made = JSON.stringify([round, raw]);
    if (shown[place]?.made === made) return;
    const next = { made, ...drawn(round, place) };
    if (shown[place]) {
      shown[place].at.replaceWith(next.at);
    } else {
      rounds.append(next.at);
      next.at.scrollIntoView({ block: "start" });
    }
    shown[place] = next;
  });
  tell(before);
  showVote();
}

function tell(before) {
  if (!newest || (before && before.number === newest.number && before.state === newest.state)) return;
  if (newest.state === "ready") {
    readyAt = performance.now();
    announce(t("Both responses have ended. Press 1, 2, t for a tie, or x where both are bad."));
  }
  if (newest.state === "failed") announce(t("A response is missing: there is nothing to compare."));
  if (newest.state === "judged") {
    const [first, second] = newest.sides.map((side) => side.model);
    announce(first ? t("Stored. Response 1 was {first}, response 2 was {second}.", { first, second }) : t("Skipped."));
    showStandings();
  }
  if (before && (newest.state === "judged" || newest.state === "failed") && matchMedia("(pointer: fine)").matches) question.focus();
}

function drawn(round, number) {
  const texts = round.sides.map((side) => body(side));
  const out = ["judged", "failed"].includes(round.state) && round.goes_on === null;
  const sides = round.sides.map((side, place) => sideOf(round, side, place, texts[place]));
  const at = element(
    "section",
    { class: `round${out ? " out" : ""}`, "data-state": round.state },
    element("h2", { class: "unseen" }, t("Question {n}", { n: number + 1 })),
    element("p", { class: "question", dir: "auto", lang: round.question.lang || null }, round.question.text),
    element("div", { class: "pair" }, ...sides),
  );
  const verdict = verdictOf(round, out);
  if (verdict) at.append(element("p", { class: "quiet small verdict" }, verdict));
  return { at, texts };
}

function verdictOf(round, out) {
  const said = {
    left: t("You found response 1 better."),
    right: t("You found response 2 better."),
    tie: t("You called it a tie; the conversation goes on with response {n}, which was drawn.", { n: (round.goes_on ?? 0) + 1 }),
    both_bad: t("You found both bad."),
    skip: t("You skipped this one."),
  }[round.outcome];
  const left = out ? t("The conversation goes on without it.") : "";
  return [said, left].filter(Boolean).join(" ");
}

function body(side) {
  const plain = side.tree === null || raw;
  const at = element("div", { class: `text${plain ? " raw" : ""}`, dir: "auto", lang: side.lang || null });
  if (plain) at.append(side.text);
  else at.append(...grown(side.tree));
  return at;
}

function sideOf(round, side, place, text) {
  const better = round.outcome === ["left", "right"][place];
  const head = element("header", {}, element("h3", {}, SIDES[place]));
  if (side.model) head.append(element("span", { class: "model", dir: "auto" }, side.model));
  if (better) head.append(element("span", { class: "badge good" }, t("better")));
  const at = element("article", { class: `side${better ? " better" : ""}`, "aria-label": SIDES[place], "data-state": side.state }, head, text);
  if (side.error) {
    const alarm = element("div", { class: "alarm" }, element("strong", {}, t("This side has failed")), element("p", {}, side.error));
    if (side.hint) alarm.append(element("p", { class: "quiet" }, side.hint));
    at.append(alarm);
  }
  const note = { writing: t("writing …"), stopped: t("stopped") }[side.state] ?? (side.finish === "length" ? t("ended at the limit of tokens") : "");
  at.append(element("footer", {}, note));
  return at;
}

function showVote() {
  const state = newest?.state;
  const buttons = [];
  if (state === "writing") buttons.push(button(t("Stop"), "Escape", "Esc", stop));
  if (state === "ready") buttons.push(...VOTES.map((one) => button(one.label, one.key, one.key, () => vote(one.outcome))));
  if (state === "ready") buttons.push(button(t("Raw text"), "r", "r", toggleRaw));
  voting.replaceChildren(...buttons);
  voting.hidden = buttons.length === 0;
  const busy = state === "writing" || state === "ready";
  for (const control of [question, form.querySelector("button")]) control.disabled = busy;
}

function button(label, key, keyShown, deed) {
  const at = element("button", { type: "button", "data-key": key, "aria-keyshortcuts": key }, element("kbd", {}, keyShown), ` ${label}`);
  at.addEventListener("click", deed);
  return at;
}

async function attempt(deed) {
  trouble.textContent = "";
  try {
    await deed();
  } catch (error) {
    trouble.textContent = [error.message, error.hint].filter(Boolean).join(" ");
  }
}

const stop = () => attempt(() => post(`/talks/${encodeURIComponent(talk)}/stop`));

function vote(outcome) {
  const { number } = newest;
  const key = `arena-${talk}-${number}`; // of the round: a second click, or another tab, is the same vote
  const seconds = (performance.now() - readyAt) / 1000;
  return attempt(() => post(`/talks/${encodeURIComponent(talk)}/vote`, { number, outcome, key, seconds }));
}

function toggleRaw() {
  raw = !raw;
  for (const [place, one] of shown.entries()) {
    const [round] = JSON.parse(one.made);
    const next = { made: JSON.stringify([round, raw]), ...drawn(round, place) };
    one.at.replaceWith(next.at);
    shown[place] = next;
  }
}

async function ask() {
  const text = question.value;
  if (!text.trim()) return;
  await attempt(async () => {
    const begun = await post("/ask", { text, talk });
    question.value = "";
    question.blur();
    if (talk === null) {
      talk = begun.talk;
      history.replaceState(null, "", `/talks/${encodeURIComponent(talk)}`);
      follow();
    }
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask();
});
document.addEventListener("keydown", (event) => {
  const writes = event.target.matches("input, textarea, select");
  if (writes || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const also = VOTES.find((one) => one.also === event.key)?.key ?? event.key;
  const found = [...voting.querySelectorAll("button")].find((one) => one.dataset.key === also);
  if (found) {
    event.preventDefault();
    found.click();
  }
});

showStandings();
if (talk !== null) follow();
