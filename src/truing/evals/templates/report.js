"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const options = { displayModeBar: false, displaylogo: false, responsive: true, showTips: false };
for (const [id, figure] of Object.entries(figures)) {
  Plotly.newPlot(id, figure.data, figure.layout, options);
}
