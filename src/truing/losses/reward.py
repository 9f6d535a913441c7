"""Losses of reward models: pure functions from scores to one loss per pair, per prompt or per response.

Three tables, by the shape of the feedback; to add a loss: a function here, a row in its table, a test.

    REWARD_PAIR_LOSSES  scores: Pair of [B], margin, probability: [B]    -> [B], one per pair
    RANKING_LOSSES      scores, ranks, group: [N], N responses in all    -> [G], one per prompt
    REGRESSION_LOSSES   scores, target: [N]                              -> [N], one per response

Scores and targets are f32. `ranks` orders the responses of a prompt: smaller is better, and only the
order matters. `group` is int64, the prompt that a response answers, 0 to G - 1; groups may differ in size and
be mixed, and cost an [N, N] mask. TRL's reward trainer takes pairs only.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from truing.losses.numerics import expected
from truing.losses.preference import Pair


def bradley_terry(
    scores: Pair, margin: Tensor | None = None, probability: Tensor | None = None, *, center: float = 0.0
) -> Tensor:
    """-log sigmoid(chosen - rejected - margin) + center (chosen + rejected)^2.

    The margin, the judged lead of the chosen response, is arXiv:2307.09288 eq. 2; without a margin, or
    at 0, this is Bradley-Terry. `center` pulls scores towards 0, which a difference leaves free
    (arXiv:2312.09244 eq. 2). TRL has the same formula, calls it `center_rewards_coefficient` and suggests
    0.01. With the probability p that the chosen response is better, the first term is
    -p log sigmoid(gap - margin) - (1 - p) log sigmoid(-gap - margin); None stands for 1.
    """
    gap, lead = scores.gap, 0.0 if margin is None else margin
    ranked = expected(-logsigmoid(gap - lead), -logsigmoid(-gap - lead), probability)
    return ranked + center * (scores.chosen + scores.rejected).square()


REWARD_PAIR_LOSSES = {"bradley_terry": bradley_terry}


def plackett_luce(scores: Tensor, ranks: Tensor, group: Tensor) -> Tensor:
    """Negative log-likelihood of each whole ranking, arXiv:2305.18290 eq. 18, [G].

    Best first, sum over k of log(sum over j >= k of exp(s_j)) - s_k: each place is won against all that
    remain. Equal ranks are taken in the order given. Of two responses it is Bradley-Terry; of one, 0.
    """
    position = torch.arange(len(scores), device=scores.device)
    worse = ranks[:, None] < ranks
    later = (ranks[:, None] == ranks) & (position[:, None] <= position)
    remaining = (group[:, None] == group) & (worse | later)  # [N, N], itself included
    field = scores.expand(len(scores), -1).masked_fill(~remaining, -torch.inf).logsumexp(dim=1)
    return _sums(field - scores, group, len(torch.bincount(group)))


def all_pairs(scores: Tensor, ranks: Tensor, group: Tensor) -> Tensor:
    """Mean of -log sigmoid(better - worse) over the pairs of each prompt, arXiv:2203.02155 eq. 1, [G].

    The paper divides by K choose 2; pairs of equal rank say nothing and are left out of the sum and the
    divisor. A prompt without a pair has loss 0.
    """
    better, worse = torch.nonzero((group[:, None] == group) & (ranks[:, None] < ranks), as_tuple=True)
    groups = len(torch.bincount(group))
    pairs = torch.bincount(group[better], minlength=groups)
    return _sums(-logsigmoid(scores[better] - scores[worse]), group[better], groups) / pairs.clamp(min=1)


def _sums(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Return the sum of the values of each group, [groups]."""
    return values.new_zeros(groups).index_add(0, group, values)


RANKING_LOSSES = {"plackett_luce": plackett_luce, "all_pairs": all_pairs}


def squared_error(scores: Tensor, target: Tensor) -> Tensor:
    """(score - target)^2, for ratings on a scale, as in arXiv:2406.08673."""
    return (scores - target).square()


def binary_cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """-t log sigmoid(s) - (1 - t) log sigmoid(-s), arXiv:2312.08935 eq. 1.

    The score is a logit and the target a probability: 1 right, 0 wrong, between them the share of judges.
    """
    return -target * logsigmoid(scores) - (1 - target) * logsigmoid(-scores)


REGRESSION_LOSSES = {"squared_error": squared_error, "binary_cross_entropy": binary_cross_entropy}
