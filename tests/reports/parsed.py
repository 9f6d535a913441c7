"""A page as a browser's parser sees it."""

import json
from html.parser import HTMLParser
from typing import Any

MARKS = ("path", "circle", "rect", "line")


class Page(HTMLParser):
    """Tags, text, headings, cells of tables and charts of a page; scripts and styles apart."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: list[str] = []  # scripts and styles
        self.headings: list[str] = []  # of the second and third level
        self.cells: list[list[str]] = []
        self.plots: dict[str, str] = {}  # the label of each chart
        self.marks: dict[str, list[dict[str, Any]]] = {}  # the marks drawn, by chart
        self.lines: dict[str, list[dict[str, Any]]] = {}  # the curves as scripts read them, by chart
        self._inside, self._in_cell = "", False
        self.feed(text)

    @property
    def names(self) -> list[str]:
        return [tag for tag, _ in self.tags]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self._inside = str(found.get("id")) if tag == "script" else tag
        if "plot" in (found.get("class") or "").split():
            self.plots[str(found["id"])] = str(found["aria-label"])
            self.marks[str(found["id"])] = []
        elif tag in MARKS:
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
            self.raw.append(data)
            if self._inside == "told":
                self.lines = {place: chart["lines"] for place, chart in json.loads(data)["charts"].items()}
            return
        self.text += data
        if self._in_cell:
            self.cells[-1][-1] += " ".join(data.split()) + " "
        if self._inside in ("h2", "h3"):
            self.headings[-1] += data

    def row(self, title: str) -> list[str]:
        """Return the cells of the first row whose first cell starts with a title."""
        rows = ([" ".join(cell.split()) for cell in row] for row in self.cells if row)
        return next(row for row in rows if row[0].startswith(title))

    def sections(self) -> list[str]:
        return [found["aria-labelledby"] or "" for tag, found in self.tags if tag == "section"]
