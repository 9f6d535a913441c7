"""Tables in two dimensions: tones, and rows of the right length."""

import pytest

from truing.reports.heat import TONES, HeatCell, HeatColumn, HeatRow, HeatTable, tone_of


@pytest.mark.parametrize(
    ("share", "tone"), [(0, 0), (0.09, 0), (0.11, 1), (0.5, 2), (1, TONES), (1.2, TONES), (-1, 0)]
)
def test_tones(share: float, tone: int) -> None:
    assert tone_of(share) == tone


def test_a_row_has_a_cell_for_every_column() -> None:
    columns = [HeatColumn("a"), HeatColumn("b", "note")]
    assert HeatTable("t", "", columns, [HeatRow("r", [HeatCell("1"), None])]).rows[0].name == "r"
    with pytest.raises(ValueError, match=r"\['short'\] do not have 2 cells"):
        HeatTable("t", "", columns, [HeatRow("short", [HeatCell("1")])])
