// One run: its state, its alarms, its curves as they grow, its samples, and the button that stops it.

import { announce, data, element, events, get, post, t } from "/static/base.js";
import { Board } from "/static/runs/board.js";
import { short } from "/static/runs/chart.js";

const run = data("run");
const stop = document.getElementById("stop");
let alarms = null;

function bytes(count) {
  return `${(count / 1e9).toPrecision(3)} GB`;
}

function alarm(one) {
  const parts = [element("h3", { dir: "auto" }, one.title)];
  const since = one.since === null ? "" : t("Since step {step}.", { step: one.since });
  for (const text of [`${since} ${one.saw}`.trim(), one.advice, one.done]) {
    if (text) parts.push(element("p", { dir: "auto" }, text));
  }
  return element("article", { class: "alarm" }, ...parts);
}

function showFacts(facts) {
  const state = document.getElementById("state");
  if (state.textContent !== facts.told) announce(facts.told);
  state.textContent = facts.told;
  state.className = `badge state-${facts.state}`;
  document.getElementById("reason").textContent = facts.reason;
  const said = facts.step === null ? [] : [t("step {n}", { n: facts.step })];
  for (const [name, value] of facts.metrics) {
    if (name === "tokens_per_second") said.push(t("{n} tokens/s", { n: short(value) }));
  }
  if (facts.memory) {
    const [now, peak] = facts.memory.map(bytes);
    said.push(t("memory {now}, at most {peak}", { now, peak }));
  }
  document.getElementById("facts").textContent = said.join(" · ");
  if (JSON.stringify(facts.alarms) !== JSON.stringify(alarms)) {
    if (alarms !== null && facts.alarms.length > alarms.length) announce(t("Alarm: {title}", facts.alarms[0]));
    alarms = facts.alarms;
    document.getElementById("alarms").replaceChildren(...alarms.map(alarm));
  }
  if (stop) {
    stop.hidden = !["running", "stopping"].includes(facts.state);
    stop.disabled = facts.state === "stopping";
    stop.textContent = stop.disabled ? t("It stops after this step") : t("Stop after this step");
  }
}

// Samples

const slider = document.getElementById("sample-step");
let steps = [];

function sample(one) {
  const reward = one.reward === null ? t("no reward") : t("reward {n}", { n: short(one.reward) });
  return element(
    "article",
    { class: "sample" },
    element("p", { class: "small quiet", dir: "auto", lang: one.prompt_language || null }, one.prompt),
    element("p", { class: "said", dir: "auto", lang: one.response_language || null }, one.response || t("(empty)")),
    element("p", { class: "small quiet" }, reward),
  );
}

async function showSamples(step) {
  const found = await get(`/runs/${run.id}/samples${step === null ? "" : `?step=${step}`}`);
  steps = found.steps;
  document.getElementById("samples").hidden = !steps.length;
  if (!steps.length) return;
  slider.max = steps.length - 1;
  slider.value = steps.indexOf(found.step);
  slider.setAttribute("aria-valuetext", t("step {n}", { n: found.step }));
  document.getElementById("sample-at").textContent = found.step;
  document.getElementById("sample-list").replaceChildren(...found.samples.map(sample));
}

// Curves

async function begin() {
  const board = new Board([{ id: run.id, name: run.name, tone: "tone-after" }]);
  await board.load();
  document.getElementById("charts").dataset.loaded = "";
  const [followed] = board.runs;
  let busy = false;
  const anew = async () => {
    if (busy) return;
    busy = true;
    await board.load().finally(() => (busy = false));
  };
  const atEnd = () => Number(slider.value) === Number(slider.max);
  events(() => `/follow?run=${run.id}&last=${followed.last}`, {
    facts: showFacts,
    points(found) {
      if (!board.follow(followed, found)) anew();
      if (atEnd()) showSamples(null);
    },
    anew,
  });
  await showSamples(null);
  slider.addEventListener("input", () => showSamples(steps[slider.value]));
}

showFacts(run.facts);
if (document.getElementById("charts")) begin();
if (stop) {
  stop.addEventListener("click", async () => {
    stop.disabled = true;
    try {
      showFacts(await post(`/runs/${run.id}/stop`));
    } catch (error) {
      announce(error.message);
      document.getElementById("reason").textContent = error.message;
      stop.disabled = false;
    }
  });
}
