"""Records of a comparison: only changes that were tested count as such."""

from truing.reports.compare.records import NumberChange, NumberRow, RunComparison
from truing.stats.intervals import Interval


def row(name: str, change: NumberChange | None) -> NumberRow:
    return NumberRow(name, name.title(), "%", [None, None], change, "")


def test_the_tested_changes_are_those_with_a_p():
    known, bare = NumberChange(gap=0.1, paired=Interval(0.1, 0.05, 0.15, 40), p=0.01), NumberChange(gap=0.1)
    found = RunComparison([], numbers=[row("a", known), row("b", bare), row("c", None)])
    assert found.tested == [known]
    assert RunComparison([]).tested == []
