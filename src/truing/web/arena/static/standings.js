// The table of standings: a strength with its interval for each model, and the votes it rests on.

import { element, get, svgElement, t } from "/static/base.js";

const place = document.getElementById("standings");

export async function showStandings() {
  let told;
  try {
    told = await get("/standings");
  } catch (error) {
    place.replaceChildren(element("p", { class: "bad-text" }, error.message));
    return;
  }
  const spans = told.models.map((one) => one.strength).filter(Boolean);
  const reach = Math.max(1, ...spans.flatMap(({ low, high }) => [Math.abs(low), Math.abs(high)]));
  const head = [t("Strength"), t("Won · tied · lost")].map((text) => element("th", { scope: "col" }, text));
  const table = element(
    "table",
    {},
    element("caption", {}, captionOf(told)),
    element("thead", {}, element("tr", {}, ...head)),
    ...told.models.map((one) => rowsOf(one, reach)),
  );
  place.replaceChildren(element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("Table of standings") }, table));
}

function captionOf({ votes, bad, notes }) {
  if (votes === 0) return t("No vote yet.");
  const said = t("Votes: {n}; in {bad} of them both were bad, which says nothing of who is better.", { n: votes, bad });
  return [said, t("Strengths are log-odds with 95 % intervals, 0 in the middle."), ...notes.map((note) => t("Note: {note}.", { note }))].join(" ");
}

function rowsOf(one, reach) {
  const said = one.strength
    ? t("{s} ({low} to {high})", { s: fixed(one.strength.estimate), low: fixed(one.strength.low), high: fixed(one.strength.high) })
    : one.undefined;
  const strength = element("td", {}, said);
  if (one.strength) strength.append(drawnSpan(one.strength, reach));
  const counts = element("td", {}, `${one.wins} · ${one.ties} · ${one.losses}`);
  const name = element("th", { scope: "rowgroup", colspan: "2", dir: "auto" }, one.model);
  return element("tbody", {}, element("tr", {}, name), element("tr", {}, strength, counts));
}

const fixed = (value) => value.toFixed(2).replace("-", "−");

function drawnSpan({ estimate, low, high }, reach) {
  const at = (value) => 50 + (48 * value) / reach;
  const made = svgElement("svg", { viewBox: "0 0 100 14", preserveAspectRatio: "none", "aria-hidden": "true" });
  made.append(
    svgElement("line", { class: "axis", x1: 50, x2: 50, y1: 0, y2: 14, "vector-effect": "non-scaling-stroke" }),
    svgElement("line", { class: "span", x1: at(low), x2: at(high), y1: 7, y2: 7, "vector-effect": "non-scaling-stroke" }),
    svgElement("ellipse", { class: "dot", cx: at(estimate), cy: 7, rx: 1.6, ry: 4 }),
  );
  return made;
}
