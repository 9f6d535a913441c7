"""`truing.losses` names every loss that learns from rows."""

from truing import losses
from truing.losses.likelihood import LIKELIHOOD_LOSSES
from truing.losses.preference import PAIR_LOSSES
from truing.losses.reference_free import REFERENCE_FREE_LOSSES
from truing.losses.reward import RANKING_LOSSES, REGRESSION_LOSSES, REWARD_PAIR_LOSSES
from truing.losses.unpaired import UNPAIRED_LOSSES


def test_every_row_of_the_tables_is_exported_under_its_name():
    rows = [LIKELIHOOD_LOSSES, PAIR_LOSSES, REFERENCE_FREE_LOSSES, UNPAIRED_LOSSES]
    rows += [REWARD_PAIR_LOSSES, RANKING_LOSSES, REGRESSION_LOSSES]
    named = {name: function for table in rows for name, function in table.items()}
    assert {name: getattr(losses, name) for name in named} == named
    assert sorted(losses.__all__) == losses.__all__ == ["Pair", *sorted(named)]
