"""Mixes by hand: the weighted sum, one signature of several, and what a recipe can get wrong."""

import math

import pytest
import torch
from torch import Tensor

from truing.core.errors import ConfigError
from truing.losses.preference import Pair, bco_pair, dpo
from truing.methods.offline import choose
from truing.models.scoring import Scorer
from truing.objectives.binding import arguments_of, defaults_of, needs
from truing.objectives.mixing import Part, mixture
from truing.objectives.offline import PairObjective
from truing.objectives.shapes import PAIR, SCORED

POLICY = Pair(torch.tensor([-1.0, -4.0]), torch.tensor([-2.0, -3.0]))  # gaps 1 and -1
REF = Pair(torch.zeros(2), torch.zeros(2))


def line(policy: Pair, *, slope: float = 2.0, up: bool = True) -> Tensor:
    return (slope if up else -slope) * policy.gap


def power(policy: Pair, ref: Pair, *, slope: float = 3.0, order: int = 2) -> Tensor:
    return slope * (policy.gap - ref.gap) ** order


def mix() -> list[Part]:
    return [Part("line", line, (PAIR,), 0.5), Part("power", power, (PAIR,), 10.0)]


def test_the_value_is_the_weighted_sum():
    mixed = mixture(mix())
    # Gaps of 1 and -1: 0.5 * 2 * gap + 10 * 3 * gap^2. Weights are not made to add up to 1.
    assert mixed(policy=POLICY, ref=REF).tolist() == [1 + 30, -1 + 30]


def test_a_part_keeps_its_own_default_until_the_recipe_sets_one_for_all():
    mixed = mixture(mix())
    assert mixed(policy=POLICY, ref=REF, slope=1.0).tolist() == [0.5 + 10, -0.5 + 10]
    assert mixed(policy=POLICY, ref=REF, up=False, order=3).tolist() == [-1 + 30, 1 - 30]
    assert defaults_of(mixed) == {"slope": {"line": 2.0, "power": 3.0}, "up": True, "order": 2}
    assert mixed(policy=POLICY, ref=REF, **defaults_of(mixed)).tolist() == [31, 29]


def test_the_signature_is_the_union():
    mixed = mixture(mix())
    assert mixed.name == "0.5 line + 10 power"
    assert arguments_of(mixed) == ["policy", "ref"]
    assert (needs(mixed, "ref"), needs(mixed, "lengths")) == (True, False)
    assert not needs(mixture([mix()[0]] * 2), "ref"), "no part compares with a reference"


def test_a_default_is_shared_only_with_one_of_its_kind():
    def counted(policy: Pair, *, up: int = 1) -> Tensor:
        return up * policy.gap

    mixed = mixture([mix()[0], Part("counted", counted, (PAIR,))])
    assert defaults_of(mixed)["up"] == {"line": True, "counted": 1}, "true is not 1"


def test_a_mix_of_the_table_by_name():
    chosen = choose("dpo", {"dpo": 0.8, "bco_pair": 0.2}, {"shift": 0.0})
    assert chosen.name == "0.2 bco_pair + 0.8 dpo", "in one order, whatever the recipe's"
    assert chosen.hyper == {
        "beta": {"bco_pair": 0.01, "dpo": 0.1},
        "shift": 0.0,
        "label_smoothing": 0.0,
        "divergence": "reverse_kl",
        "divergence_alpha": 0.5,
    }
    expected = 0.8 * dpo(POLICY, REF) + 0.2 * bco_pair(POLICY, REF, shift=0.0)
    torch.testing.assert_close(chosen.loss(policy=POLICY, ref=REF, **chosen.hyper), expected)
    both = choose("dpo", {"dpo": 0.8, "bco_pair": 0.2}, {"beta": 0.3})
    expected = 0.8 * dpo(POLICY, REF, beta=0.3) + 0.2 * bco_pair(POLICY, REF, beta=0.3)
    torch.testing.assert_close(both.loss(policy=POLICY, ref=REF, **both.hyper), expected)


@pytest.mark.parametrize(
    ("method", "mix", "reference", "mismatched", "coupled"),
    [
        ("dpo", {"simpo": 1, "cpo": 1}, False, False, False),
        ("dpo", {"simpo": 1, "dpo": 1}, True, False, False),
        ("dpo", {"aot": 1, "ipo": 1}, True, False, True),
        ("kto", {"kto": 1, "bco": 1}, True, True, True),
        ("kto", {"apo_zero_unpaired": 1, "bco": 1}, True, False, True),
        ("reward", {"plackett_luce": 1, "all_pairs": 1}, False, False, False),
    ],
)
def test_a_mix_needs_what_any_part_does(method, mix, reference, mismatched, coupled):
    chosen = choose(method, mix, {})
    assert (chosen.needs_reference, chosen.needs_mismatched) == (reference, mismatched)
    assert chosen.coupled == coupled


def test_options_of_the_objective_go_beside_a_mix(tiny):
    chosen = choose("dpo", {"dpo": 1, "ipo": 1}, {"sft_weight": 0.3, "beta": 0.2})
    objective = chosen.objective(Scorer(tiny()), lambda batch: batch.target * 0.0)
    assert isinstance(objective, PairObjective)
    assert (objective.sft_weight, objective.coupled, objective.hyper["beta"]) == (0.3, False, 0.2)


@pytest.mark.parametrize(
    ("method", "mix", "hyper", "message"),
    [
        ("dpo", {"dpo": 1, "ipp": 1}, {}, r"no loss 'ipp' for this method; known: .*; did you mean 'ipo'\?"),
        ("simpo", {"simpo": 1, "dpo": 1}, {}, "no loss 'dpo' for this method; known: alphapo, cpo"),
        (
            "dpo",
            {"dpo": 0.8, "ipo": 0.2},
            {"bta": 1.0},
            r"0.8 dpo \+ 0.2 ipo takes \['beta', .*\], not 'bta'; did you mean 'beta'\?",
        ),
        ("dpo", {"dpo": 0.8, "ipo": 0.2}, {"gamma": 1.0}, "not 'gamma'"),
        ("dpo", {"dpo": 0.8, "ipo": 0.2}, {"beta": "big"}, "loss.beta is 'big': expected a number"),
        ("dpo", {"dpo": 0.8, "aot": 0.2}, {"beta": "big"}, "loss.beta is 'big': expected a number"),
        (
            "reward",
            {"bradley_terry": 1, "squared_error": 1},
            {},
            "losses of different shapes cannot be mixed: "
            "bradley_terry from a chosen and a rejected response, squared_error from responses with a score",
        ),
    ],
)
def test_mistakes_name_what_exists(method, mix, hyper, message):
    with pytest.raises(ConfigError, match=message):
        choose(method, mix, hyper)


def test_rewards_are_logged_on_the_beta_of_all_parts_or_plainly():
    assert PAIR.wants != SCORED.wants
    ratios = {"policy": POLICY, "ref": REF}
    for hyper, scale in (({}, 1.0), ({"beta": 0.2}, 0.2)):
        chosen = choose("dpo", {"dpo": 1, "bco_pair": 1}, hyper)
        objective = PairObjective(None, chosen.loss, chosen.hyper)  # pyright: ignore[reportArgumentType]
        assert objective._rewards(ratios).gap.tolist() == pytest.approx([scale, -scale])
    assert math.isclose(scale, 0.2)
