// The charts of one run or of several: which there are, what they show, how they follow and zoom together.
//
//   const board = new Board([{ id, name, tone }]);
//   await board.load();                     from the server, thinned there
//   board.follow(run, { last, series });    points that were logged since

import { drawWays, Chart } from "/static/runs/chart.js";
import { announce, get, t } from "/static/base.js";

const MOST = 2400; // points of a line, after which it is thinned anew
const TONES = ["tone-after", "tone-second"];

export class Board {
  constructor(runs) {
    this.runs = runs.map((run) => ({ ...run, series: new Map(), panels: [], frontier: [], last: 0 }));
    this.charts = new Map(); // by the title of a panel
    this.span = null;
    document.getElementById("whole").addEventListener("click", () => this.zoom(null, null));
    document.getElementById("wanted").addEventListener("input", () => this.#filter());
    document.getElementById("others").addEventListener("toggle", () => this.draw());
  }

  async load() {
    await Promise.all(this.runs.map((run) => this.#read(run)));
    this.draw();
  }

  async #read(run) {
    const query = new URLSearchParams();
    if (this.span) {
      query.set("first", this.span[0]);
      query.set("last", this.span[1]);
    }
    const found = await get(`/runs/${run.id}/series?${query}`);
    run.series = new Map(found.series.map((one) => [one.key, one]));
    Object.assign(run, { panels: found.panels, frontier: found.frontier, last: found.last });
  }

  /** Show the points that a run has logged since; true where they were added, false where it must be loaded anew. */
  follow(run, { last, series }) {
    run.last = last;
    if (this.span) return true; // what is shown lies behind
    for (const [key, sent] of Object.entries(series)) {
      const held = run.series.get(key);
      if (!held || held.points.length > MOST) return false;
      const points = sent.filter(([step]) => step > held.points.at(-1)[0]); // a link that broke sends some again
      held.points.push(...points);
      if (held.smooth.length) held.smooth.push(...this.#continued(held, points));
    }
    this.draw();
    return true;
  }

  /** The moving average over new points, from where it stands; the next load computes it anew. */
  #continued(held, points) {
    const newest = 2 / (Math.max(5, held.points.length / 10) + 1);
    let [, value] = held.smooth.at(-1);
    return points
      .filter((point) => point[1] !== null)
      .map(([step, found]) => {
        value += newest * (found - value);
        return [step, value];
      });
  }

  async zoom(first, last) {
    this.span = first === null ? null : [Math.max(0, first), Math.max(first + 1, last)];
    await this.load();
    for (const chart of this.charts.values()) chart.frame(...(this.span ?? [null, null]));
    document.getElementById("whole").disabled = this.span === null;
    announce(
      this.span
        ? t("Steps {first} to {last} are shown.", { first: Math.round(this.span[0]), last: Math.round(this.span[1]) })
        : t("All steps are shown."),
    );
  }

  draw() {
    const panels = new Map();
    for (const run of this.runs) {
      for (const panel of run.panels) {
        const known = panels.get(panel.title) ?? { ...panel, names: [] };
        known.names = [...new Set([...known.names, ...panel.names])];
        panels.set(panel.title, known);
      }
    }
    const others = document.getElementById("others");
    for (const panel of panels.values()) {
      const place = document.getElementById(panel.main ? "charts" : "more");
      if (!panel.main && !others.open) continue;
      const lines = this.#lines(panel);
      const chart = this.charts.get(panel.title);
      if (chart) chart.show(lines);
      else {
        const onZoom = (first, last) => this.zoom(first, last);
        const made = new Chart({ title: panel.title, lines, onZoom, code: !panel.main });
        this.charts.set(panel.title, made);
        place.append(made.figure);
      }
    }
    others.hidden = ![...panels.values()].some((panel) => !panel.main);
    document.getElementById("no-curves").hidden = panels.size > 0;
    this.#drawFrontier();
    this.#filter();
  }

  #lines({ names }) {
    const lines = [];
    const alone = this.runs.length === 1;
    this.runs.forEach((run) => {
      names.forEach((key, place) => {
        const one = run.series.get(key);
        if (!one) return;
        const tone = alone ? (TONES[place] ?? `run-${place}`) : run.tone;
        const name = alone ? one.name : names.length > 1 ? `${run.name} · ${one.name}` : run.name;
        lines.push({ name, tone, points: one.points, smooth: key.startsWith("eval/") ? [] : one.smooth });
      });
    });
    return lines;
  }

  #drawFrontier() {
    const runs = this.runs.filter((run) => run.frontier.length > 1);
    const section = document.getElementById("frontier");
    section.hidden = !runs.length;
    if (!runs.length) return;
    const ways = runs.map((run) => ({ name: run.name, tone: run.tone, points: run.frontier }));
    drawWays(document.getElementById("frontier-chart"), { across: t("KL"), up: t("Reward"), ways });
  }

  #filter() {
    const wanted = document.getElementById("wanted").value.trim().toLowerCase();
    for (const [title, chart] of this.charts) {
      const names = [title, ...chart.lines.map(({ name }) => name)].join(" ").toLowerCase();
      chart.figure.hidden = !names.includes(wanted);
    }
  }
}
