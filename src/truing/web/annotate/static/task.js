// One item on the screen: what can be done, by which key, and what a deed makes of the state. Pure: nothing here
// touches the page. Responses are told by their slots, from 0, as they stand on the screen; the server knows which
// response stands where.
//
//   state = begin(item)
//   choices(item, state)            the buttons of the moment: { act, key, label, on, off }
//   done = act(item, state, "left") { state, answer }: an answer is there once the item is answered

const t = (text) => text; // marks a text that the page translates

export const SKIPS = [
  ["unknown", t("I do not know the subject")],
  ["unclear", t("The prompt is not clear")],
  ["unreadable", t("The responses cannot be read")],
  ["upsetting", t("I do not want to judge this")],
  ["other", t("Another reason")],
];
const LABELS = [["safe", t("Safe")], ["unsafe", t("Unsafe")], ["unsure", t("Unsure")]];
const ENDS = { 1: t("Worst"), 5: t("Best") };
export const STARS = [1, 2, 3, 4, 5];
const SAVE = { act: "save", key: "Enter", label: t("Save") };
const BACK = { act: "back", key: "Backspace", label: t("Take back") };
const CANCEL = { act: "cancel", key: "Escape", label: t("Cancel") };

const isOneToEdit = (item) => item.kind === "edit" && item.responses.length === 1;
const source = (response) => response.source ?? response.text;

export const begin = (item) => ({
  mode: isOneToEdit(item) ? "write" : "answer",
  slot: isOneToEdit(item) ? 0 : null, // of the response that is edited
  text: isOneToEdit(item) ? source(item.responses[0]) : null,
  values: [], // of cells: see `cells`
  groups: [], // of a ranking, best first
  from: null, // the mode before that of a skip
  tied: false, // the next response of a ranking ties with the one before
  comment: "",
  flag: false,
});

// What is filled in turn: a label for each response, or a rating for each response and axis.
export const cells = (item) => {
  if (item.kind === "safety") return item.responses.map((_, slot) => ({ slot }));
  if (item.kind === "ratings") return item.responses.flatMap((_, slot) => item.axes.map((axis) => ({ slot, axis })));
  return [];
};

export const ranked = (state) => state.groups.flat();

export const complete = (item, state) => {
  if (item.kind === "ranking") return ranked(state).length === item.responses.length;
  const all = cells(item);
  return all.length > 0 && all.every((_, place) => state.values[place] !== undefined);
};

// The first cell without a value, or the last.
export const cursor = (item, state) => {
  const all = cells(item);
  const open = all.findIndex((_, place) => state.values[place] === undefined);
  return open < 0 ? all.length - 1 : open;
};

export const choices = (item, state) => {
  if (state.mode === "told") return [{ act: "on", key: "Enter", label: t("Go on") }];
  if (state.mode === "skip") {
    return [...SKIPS.map(([reason, label], place) => ({ act: `skip:${reason}`, key: String(place + 1), label })), CANCEL];
  }
  if (state.mode === "write") {
    return [{ ...SAVE, key: "Ctrl+Enter", off: !changed(item, state) }, ...(isOneToEdit(item) ? [] : [CANCEL])];
  }
  if (state.mode === "which") return [...ofSlots(item, "write"), CANCEL];
  return {
    pair: pairChoices,
    ranking: rankingChoices,
    ratings: ratingChoices,
    safety: safetyChoices,
    edit: () => ofSlots(item, "write"),
  }[item.kind](item, state);
};

const changed = (item, state) => Boolean(state.text.trim()) && state.text !== source(item.responses[state.slot]);

const ofSlots = (item, verb) => item.responses.map((_, slot) =>
  ({ act: `${verb}:${slot}`, key: String(slot + 1), label: t("Edit {n}"), fields: { n: slot + 1 }, off: !item.responses[slot].whole }));

const pairChoices = () => [
  { act: "left", key: "1", also: "a", label: t("First is better") },
  { act: "tie", key: "t", label: t("Tie") },
  { act: "both_bad", key: "x", label: t("Both bad") },
  { act: "right", key: "2", also: "b", label: t("Second is better") },
];

const rankingChoices = (item, state) => [
  ...item.responses.map((_, slot) => ({
    act: `rank:${slot}`,
    key: String(slot + 1),
    label: state.tied ? t("{n} as good") : state.groups.length ? t("{n} next") : t("{n} is best"),
    fields: { n: slot + 1 },
    off: ranked(state).includes(slot),
  })),
  { act: "tied", key: "t", label: t("Tie with the last"), on: state.tied, off: !state.groups.length || complete(item, state) },
  { ...BACK, off: !state.groups.length },
  { ...SAVE, off: !complete(item, state) },
];

const ratingChoices = (item, state) => [
  ...STARS.map((value) => ({ act: `value:${value}`, key: String(value), label: ENDS[value] ?? "" })),
  { ...BACK, off: state.values.length === 0 },
  { ...SAVE, off: !complete(item, state) },
];

const safetyChoices = (item, state) => [
  ...LABELS.map(([value, label], place) => ({ act: `value:${value}`, key: String(place + 1), label })),
  ...(item.responses.length > 1 ? [{ ...BACK, off: state.values.length === 0 }] : []),
];

// Keys beside those of the answer, in every mode but writing.
export const tools = (item, state) => {
  if (state.mode === "told") return [];
  const two = item.responses.length === 2;
  return [
    { act: "skip", key: "s", label: t("Skip"), on: state.mode === "skip" },
    ...(item.kind === "pair" ? [{ act: "edit", key: "e", label: t("Edit the better one"), on: ["which", "write"].includes(state.mode) }] : []),
    { act: "comment", key: "c", label: t("Comment"), on: Boolean(state.comment) },
    { act: "flag", key: "f", label: t("Flag"), on: state.flag },
    ...(two ? [{ act: "differences", key: "d", label: t("Differences") }] : []),
    { act: "raw", key: "r", label: t("Raw text") },
  ];
};

// The deed of a key, or null. `all` are the choices and tools of the moment.
export const actOf = (all, key) => {
  const found = all.find((one) => one.key === key || one.also === key) ?? all.find((one) => one.key.toLowerCase() === key.toLowerCase());
  return found && !found.off ? found.act : null;
};

export const act = (item, state, deed, given) => {
  const [verb, value] = deed.split(":");
  const next = DEEDS[verb](item, state, value, given);
  return next.state ? next : { state: next };
};

const DEEDS = {
  left: (item, state) => answered(state, { kind: "pair", side: 0 }),
  right: (item, state) => answered(state, { kind: "pair", side: 1 }),
  tie: (item, state) => answered(state, { kind: "pair", side: "tie" }),
  both_bad: (item, state) => answered(state, { kind: "pair", side: "both_bad" }),
  rank: (item, state, slot) => ({ ...state, groups: placed(state, Number(slot)), tied: false }),
  tied: (item, state) => ({ ...state, tied: !state.tied }),
  groups: (item, state, _, groups) => ({ ...state, groups, tied: false }), // from dragging
  value: (item, state, value) => valued(item, state, value),
  cell: (item, state, place, value) => ({ ...state, values: replaced(state.values, Number(place), value) }),
  back: (item, state) => ({ ...state, ...takenBack(item, state) }),
  save: (item, state) => answered(state, finished(item, state)),
  skip: (item, state, reason) => (reason
    ? answered(state, { kind: "skip", reason })
    : state.mode === "skip" ? back(item, state) : { ...state, mode: "skip", from: state.mode }),
  edit: (item, state) => ({ ...state, mode: "which" }),
  write: (item, state, slot) => ({ ...state, mode: "write", slot: Number(slot), text: source(item.responses[slot]) }),
  text: (item, state, _, text) => ({ ...state, text }),
  comment: (item, state, _, comment) => ({ ...state, comment }),
  flag: (item, state) => ({ ...state, flag: !state.flag }),
  cancel: (item, state) => back(item, state),
  told: (item, state) => ({ ...state, mode: "told" }),
};

const answered = (state, answer) => ({ state, answer });

// From the reasons of a skip to where one was; from a text to the answer.
const back = (item, state) => {
  if (state.mode === "skip") return { ...state, mode: state.from };
  const { mode, slot, text } = begin(item);
  return { ...state, mode, slot, text };
};

const placed = (state, slot) => {
  const before = state.groups.map((group) => group.filter((one) => one !== slot)).filter((group) => group.length);
  return state.tied && before.length ? [...before.slice(0, -1), [...before.at(-1), slot]] : [...before, [slot]];
};

const replaced = (values, place, value) => {
  const next = [...values];
  next[place] = value;
  return next;
};

const valued = (item, state, value) => {
  const place = cursor(item, state);
  const next = { ...state, values: replaced(state.values, place, item.kind === "ratings" ? Number(value) : value) };
  return item.kind === "safety" && complete(item, next) ? answered(next, finished(item, next)) : next;
};

// The groups after a response was dropped: into a group, or as a group of its own before one.
export const dropped = (groups, slot, { into = null, before = null }) => {
  const target = groups[into ?? before];
  const rest = groups.map((group) => (group.includes(slot) ? group.filter((one) => one !== slot) : group));
  const place = rest.findIndex((_, index) => groups[index] === target);
  if (into !== null && target) rest[place] = [...rest[place], slot];
  else rest.splice(place < 0 ? rest.length : place, 0, [slot]);
  return rest.filter((group) => group.length);
};

const takenBack = (item, state) => {
  if (item.kind !== "ranking") return { values: state.values.slice(0, -1) };
  const last = state.groups.at(-1) ?? [];
  const rest = state.groups.slice(0, -1);
  return { groups: last.length > 1 ? [...rest, last.slice(0, -1)] : rest, tied: false };
};

const finished = (item, state) => {
  if (state.mode === "write" && item.kind === "pair") return { kind: "pair", side: state.slot, edited: state.text };
  if (item.kind === "edit") return { kind: "edit", slot: state.slot, text: state.text };
  if (item.kind === "ranking") return { kind: "ranking", groups: state.groups };
  if (item.kind === "safety") return { kind: "safety", labels: state.values };
  const ratings = item.responses.map(() => ({}));
  cells(item).forEach(({ slot, axis }, place) => { ratings[slot][axis] = state.values[place]; });
  return { kind: "ratings", ratings };
};
