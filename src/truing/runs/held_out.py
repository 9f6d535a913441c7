"""A reward run measured on the rows it holds out: in the metrics of every evaluation, and at its end."""

from collections.abc import Callable
from dataclasses import replace

from truing.evals.reward_summary import RewardSummary
from truing.evals.rewards import score_records, summarise
from truing.models.reward import RewardScorer
from truing.runs.session import Session
from truing.training.hooks import Hook, Logs


def judge_held_out(session: Session, step: int) -> RewardSummary:
    """Measure a run's reward model, which has the weights of `step`, on the held-out rows."""
    assert isinstance(session.scorer, RewardScorer)
    trees, records = session.held_out, session.held_out_records
    scored = score_records(session.scorer, records, trees, session.tokens_per_pass)
    return replace(summarise(scored), step=step)


def held_out_logger(judge: Callable[[int], RewardSummary]) -> Hook:
    """Return a hook that adds ECE and the correlation with length to the metrics of every evaluation.

    `judge` measures the reward model on its held-out rows after a step.
    """

    def log(step: int, logs: Logs) -> None:
        if "eval/loss" in logs:
            found = {f"eval/{name}": value for name, value in judge(step).metrics().items()}
            logs.update({name: value for name, value in found.items() if name not in logs})

    return log
