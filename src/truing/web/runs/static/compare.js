// Several runs on the same charts, each in its colour.

import { data, events } from "/static/base.js";
import { Board } from "/static/runs/board.js";

const board = new Board(data("compared"));
await board.load();
document.getElementById("charts").dataset.loaded = "";
for (const run of board.runs.filter(({ live }) => live)) {
  events(`/runs/${run.id}/events?last=${run.last}`, {
    points: (found) => board.follow(run, found) || board.load(),
    anew: () => board.load(),
  });
}
