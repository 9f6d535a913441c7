"use strict";
const told = JSON.parse(document.getElementById("told").textContent);
const tip = document.body.appendChild(document.createElement("div"));
tip.className = "tip";
tip.hidden = true;

const show = (event, lines) => {
  tip.replaceChildren(...lines.map(([tone, words]) => {
    const line = document.createElement("p");
    line.className = tone;
    line.textContent = words;
    return line;
  }));
  tip.hidden = false;
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${scrollX + Math.max(8, Math.min(event.clientX + 14, room))}px`;
  const above = event.clientY - tip.offsetHeight - 14;
  tip.style.top = `${scrollY + (above > 0 ? above : event.clientY + 20)}px`;
};
const hide = () => { tip.hidden = true; };

// A mark says itself.
for (const mark of document.querySelectorAll("[data-tip]")) {
  mark.addEventListener("pointermove", (event) => show(event, mark.dataset.tip.split("\n").map((line) => ["", line])));
  mark.addEventListener("pointerleave", hide);
}

// Curves are read at the step nearest to the pointer.
const nearest = (xs, x) => {
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle; else high = middle;
  }
  return x - xs[low] < xs[high] - x ? low : high;
};
const read = (line, step) => {
  const place = nearest(line.xs, step);
  const smooth = line.smooth ? ` · ${told.words.smooth.replace("{value}", line.smooth[place])}` : "";
  return { x: line.xs[place], words: `${line.name} ${line.ys[place]}${smooth}` };
};
for (const [id, chart] of Object.entries(told.charts)) {
  const drawing = document.getElementById(id).querySelector("svg");
  const cursor = drawing.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "line"));
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("y2", "100%");
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const step = chart.low + share * (chart.high - chart.low);
    const found = chart.lines.map((line) => [line.tone, read(line, step)]);
    const x = found.map(([, one]) => one.x).reduce((a, b) => (Math.abs(a - step) <= Math.abs(b - step) ? a : b));
    const at = `${(100 * (x - chart.low)) / (chart.high - chart.low)}%`;
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
    cursor.classList.add("on");
    const here = found.filter(([, one]) => one.x === x || found.length === 1);
    show(event, [["", told.words.step.replace("{n}", x)], ...here.map(([tone, one]) => [tone, one.words])]);
  });
  drawing.addEventListener("pointerleave", () => { hide(); cursor.classList.remove("on"); });
}

// A number leads to the answers it is made of, which are folded away.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", unfold);
unfold();

// A press on a column's head sorts its rows: names from A to Z, numbers from the largest; the next press turns them round.
const amount = (cell) => {
  const shown = (cell.querySelector(".number") ?? cell).textContent.trim();
  return parseFloat(shown.replace("\u2212", "-").replaceAll(",", ""));
};
const later = (a, b) => {
  const [left, right] = [amount(a), amount(b)];
  if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) - Number.isNaN(right);
  return right - left;
};
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead th")];
  const body = table.tBodies[0];
  heads.forEach((head, place) => {
    const press = document.createElement("button");
    press.type = "button";
    press.append(...head.childNodes);
    head.append(press);
    press.addEventListener("click", () => {
      const turned = head.getAttribute("aria-sort") === (place ? "descending" : "ascending");
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", Boolean(place) === turned ? "ascending" : "descending");
      const named = (a, b) => a.textContent.localeCompare(b.textContent);
      const order = (a, b) => (place ? later : named)(a.cells[place], b.cells[place]) * (turned ? -1 : 1);
      body.append(...[...body.rows].sort(order));
    });
  });
}
