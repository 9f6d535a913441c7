"""`truing.negatives`: true answers against the same answers made false."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from truing.api.opening import ModelLike
from truing.api.watching import ProgressOption, Stages, display_of
from truing.api.work import GivenModels, RoleLike, role_named, work_recipe
from truing.config.negatives import NegativesRecipe

Rules = Sequence[str]


@dataclass(frozen=True)
class MadeNegatives:
    """The rows that were made; the files in `path` hold the same."""

    path: Path  # the folder: rows.jsonl, results.json, report.html, train.yaml
    rows: list[dict[str, Any]]  # preferences; `truing.train` takes them
    results: Mapping[str, Any]  # the content of results.json

    @property
    def without(self) -> dict[str, int]:
        """The rows without a false answer, by reason; with `rows` they are all rows that were read."""
        return dict(self.results["without"])

    def _repr_html_(self) -> str:
        counts = {"rows": len(self.rows), **self.without}
        cells = "".join(f"<tr><td>{escape(name)}</td><td>{n}</td></tr>" for name, n in counts.items())
        return f"<table>{cells}</table><p>{escape(str(self.path))}</p>"


def negatives(
    rows: Any = None,
    rules: Rules | None = None,
    *,
    changes: int | float | None = None,
    writer: ModelLike | Mapping[str, Any] | None = None,
    policy: ModelLike | Mapping[str, Any] | None = None,
    judge: RoleLike | None = None,
    tokenizer: Any = None,
    output: str | Path | None = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    progress: ProgressOption = "auto",
    **keys: Any,
) -> MadeNegatives:
    """Return preference rows: each true answer against the same answer made false.

        made = truing.negatives("answers.jsonl", ["numbers", "hedges"], changes=1, output="negatives")
        truing.train(method="dpo", policy="runs/sft", data=made.rows, loss={"sft_weight": 1.0})

        truing.negatives("answers.jsonl", writer={"model": "qwen3", "base_url": "http://localhost:8000/v1"})
        truing.negatives("answers.jsonl", by="samples", policy="runs/sft", k=4, judge="runs/reward")

    `rows` are a file, files, or a list of rows with a true answer. `rules` and `changes` are those of
    `docs/negatives.md`; a `writer` rewrites answers instead. `tokenizer` belongs to a loaded `writer` or
    `policy`. `recipe` is a file or a dict; the arguments and `keys` (`low`, `high`, `against_eval`, …) are
    laid over it. The folder is `output`, else `negatives`; the same call goes on where one was stopped.

    Raises ConfigError, DataError, ModelError, and RewardError where a budget is used up or where models fail
    on more rows than `max_errors`: every answer is kept.
    """
    asked: dict[str, Any] = {**keys, "changes": changes, "output": None if output is None else str(output)}
    if rules is not None:
        asked["rules"] = list(rules)
    models = GivenModels(tokenizer)
    asked |= {
        key: models.named(one) for key, one in (("writer", writer), ("policy", policy)) if one is not None
    }
    if writer is not None:
        asked.setdefault("by", "writer")
    if judge is not None:
        asked["judge"] = role_named(judge, "judge")
    display = display_of(progress)
    with (
        work_recipe(NegativesRecipe, "negatives", recipe, rows, asked) as found,
        Stages(display.stage) as stages,
    ):
        from truing.pipelines.negatives import negatives_recipe
        from truing.synthesis.negatives.run import as_json, require_answered

        done = negatives_recipe(found, display.say, stages, models.live)
    require_answered(done)
    return MadeNegatives(done.path, done.rows, as_json(done))
