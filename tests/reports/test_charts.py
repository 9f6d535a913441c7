"""Charts of a page: their data, and the pages without them."""

import json
from datetime import UTC, datetime

from truing.reports.page import render_report
from truing.reports.records import (
    Report,
)

from .pages import hostile_report
from .parsed import Page


def test_a_page_without_charts_has_no_script():
    bare = render_report(Report("Nothing yet", datetime.now(UTC), "truing eval"))
    assert "<script" not in bare and "Nothing was measured." in bare


def test_chart_data_cannot_end_its_script_element():
    page = Page(render_report(hostile_report()))
    told = next(text for text in page.raw if text.startswith('{"words"'))
    assert "<" not in told and json.loads(told)["charts"].keys() == {
        f"stage-0-{n}" for n in (0, 1, 2, 7, 16, 17)
    }
