"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const options = { displayModeBar: false, displaylogo: false, responsive: true, showTips: false };
for (const [id, figure] of Object.entries(figures)) {
  Plotly.newPlot(id, figure.data, figure.layout, options);
}

// A drawn chart keeps its width in pixels, and a sheet of paper is narrower than most windows.
const PAPER = 640;
const drawn = () => Object.keys(figures).filter((id) => document.getElementById(id).clientWidth > 0);
addEventListener("beforeprint", () => {
  for (const id of drawn()) {
    Plotly.relayout(id, { width: Math.min(document.getElementById(id).clientWidth, PAPER) });
  }
});
addEventListener("afterprint", () => {
  for (const id of drawn()) Plotly.relayout(id, { width: null, autosize: true });
});

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
