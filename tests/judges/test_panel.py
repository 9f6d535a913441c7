import pytest

from truing.core.errors import ConfigError
from truing.judges.opinions import NoVerdict
from truing.judges.panel import panel, panel_agreement

NONE = NoVerdict("the answer is empty")


@pytest.mark.parametrize(
    ("opinions", "majority", "mean"),
    [
        ([1.0, 1.0, 0.0], 1.0, 2 / 3),
        ([1.0, 0.75, 0.0], 1.0, 1.75 / 3),
        ([1.0, 0.5, 0.0], 0.5, 0.5),
        ([0.0, 0.0, 0.5], 0.0, 0.5 / 3),
        ([1.0, 0.0], 0.5, 0.5),
        ([1.0, NONE, 1.0], 1.0, 1.0),
        ([1.0, NONE], 1.0, 1.0),
        ([0.5, 0.5, 1.0], 0.5, 2 / 3),
    ],
)
def test_several_opinions_become_one(opinions: list[float | NoVerdict], majority: float, mean: float):
    by_judge = [[opinion] for opinion in opinions]
    assert panel(by_judge, "majority") == [majority]
    assert panel(by_judge, "mean") == [pytest.approx(mean)]


@pytest.mark.parametrize("opinions", [[NONE, NONE, 1.0], [NONE, NONE]])
def test_too_few_verdicts_are_no_opinion(opinions: list[float | NoVerdict]):
    (found,) = panel([[opinion] for opinion in opinions])
    assert isinstance(found, NoVerdict)
    assert found.reason.endswith("judges have no verdict; the first: the answer is empty")


def test_a_judge_alone_is_no_panel():
    assert panel([[1.0, NONE, 0.75]], "majority") == [1.0, NONE, 0.75]


def test_judges_that_agree_have_alpha_1_and_one_that_is_constant_is_named():
    same = [[1.0, 0.0, 0.5, 1.0], [1.0, 0.0, 0.5, 1.0]]
    found = panel_agreement(same)
    assert found is not None
    assert found.coefficient.estimate == pytest.approx(1.0)
    constant = panel_agreement([same[0], [1.0] * 4])
    assert constant is not None
    assert constant.constant == (1,)
    assert constant.coefficient.estimate < 0.3
    assert panel_agreement([[1.0, NONE], [NONE, 0.0]]) is None


def test_mistakes_are_told():
    with pytest.raises(ConfigError, match="rule of a panel is 'most'"):
        panel([[1.0]], "most")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="a panel needs a judge"):
        panel([])
