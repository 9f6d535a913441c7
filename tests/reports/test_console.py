"""The table of a report in the terminal."""

import io

from rich.console import Console

from truing.reports.console import print_measures

from .pages import measures, refusals


def test_the_terminal_table_is_plain_in_a_pipe():
    pipe = io.StringIO()
    print_measures([*measures(), refusals(title="[bold]\x1b[31mtitle")], Console(file=pipe, width=80))
    text = pipe.getvalue()
    assert "94.0%  n 50" in text and "83.8% to 97.9%" in text and "✓ met" in text
    assert "[bold]title" in text and "\x1b" not in text and "─" not in text
