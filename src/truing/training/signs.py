"""Signs in the responses of a step that need no reader: repetition, and how far length explains reward."""

import statistics
from collections.abc import Sequence

from truing.training.hooks import Logs

NGRAM = 4  # tokens, as in arXiv:1908.04319


def repetition(tokens: Sequence[int], n: int = NGRAM) -> float:
    """Return the share of a response's n-grams that occur earlier in it; 0 where it is too short for two."""
    count = len(tokens) - n + 1
    return 1 - len({tuple(tokens[i : i + n]) for i in range(count)}) / count if count > 0 else 0.0


def signs(responses: Sequence[Sequence[int]], rewards: Sequence[float | None]) -> Logs:
    """Metrics of responses, as token ids, and their rewards; None where a reward failed.

    The correlation of reward and length is left out where one of them is the same for all.
    """
    logs = {"completions/repetition": statistics.fmean(map(repetition, responses))}
    known = [(len(t), reward) for t, reward in zip(responses, rewards, strict=True) if reward is not None]
    lengths, given = [length for length, _ in known], [reward for _, reward in known]
    if _differ(lengths) and _differ(given):
        logs["reward/length_correlation"] = statistics.correlation(lengths, given)
    return logs


def _differ(values: Sequence[float]) -> bool:
    """Tell whether any two values differ by more than rounding."""
    return len(values) > 1 and max(values) - min(values) > 1e-9 * max(1.0, *map(abs, values))
