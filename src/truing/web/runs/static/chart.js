// A chart of curves over steps, drawn as SVG: raw values faint, their moving average bold.
//
//   const chart = new Chart({ title: "Loss", lines: [{ name: "loss", tone: "run-0", points, smooth }], onZoom });
//   place.append(chart.figure);
//   chart.show(lines);          new values, in the same place
//   chart.frame(first, last);   these steps alone; null shows all
//
// `points` and `smooth` are arrays of [step, value], value null where there is none. Dragging calls
// `onZoom(first, last)`. With the keyboard: arrows read values, Home and End, + and − zoom, 0 shows all. The chart is
// a slider over its steps, so a screen reader tells each value; the same values stand in a table.

import { element, svgElement, t } from "/static/base.js";

const LEFT = 52;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;
const ROWS = 24;
let count = 0;

/** A number in few characters. */
export function short(value) {
  if (value === null || value === undefined) return "—";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(2).replace("-", "−").replace("e+", "e");
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

/** Round values between two ends, at most `most` of them. */
export function ticks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough) ?? rough;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9 && found.length < 20; at += step) {
    found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
  }
  return found;
}

function path(points, x, y) {
  let made = "";
  let broken = true;
  for (const [step, value] of points) {
    if (value === null) broken = true;
    else {
      made += `${broken ? "M" : "L"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
      broken = false;
    }
  }
  return made;
}

/** The place of the point that is nearest to a step; points are in the order of steps. */
export function nearest(points, step) {
  let low = 0;
  let high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < step) low = middle + 1;
    else high = middle;
  }
  return low > 0 && step - points[low - 1][0] < points[low][0] - step ? low - 1 : low;
}

export class Chart {
  constructor({ title, lines, onZoom = () => {}, code = false }) {
    this.title = title;
    this.onZoom = onZoom;
    this.span = null;
    this.at = null;
    this.read = element("span", { class: "read", dir: "auto" });
    this.svg = svgElement("svg", { tabindex: "0", role: "slider" });
    this.plot = element("div", { class: "plot" }, this.svg);
    const name = element(code ? "code" : "span", { id: `chart-${++count}`, dir: "auto" }, title);
    this.svg.setAttribute("aria-labelledby", name.id);
    this.key = element("ul", { class: "key" });
    this.table = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title });
    const values = element("details", {}, element("summary", {}, t("Values")), this.table);
    values.addEventListener("toggle", () => this.#tabulate(values.open));
    this.values = values;
    this.figure = element("figure", {}, element("figcaption", {}, name, this.read), this.key, this.plot, values);
    this.#listen();
    new ResizeObserver(() => this.#draw()).observe(this.plot);
    this.show(lines);
  }

  show(lines) {
    this.lines = lines;
    const named = lines.length > 1 ? lines : [];
    this.key.replaceChildren(...named.map((line) => element("li", { class: line.tone, dir: "auto" }, line.name)));
    this.key.hidden = !named.length;
    this.#draw();
    this.#tabulate(this.values.open);
  }

  frame(first, last) {
    this.span = first === null ? null : [first, last];
    this.#draw();
  }

  #extent() {
    const steps = this.lines.flatMap(({ points }) => (points.length ? [points[0][0], points.at(-1)[0]] : []));
    let [first, last] = this.span ?? (steps.length ? [Math.min(...steps), Math.max(...steps)] : [0, 1]);
    if (first === last) [first, last] = [first - 0.5, last + 0.5];
    let low = Infinity;
    let high = -Infinity;
    for (const { points } of this.lines) {
      for (const [step, value] of points) {
        if (value !== null && step >= first && step <= last) {
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
      }
    }
    if (low > high) [low, high] = [0, 1];
    if (low === high) [low, high] = [low - Math.abs(low) * 0.05 - 1e-9, high + Math.abs(high) * 0.05 + 1e-9];
    return { first, last, low, high };
  }

  #draw() {
    const { width, height } = this.plot.getBoundingClientRect();
    if (!width) return;
    const { first, last, low, high } = this.#extent();
    const x = (step) => LEFT + ((step - first) / (last - first)) * (width - LEFT - RIGHT);
    const y = (value) => height - BOTTOM - ((value - low) / (high - low)) * (height - TOP - BOTTOM);
    this.scale = { x, y, first, last, width, height };
    const parts = [];
    for (const tick of ticks(low, high, 4)) {
      parts.push(svgElement("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }));
      parts.push(svgElement("text", { class: "up", x: LEFT - 6, y: y(tick) }, short(tick)));
    }
    for (const tick of ticks(first, last, Math.max(2, width / 110))) {
      if (Number.isInteger(tick)) parts.push(svgElement("text", { class: "across", x: x(tick), y: height - 4 }, short(tick)));
    }
    for (const { tone, points, smooth } of this.lines) {
      const seen = points.filter(([step]) => step >= first && step <= last);
      const bold = smooth.filter(([step]) => step >= first && step <= last);
      parts.push(svgElement("path", { class: `${bold.length ? "raw" : "line"} ${tone}`, d: path(seen, x, y) }));
      if (bold.length) parts.push(svgElement("path", { class: `line ${tone}`, d: path(bold, x, y) }));
      else if (seen.length < 25) {
        for (const [step, value] of seen) {
          if (value !== null) parts.push(svgElement("circle", { class: `alone ${tone}`, cx: x(step), cy: y(value), r: 2.4 }));
        }
      }
    }
    this.cursor = svgElement("line", { class: "cursor", y1: TOP, y2: height - BOTTOM, visibility: "hidden" });
    this.band = svgElement("rect", { class: "band", y: TOP, height: Math.max(0, height - TOP - BOTTOM), width: 0 });
    this.svg.replaceChildren(...parts, this.cursor, this.band);
    this.#tell(this.at ?? Infinity, this.at !== null);
  }

  /** Say the values nearest to a step, in the caption and to a screen reader. */
  #tell(step, shown) {
    const lines = this.lines.filter(({ points }) => points.length);
    if (!lines.length) {
      this.read.textContent = "";
      this.svg.setAttribute("aria-valuenow", "0");
      this.svg.setAttribute("aria-valuetext", t("no values"));
      return;
    }
    const { first, last, x } = this.scale;
    const longest = lines.reduce((one, other) => (other.points.length > one.points.length ? other : one));
    const inside = Math.min(Math.max(step, first), last);
    const at = longest.points[nearest(longest.points, inside)][0];
    const told = lines.map(({ name, points }) => {
      const value = short(points[nearest(points, at)][1]);
      return lines.length > 1 ? `${name} ${value}` : value;
    });
    const said = t("step {step}: {values}", { step: at, values: told.join(" · ") });
    this.read.textContent = said;
    this.svg.setAttribute("aria-valuemin", String(Math.floor(first)));
    this.svg.setAttribute("aria-valuemax", String(Math.ceil(last)));
    this.svg.setAttribute("aria-valuenow", String(at));
    this.svg.setAttribute("aria-valuetext", said);
    for (const name of ["x1", "x2"]) this.cursor.setAttribute(name, x(at));
    this.cursor.setAttribute("visibility", shown ? "visible" : "hidden");
    this.here = at;
  }

  #tabulate(open) {
    if (!open) return;
    const longest = this.lines.reduce((one, other) => (other.points.length > one.points.length ? other : one));
    const every = Math.max(1, Math.ceil(longest.points.length / ROWS));
    const steps = longest.points.filter((_, place) => place % every === 0).map(([step]) => step);
    const heads = [t("Step"), ...this.lines.map(({ name }) => name)];
    const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col", dir: "auto" }, name)));
    const rows = steps.map((step) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, String(step)),
        ...this.lines.map(({ points }) =>
          element("td", {}, points.length ? short(points[nearest(points, step)][1]) : "—"),
        ),
      ),
    );
    this.table.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
  }

  #step(event) {
    const { left } = this.svg.getBoundingClientRect();
    const { first, last, width } = this.scale;
    const share = (event.clientX - left - LEFT) / (width - LEFT - RIGHT);
    return first + Math.min(1, Math.max(0, share)) * (last - first);
  }

  #listen() {
    let from = null;
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      from = this.#step(event);
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointermove", (event) => {
      this.at = this.#step(event);
      this.#tell(this.at, true);
      if (from === null) return;
      const [low, high] = [from, this.at].sort((a, b) => a - b).map(this.scale.x);
      this.band.setAttribute("x", low);
      this.band.setAttribute("width", high - low);
    });
    this.svg.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const [low, high] = [from, this.#step(event)].sort((a, b) => a - b);
      from = null;
      this.band.setAttribute("width", 0);
      if (this.scale.x(high) - this.scale.x(low) > 6) this.onZoom(low, high);
    });
    this.svg.addEventListener("pointerleave", () => {
      if (from !== null) return;
      this.at = null;
      this.#tell(Infinity, false);
    });
    this.svg.addEventListener("dblclick", () => this.onZoom(null, null));
    this.svg.addEventListener("keydown", (event) => this.#key(event));
    this.svg.addEventListener("blur", () => {
      this.at = null;
      this.#tell(Infinity, false);
    });
  }

  #key(event) {
    const longest = this.lines.reduce((one, other) => (other.points.length > one.points.length ? other : one));
    if (event.ctrlKey || event.metaKey || event.altKey || !longest.points.length) return;
    const { first, last } = this.scale;
    const place = nearest(longest.points, this.here);
    const move = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    const zoom = { "+": 0.25, "=": 0.25, "-": 1, "−": 1 }[event.key];
    if (move !== undefined) {
      const next = place + move * (event.shiftKey ? 10 : 1);
      this.at = longest.points[Math.min(longest.points.length - 1, Math.max(0, next))][0];
    } else if (event.key === "Home") this.at = first;
    else if (event.key === "End") this.at = last;
    else if (zoom !== undefined) this.onZoom(this.here - (last - first) * zoom, this.here + (last - first) * zoom);
    else if (event.key === "0" || event.key === "Escape") this.onZoom(null, null);
    else return;
    event.preventDefault();
    if (this.at !== null) this.#tell(this.at, true);
  }
}

/** A drawing of ways through two numbers: `ways` are {name, tone, points: [[step, x, y], …]}. */
export function drawWays(place, { across, up, ways }) {
  const read = element("span", { class: "read" });
  const svg = svgElement("svg", { role: "img", "aria-label": t("{up} against {across}", { up, across }) });
  const plot = element("div", { class: "plot" }, svg);
  const rows = ways.flatMap(({ name, points }) =>
    [points[0], points.at(-1)].map(([step, kl, reward]) =>
      element(
        "tr",
        {},
        ...[name, step, short(kl), short(reward)].map((value) => element("td", { dir: "auto" }, String(value))),
      ),
    ),
  );
  const heads = [t("Run"), t("Step"), across, up].map((head) => element("th", { scope: "col" }, head));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  const values = element("details", {}, element("summary", {}, t("Values")), table);
  place.replaceChildren(element("figure", {}, element("figcaption", {}, `${up} / ${across}`, read), plot, values));
  const all = ways.flatMap(({ points }) => points);
  const paint = () => {
    const { width, height } = plot.getBoundingClientRect();
    if (!width) return;
    const [left, right] = [Math.min(0, ...all.map(([, kl]) => kl)), Math.max(...all.map(([, kl]) => kl)) || 1];
    const [low, high] = [Math.min(...all.map((one) => one[2])), Math.max(...all.map((one) => one[2]))];
    const x = (kl) => LEFT + ((kl - left) / (right - left)) * (width - LEFT - RIGHT - 10);
    const y = (reward) => height - BOTTOM - ((reward - low) / (high - low || 1)) * (height - TOP - BOTTOM);
    const parts = [];
    for (const tick of ticks(low, high === low ? low + 1 : high, 5)) {
      parts.push(svgElement("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }));
      parts.push(svgElement("text", { class: "up", x: LEFT - 6, y: y(tick) }, short(tick)));
    }
    for (const tick of ticks(left, right, 6)) {
      parts.push(svgElement("text", { class: "across", x: x(tick), y: height - 4 }, short(tick)));
    }
    for (const { name, tone, points } of ways) {
      parts.push(svgElement("path", { class: `raw ${tone}`, d: path(points.map(([, kl, reward]) => [kl, reward]), x, y) }));
      points.forEach(([step, kl, reward], order) => {
        const radius = 2 + (3 * (order + 1)) / points.length;
        const dot = svgElement("circle", { class: `alone ${tone}`, cx: x(kl), cy: y(reward), r: radius });
        dot.addEventListener("pointerenter", () => {
          const values = `${short(kl)}, ${short(reward)}`;
          read.textContent = `${name} · ${t("step {step}: {values}", { step, values })}`;
        });
        parts.push(dot);
      });
    }
    svg.replaceChildren(...parts);
  };
  new ResizeObserver(paint).observe(plot);
}
