"""`truing.constitution`: a model's answers criticised under principles and revised, as rows to train on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.api.opening import ModelLike
from truing.api.watching import ProgressOption, Stages, display_of
from truing.api.work import GivenModels, role_named, work_recipe
from truing.config.constitution import ConstitutionRecipe


@dataclass(frozen=True)
class Constituted:
    """A finished pass; the files in `path` hold the same content."""

    path: Path  # the folder: transcripts, rows, sft, preferences, results.json, report.html
    results: Mapping[str, Any]  # the content of results.json

    @property
    def counts(self) -> dict[str, Any]:
        """The prompts by what became of them: `revised`, `unchanged`, `dropped` by reason, `errors`."""
        return dict(self.results["counts"])

    @property
    def sft(self) -> Path:
        """The rows for supervised fine-tuning: revisions and helpful answers."""
        return self.path / "sft.jsonl"

    @property
    def preferences(self) -> Path:
        """The pairs for a reward model or DPO."""
        return self.path / "preferences.jsonl"

    @property
    def page(self) -> Path:
        """The report: one HTML file that loads nothing from any network."""
        return self.path / "report.html"


def constitution(
    prompts: Any = None,
    policy: ModelLike | Mapping[str, Any] | None = None,
    *,
    tokenizer: Any = None,
    output: str | Path | None = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    progress: ProgressOption = "auto",
    **keys: Any,
) -> Constituted:
    """Criticise and revise a model's answers under a constitution; write rows for SFT and preferences.

        truing.constitution("prompts.jsonl", "runs/mine", output="constitution")
        truing.constitution(rows, run, critic={"model": "qwen3", "base_url": "http://localhost:8000/v1"},
                            reviser="rule", constitution="mine.yaml", output="constitution")

    `prompts` are files, texts or rows. `policy` is a `Run`, a source, a server as a dict, or a loaded
    model, to which `tokenizer` belongs; the other roles take the same, and of loaded models that one alone.
    `recipe` is a file or a dict; the other arguments and `keys` (`critic`, `reviser`, `judge`, `rounds`, …)
    are laid over it. The folder is `output`, else `constitution`; the same call goes on after any end.

    Raises ConfigError, DataError, ModelError, and RewardError where a server cannot be asked or where more
    prompts than `max_errors` ended in an error: every answer is kept.
    """
    asked: dict[str, Any] = {**keys, "output": None if output is None else str(output)}
    models = GivenModels(tokenizer)
    if policy is not None:
        asked["policy"] = models.named(policy)
    for key in ("critic", "reviser", "judge"):
        if (one := keys.get(key)) is not None:
            asked[key] = asked["policy"] if one is policy else role_named(one, key)
    display = display_of(progress)
    with (
        work_recipe(ConstitutionRecipe, "constitution", recipe, prompts, asked) as found,
        Stages(display.stage) as stages,
    ):
        from truing.pipelines.constituting import constitute, require_answered

        results = constitute(found, display.say, stages, next(iter(models.live.values()), None))
    require_answered(results, found.max_errors)
    return Constituted(Path(found.output), results)
