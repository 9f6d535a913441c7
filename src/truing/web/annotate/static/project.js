// The page of whoever looks after a project: numbers that follow the votes, invitations, items.

import { data, element, events, post, svgElement, t } from "/static/base.js";

const at = (id) => document.getElementById(id);

// Numbers

const WIDTH = 144;

// An estimate with its interval, on the scale of its table.
const whisker = (cell, { least, most }) => {
  const x = (value) => 6 + (WIDTH - 12) * Math.min(1, Math.max(0, (value - least) / (most - least || 1)));
  const made = svgElement("svg", { class: "whisker", viewBox: `0 0 ${WIDTH} 16`, "aria-hidden": "true" });
  made.append(
    svgElement("line", { x1: 0, x2: WIDTH, y1: 8, y2: 8 }),
    ...(least < 0 && most > 0 ? [svgElement("line", { x1: x(0), x2: x(0), y1: 2, y2: 14 })] : []),
    svgElement("line", { class: "span", x1: x(cell.low), x2: x(cell.high), y1: 8, y2: 8 }),
    svgElement("circle", { cx: x(cell.middle), cy: 8, r: 4 }));
  return made;
};

const cellOf = (cell, table, first) => element(first ? "th" : "td", { scope: first ? "row" : null },
  element("span", { dir: "auto" }, cell.text),
  cell.interval ? element("span", { class: "interval" }, cell.interval) : "",
  cell.middle === null || table.columns.length > 5 ? "" : whisker(cell, table));

const tableOf = (table) => element("section", {},
  element("h2", {}, table.title),
  table.explains ? element("p", { class: "quiet small" }, table.explains) : "",
  element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": table.title }, element("table", {},
    element("thead", {}, element("tr", {}, ...table.columns.map((name) => (name ? element("th", { scope: "col" }, name) : element("td", {}))))),
    element("tbody", {}, ...table.rows.map((row) => element("tr", {}, ...row.map((cell, place) => cellOf(cell, table, place === 0))))))));

let shown = "";

const show = ({ tables }) => {
  const text = JSON.stringify(tables);
  if (text === shown) return;
  shown = text;
  const place = at("numbers");
  const narrow = tables.filter((table) => table.columns.length <= 2).map(tableOf);
  place.replaceChildren(element("div", { class: "two" }, ...narrow), ...tables.filter((table) => table.columns.length > 2).map(tableOf));
};

// People

at("invite").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const { links } = await post("/project/invitations", { role: at("role").value, count: at("count").valueAsNumber });
    at("invited").textContent = t("Each link works once. Send each to one person: they are not shown again.");
    at("links").replaceChildren(...links.map(linkOf));
  } catch (error) {
    at("invited").textContent = error.message;
  }
});

const linkOf = (link, place) => {
  const field = element("input", { readonly: true, value: link, "aria-label": t("Invitation {n}", { n: place + 1 }) });
  field.addEventListener("focus", () => field.select());
  return element("li", {}, field);
};

// Items

at("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [file] = at("file").files;
  at("added").className = "";
  try {
    const { said } = await post("/project/items", { name: file.name, text: await file.text(), kind: at("kind").value, purpose: at("purpose").value });
    at("added").textContent = said;
    at("file").value = "";
  } catch (error) {
    at("added").className = "bad-text";
    at("added").textContent = [error.message, error.hint].filter(Boolean).join(". ");
  }
});

show(data("page"));
events(() => "/project/events", { changed: show });
