"""Pure functions from log-probabilities to losses: one table per kind, no model, no reduction.

    from truing.losses import Pair, dpo
    dpo(policy, ref, beta=0.1)                # [B], one loss a pair

What learns from rows is named here. The parts of online methods are rows of the tables in
`policy_gradient.py`, `credit.py`, `aggregate.py`, `kl.py` and `importance.py`.
"""

from truing.losses.likelihood import nll
from truing.losses.preference import (
    Pair,
    aot,
    aot_unpaired,
    apo_down,
    apo_zero,
    bco_pair,
    discopop,
    dpo,
    dpo_positive,
    exo_pair,
    hinge,
    ipo,
    ipo_sum,
    nca_pair,
    robust,
    sigmoid_norm,
    sppo_hard,
    wpo,
)
from truing.losses.reference_free import alphapo, cpo, cpo_hinge, cpo_ipo, orpo, simpo
from truing.losses.reward import all_pairs, binary_cross_entropy, bradley_terry, plackett_luce, squared_error
from truing.losses.unpaired import apo_zero_unpaired, bco, kto

__all__ = [
    "Pair",
    "all_pairs",
    "alphapo",
    "aot",
    "aot_unpaired",
    "apo_down",
    "apo_zero",
    "apo_zero_unpaired",
    "bco",
    "bco_pair",
    "binary_cross_entropy",
    "bradley_terry",
    "cpo",
    "cpo_hinge",
    "cpo_ipo",
    "discopop",
    "dpo",
    "dpo_positive",
    "exo_pair",
    "hinge",
    "ipo",
    "ipo_sum",
    "kto",
    "nca_pair",
    "nll",
    "orpo",
    "plackett_luce",
    "robust",
    "sigmoid_norm",
    "simpo",
    "sppo_hard",
    "squared_error",
    "wpo",
]
