// Several runs on the same charts, each in its colour.

import { data, events } from "/static/base.js";
import { Board } from "/static/runs/board.js";

const board = new Board(data("compared"));
await board.load();
document.getElementById("charts").dataset.loaded = "";
const live = new Map(board.runs.filter((run) => run.live).map((run) => [run.id, run]));
if (live.size) {
  const query = () => [...live.values()].map((run) => `run=${run.id}&last=${run.last}`).join("&");
  events(() => `/follow?${query()}`, {
    points: (found) => board.follow(live.get(found.id), found) || board.load(),
    anew: () => board.load(),
  });
}
