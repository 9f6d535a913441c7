// The ranking as a row of places, best first: responses are dragged between them, or onto one for a tie.

import { element, t } from "/static/base.js";
import { dropped, ranked } from "/static/annotate/task.js";

const NEAR = 4; // pixels that a pointer moves before it drags

export const drawRanking = (place, item, state, changed) => {
  place.hidden = item.kind !== "ranking";
  if (place.hidden) return;
  const loose = item.responses.map((_, slot) => slot).filter((slot) => !ranked(state).includes(slot));
  const groups = state.groups.map((group, index) => element("li", { class: "group", "data-into": index },
    element("span", { class: "unseen" }, t("Place {n}:", { n: index + 1 })), ...group.map(chip)));
  const gaps = [...state.groups, null].map((_, index) => element("li", { class: "gap", "data-before": index, "aria-hidden": "true" }));
  const ranks = element("ol", { class: "ranks", "aria-label": t("Ranking, best first") });
  gaps.forEach((gap, index) => ranks.append(gap, ...(groups[index] ? [groups[index]] : [])));
  place.replaceChildren(
    element("span", { class: "quiet small" }, t("best")), ranks, element("span", { class: "quiet small" }, t("worst")),
    element("span", { class: "loose", role: "group", "aria-label": t("Not ranked yet") }, ...loose.map(chip)));
  place.onpointerdown = (event) => drag(event, place, (slot, target) => changed(dropped(state.groups, slot, target)));
};

const chip = (slot) => element("span", { class: "chip", "data-slot": slot }, slot + 1);

const drag = (event, place, drop) => {
  const held = event.target.closest(".chip");
  if (!held || event.button !== 0) return;
  event.preventDefault();
  const [x, y] = [event.clientX, event.clientY];
  let target = null;
  const move = (moved) => {
    const far = Math.hypot(moved.clientX - x, moved.clientY - y) > NEAR;
    held.classList.toggle("held", far);
    held.style.translate = far ? `${moved.clientX - x}px ${moved.clientY - y}px` : "";
    place.querySelector(".over")?.classList.remove("over");
    target = far ? below(place, moved) : null;
    target?.classList.add("over");
  };
  const end = (ended) => {
    held.removeEventListener("pointermove", move);
    held.removeEventListener("pointerup", end);
    held.removeEventListener("pointercancel", end);
    held.classList.remove("held");
    held.style.translate = "";
    if (!target || ended.type === "pointercancel") return;
    const { into, before } = target.dataset;
    drop(Number(held.dataset.slot), into === undefined ? { before: Number(before) } : { into: Number(into) });
  };
  held.setPointerCapture(event.pointerId);
  held.addEventListener("pointermove", move);
  held.addEventListener("pointerup", end);
  held.addEventListener("pointercancel", end);
};

// The group or the gap nearest below the pointer, if it is over the row of places.
const below = (place, { clientX, clientY }) => {
  const row = place.querySelector(".ranks").getBoundingClientRect();
  if (clientY < row.top - 24 || clientY > row.bottom + 24) return null;
  const distance = (one) => {
    const box = one.getBoundingClientRect();
    return Math.max(box.left - clientX, clientX - box.right, 0);
  };
  return [...place.querySelectorAll("[data-into], [data-before]")].reduce((best, one) => (best && distance(best) <= distance(one) ? best : one), null);
};
