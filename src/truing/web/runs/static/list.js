// The list of runs: it follows what changes, and leads to a comparison.

import { events, element, t } from "/static/base.js";

const form = document.getElementById("list");
const button = document.getElementById("compare");

function showTimes() {
  const form = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "short", timeStyle: "short" });
  for (const time of document.querySelectorAll("time[data-at]")) {
    const at = new Date(Number(time.dataset.at) * 1000);
    time.dateTime = at.toISOString();
    time.textContent = form.format(at);
  }
}

function marked() {
  return form.querySelectorAll('input[name="run"]:checked').length;
}

function put(row, line) {
  const cell = (name) => row.querySelector(`[data-cell="${name}"]`);
  cell("told").textContent = line.told;
  cell("told").className = `badge state-${line.state}`;
  cell("step").textContent = line.step ?? "";
  cell("metrics").replaceChildren(
    ...line.metrics.flatMap(([name, value]) => [
      element("span", { class: "metric" }, element("span", { class: "quiet", dir: "auto" }, name), ` ${shown(value)}`),
      " ",
    ]),
  );
  cell("alarms").replaceChildren(...(line.alarms ? [element("span", { class: "badge bad" }, String(line.alarms))] : []));
  cell("changed").dataset.at = line.changed;
}

function shown(value) {
  return Number(value.toPrecision(4)).toString();
}

showTimes();
if (form) {
  form.addEventListener("change", () => {
    button.disabled = marked() < 2;
    const said = t("{n} runs are marked.", { n: marked() });
    document.getElementById("chosen").textContent = marked() ? said : t("Mark two runs or more to see them on one chart.");
  });
}
events(() => "/events", {
  changed({ lines }) {
    const rows = new Map([...document.querySelectorAll("tr[data-id]")].map((row) => [row.dataset.id, row]));
    if (lines.length !== rows.size || lines.some((line) => !rows.has(line.id))) {
      if (!form || !marked()) location.reload();
      return;
    }
    for (const line of lines) put(rows.get(line.id), line);
    showTimes();
  },
});
