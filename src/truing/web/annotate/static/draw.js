// An item as elements: its prompt, its responses, and what is filled in beside each of them.

import { element, grown, t } from "/static/base.js";
import { STARS, cells, cursor } from "/static/annotate/task.js";

const ROLES = { system: t("Instructions"), user: t("Prompt"), assistant: t("Earlier response"), tool: t("Tool") };
const LABELS = { safe: t("Safe"), unsafe: t("Unsafe"), unsure: t("Unsure") };

const said = (shown, raw, more = {}) => (raw
  ? element("pre", { class: "said raw", dir: "auto", lang: shown.lang, ...more }, shown.text)
  : element("div", { class: "said prose", dir: "auto", lang: shown.lang, ...more }, ...grown(shown.tree)));

export const drawPrompt = (place, item, raw) => {
  const turns = item.prompt.map((turn) => element("div", { class: `turn ${turn.role}` },
    element("h2", { class: "role" }, ROLES[turn.role] ?? turn.role), said(turn, raw)));
  place.replaceChildren(...turns);
};

export const drawResponses = (place, item, state, raw) => {
  place.className = `responses of-${Math.min(item.responses.length, 3)} kind-${item.kind}`;
  place.replaceChildren(...item.responses.map((response, slot) => {
    const writing = state.mode === "write" && state.slot === slot;
    const name = t("Response {n}", { n: slot + 1 });
    return element("article", { class: "response", "aria-label": name, "data-slot": slot },
      element("header", {}, element("h2", {}, element("span", { class: "unseen" }, name),
        element("span", { class: "number", "aria-hidden": "true" }, slot + 1)), element("span", { class: "mark" })),
      writing ? editor(state, name, response) : said(response, raw, { "data-text": true }));
  }));
  refresh(place, item, state);
};

const editor = (state, name, response) => {
  const field = element("textarea", { id: "edited", dir: "auto", lang: response.lang, "aria-label": t("{name}, as it should be", { name }) });
  field.value = state.text;
  return field;
};

// Who said what, for whoever settles a disagreement.
export const drawVotes = (place, votes) => {
  place.hidden = !votes;
  place.replaceChildren(...(votes ?? []).map((vote) => element("p", {}, element("strong", { dir: "auto" }, vote.name), " ",
    element("span", { dir: "auto" }, vote.said), " ", vote.comment ? element("q", { dir: "auto" }, vote.comment) : "")));
};

// What changes with a key: the marks of responses, not their texts.
export const refresh = (place, item, state) => {
  for (const article of place.children) {
    const slot = Number(article.dataset.slot);
    const mark = article.querySelector(".mark");
    if (item.kind === "ranking") mark.replaceChildren(rankOf(state, slot));
    else if (item.kind === "safety") mark.replaceChildren(labelOf(item, state, slot));
    else if (item.kind === "ratings") mark.replaceChildren(ratingsOf(item, state, slot));
    article.classList.toggle("here", isHere(item, state, slot));
  }
};

const isHere = (item, state, slot) => {
  if (state.mode === "write") return state.slot === slot;
  const all = cells(item);
  return all.length > 0 && item.responses.length > 1 && all[cursor(item, state)].slot === slot;
};

const rankOf = (state, slot) => {
  const place = state.groups.findIndex((group) => group.includes(slot));
  return place < 0 ? "" : element("span", { class: "badge rank" }, t("place {n}", { n: place + 1 }));
};

const labelOf = (item, state, slot) => {
  const value = state.values[slot];
  return value === undefined ? "" : element("span", { class: `badge label ${value}` }, LABELS[value]);
};

const ratingsOf = (item, state, slot) => {
  const now = cursor(item, state);
  const rows = cells(item).map((cell, place) => ({ ...cell, place })).filter((cell) => cell.slot === slot).map(({ axis, place }) => {
    const named = item.names[axis] ?? axis;
    const buttons = STARS.map((value) => element("button", {
      type: "button", class: "star", "data-act": `cell:${place}`, "data-value": value,
      "aria-pressed": String(state.values[place] === value), "aria-label": t("{axis}: {n} of 5", { axis: named, n: value }),
    }, value));
    return element("div", { class: place === now ? "axis now" : "axis", role: "group", "aria-label": t("Response {n}, {axis}", { n: slot + 1, axis: named }) },
      element("span", { class: "name", "aria-hidden": "true" }, named), ...buttons);
  });
  return element("div", { class: "axes" }, ...rows);
};
