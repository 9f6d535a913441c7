// The words in which two texts differ, as ranges of characters. Pure: nothing here touches the page.

const WORDS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_]/gu;
const MOST_WORDS = 6000; // of one text
const MOST_CHANGES = 1500; // the work and the memory grow with the square of it
const ALIKE = 0.3; // share of common words below which marks would cover nearly all

// A word is a run of letters and digits, one character of a script that writes no spaces, or one sign.
export const words = (text) =>
  Array.from(text.matchAll(WORDS), (found) => ({ word: found[0], start: found.index, end: found.index + found[0].length }));

// Returns [ranges in `first`, ranges in `second`], each [start, end), or null where the texts are too long or too
// different for marks to help.
export const differences = (first, second) => {
  const [a, b] = [words(first), words(second)];
  if (a.length > MOST_WORDS || b.length > MOST_WORDS) return null;
  const kept = common(a.map((one) => one.word), b.map((one) => one.word));
  if (kept === null || kept.first.size < ALIKE * Math.max(a.length, b.length, 1)) return null;
  return [ranges(a, kept.first), ranges(b, kept.second)];
};

// Neighbouring words that differ are one range, with the spaces between them.
const ranges = (all, kept) => {
  const found = [];
  all.forEach(({ start, end }, place) => {
    if (kept.has(place)) return;
    if (place > 0 && !kept.has(place - 1)) found[found.length - 1][1] = end;
    else found.push([start, end]);
  });
  return found;
};

// The places of a longest common subsequence, by the greedy walk along diagonals (Myers 1986, Algorithmica 1:251).
const common = (a, b) => {
  let before = 0;
  while (before < a.length && before < b.length && a[before] === b[before]) before += 1;
  let behind = 0;
  while (behind < Math.min(a.length, b.length) - before && a[a.length - 1 - behind] === b[b.length - 1 - behind]) behind += 1;
  const first = new Set();
  const second = new Set();
  for (let place = 0; place < before; place += 1) { first.add(place); second.add(place); }
  for (let place = 1; place <= behind; place += 1) { first.add(a.length - place); second.add(b.length - place); }
  const middle = walked(a.slice(before, a.length - behind), b.slice(before, b.length - behind));
  if (middle === null) return null;
  for (const [x, y] of middle) { first.add(before + x); second.add(before + y); }
  return { first, second };
};

const walked = (a, b) => {
  const most = Math.min(a.length + b.length, MOST_CHANGES);
  const zero = most + 1; // the place of diagonal 0
  const furthest = new Int32Array(2 * most + 3);
  const trail = [];
  for (let changes = 0; changes <= most; changes += 1) {
    trail.push(furthest.slice(zero - changes - 1, zero + changes + 2));
    for (let diagonal = -changes; diagonal <= changes; diagonal += 2) {
      const [low, high] = [furthest[zero + diagonal - 1], furthest[zero + diagonal + 1]];
      let x = goesDown(diagonal, changes, low, high) ? high : low + 1;
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1;
      furthest[zero + diagonal] = x;
      if (x >= a.length && x - diagonal >= b.length) return pairs(a.length, b.length, trail);
    }
  }
  return null;
};

const goesDown = (diagonal, changes, low, high) => diagonal === -changes || (diagonal !== changes && low < high);

const pairs = (x, y, trail) => {
  const found = [];
  for (let changes = trail.length - 1; changes >= 0; changes -= 1) {
    const zero = changes + 1;
    const diagonal = x - y;
    const [low, high] = [trail[changes][zero + diagonal - 1], trail[changes][zero + diagonal + 1]];
    const down = goesDown(diagonal, changes, low, high);
    const [startX, startY] = changes === 0 ? [0, 0] : [down ? high : low, down ? high - diagonal - 1 : low - diagonal + 1];
    while (x > startX && y > startY) { x -= 1; y -= 1; found.push([x, y]); }
    [x, y] = [startX, startY];
  }
  return found;
};
