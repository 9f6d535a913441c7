"""`truing.feedback`: preferences from models, in place of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from truing.api.opening import ModelLike
from truing.api.watching import ProgressOption, Stages, display_of
from truing.api.work import GivenModels, RoleLike, role_named, work_recipe
from truing.config.feedback import FeedbackRecipe


@dataclass(frozen=True)
class MadeFeedback:
    """The rows that feedback made; the files in `path` hold the same."""

    path: Path  # the folder: rows.jsonl, control.jsonl, responses.jsonl, comparisons.jsonl, report.html
    rows: list[dict[str, Any]]  # preferences, or the best responses; `truing.train` takes them
    control: list[dict[str, Any]]  # as many rows, drawn at random from the same responses
    results: Mapping[str, Any]  # the content of results.json

    @property
    def pairs(self) -> dict[str, int]:
        """The account of all pairs: `compared` is the sum of the others."""
        return dict(self.results["pairs"])

    def _repr_html_(self) -> str:
        cells = "".join(f"<tr><td>{escape(name)}</td><td>{n}</td></tr>" for name, n in self.pairs.items())
        return f"<table>{cells}</table><p>{escape(str(self.path))}</p>"


def feedback(
    prompts: Any = None,
    policy: ModelLike | Sequence[ModelLike] | None = None,
    judge: RoleLike | None = None,
    *,
    tokenizer: Any = None,
    output: str | Path | None = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    progress: ProgressOption = "auto",
    **keys: Any,
) -> MadeFeedback:
    """Sample responses, have a judge compare them, and return preference rows or the best responses.

        made = truing.feedback("prompts.jsonl", "runs/sft", judge="runs/reward", output="feedback")
        truing.train(method="dpo", policy="runs/sft", data=made.rows)

    `prompts` are a file, files, or a list of texts or rows. `policy` is a model as `truing.sample` takes it,
    or several; `tokenizer` belongs to a loaded one. `judge` is a reward model, a language model, or a row of
    the judges of `win_rate`. `recipe` is a file or a dict; the arguments and `keys` (`k`, `compare`,
    `select`, …) are laid over it. The folder is `output`, else `feedback`; the same call goes on where an
    earlier one was stopped.

    Raises ConfigError, DataError, ModelError, and RewardError where a budget is used up or where more pairs
    than `max_errors` have no verdict: every answer is kept.
    """
    asked: dict[str, Any] = {**keys, "output": None if output is None else str(output)}
    models = GivenModels(tokenizer)
    if policy is not None:
        several = policy if isinstance(policy, list | tuple) else [policy]
        asked["policies"] = [models.named(one) for one in several]
    if judge is not None:
        asked["judge"] = role_named(judge, "judge")
    display = display_of(progress)
    with (
        work_recipe(FeedbackRecipe, "feedback", recipe, prompts, asked) as found,
        Stages(display.stage) as stages,
    ):
        from truing.pipelines.feedback import feedback_recipe
        from truing.synthesis.feedback import as_json, require_answered

        done = feedback_recipe(found, display.say, stages, models.live)
    require_answered(done)
    control = [one.row for one in done.choice.control]
    return MadeFeedback(done.path, done.rows, control, as_json(done))
