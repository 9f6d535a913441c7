// Marks of the words in which two responses differ, drawn over the text without changing it.

import { differences } from "/static/annotate/diff.js";

const NAME = "differs";

// Marks the words; returns "marked", "same", "apart" (too long or too different to help) or "never" (an old browser).
export const markDifferences = (first, second) => {
  clearMarks();
  if (!globalThis.CSS?.highlights) return "never";
  const [a, b] = [textOf(first), textOf(second)];
  const found = differences(a.text, b.text);
  if (found === null) return "apart";
  const ranges = [...found[0].flatMap((span) => rangesOf(a, span)), ...found[1].flatMap((span) => rangesOf(b, span))];
  if (!ranges.length) return "same";
  CSS.highlights.set(NAME, new Highlight(...ranges));
  return "marked";
};

export const clearMarks = () => { globalThis.CSS?.highlights?.delete(NAME); };

// The text below an element, a line for each of its text nodes, and where each begins.
const textOf = (root) => {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes = [];
  let text = "";
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    nodes.push({ node, start: text.length });
    text += `${node.data}\n`;
  }
  return { nodes, text };
};

// A span may reach over several nodes: one range for each.
const rangesOf = ({ nodes }, [start, end]) => nodes
  .filter(({ node, start: begins }) => begins < end && begins + node.length > start)
  .map(({ node, start: begins }) => {
    const range = new Range();
    range.setStart(node, Math.max(start - begins, 0));
    range.setEnd(node, Math.min(end - begins, node.length));
    return range;
  });
