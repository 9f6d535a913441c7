import pytest

from truing.text.negatives.passages import Draw, edited, read_passage
from truing.text.negatives.table import RULES

EVERYTHING = (
    "预计2024年3月，营收将达3.5亿元，约占百分之二十，同比增长。它是基金。全长35公里。"
    "On Monday the fund, which is listed in London, rose to 1,250 points."
)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_proposes_changes_under_its_own_name(name: str):
    passage = read_passage(EVERYTHING)
    found = list(RULES[name](passage, Draw()))
    assert found
    for change in found:
        assert change.rule == name
        assert edited(EVERYTHING, change.edits) != EVERYTHING
    assert found == list(RULES[name](passage, Draw())), "the same draw gives the same changes"
