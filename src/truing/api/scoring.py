"""`truing.score`: rows scored by a reward model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from truing.api.given import records_of
from truing.api.opening import ModelLike, opened
from truing.api.watching import ProgressOption, display_of

if TYPE_CHECKING:
    from truing.evals.reward_summary import RewardSummary


@dataclass(frozen=True)
class Scored:
    """Scores, response by response and all together."""

    rows: list[dict[str, Any]]  # one a response: `place`, `prompt`, `response`, `score`, …
    summary: "RewardSummary"  # accuracy, calibration, margins, correlation with length; `lines()` for people

    def _repr_html_(self) -> str:
        from html import escape

        return "<br>".join(escape(line) for line in self.summary.lines())


def score(
    rows: Any,
    *,
    model: ModelLike,
    tokenizer: Any = None,
    template: str | None = None,
    progress: ProgressOption = "auto",
) -> Scored:
    """Score every response of rows with a reward model, and measure the model's accuracy and calibration.

        truing.score("pairs.jsonl", model="runs/reward")
        truing.score(truing.sample(run, prompts, k=4, temperature=1.0), model=reward_run)

    `rows` are files, dicts, a `datasets.Dataset` or a data frame, in any format that training reads. `model`
    is a `Run` of method reward, a source, or a loaded sequence classification model with its `tokenizer`. A
    score is a logit: only differences between responses to one prompt have a meaning. `template` (auto, chat,
    alpaca, plain) replaces the template that the model was trained with.

    Raises DataError for rows without a response or too long for the model, ModelError for no reward model.
    """
    display = display_of(progress)
    records = records_of(rows, "rows")
    from truing.evals.rewards import summarise
    from truing.evals.scored import rendered_for, score_rows, scored_by, with_responses

    kept = with_responses(records, "rows", display.say)
    trained = opened(model, tokenizer, scores=True)
    rendered = rendered_for(trained, kept, "rows", template, display.say)
    with display.stage("scoring", len(rendered.trees)) as line:
        scored = scored_by(trained, rendered, line.update)
    return Scored(list(score_rows(scored)), summarise(scored))
