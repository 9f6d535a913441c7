"""`truing.judge`: verdicts of a model, or of a panel, on the responses of rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.api.watching import ProgressOption, Stages, display_of
from truing.api.work import RoleLike, role_named, work_recipe
from truing.config.judging import JudgingRecipe


@dataclass(frozen=True)
class MadeVerdicts:
    """A finished judging; the files in `path` hold the same content."""

    path: Path  # the folder: rows, verdicts, results.json, report.html
    results: Mapping[str, Any]  # the content of results.json

    @property
    def counts(self) -> dict[str, Any]:
        """The items by kind, those with a verdict and those without."""
        return dict(self.results["counts"])

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The numbers, each with `value`, `low`, `high` and `n`."""
        return dict(self.results["numbers"])

    @property
    def rows(self) -> Path:
        """The rows to train on."""
        return self.path / "rows.jsonl"

    @property
    def page(self) -> Path:
        """The report: one HTML file that loads nothing from any network."""
        return self.path / "report.html"


def judge(
    rows: Any = None,
    judges: RoleLike | list[RoleLike] | tuple[RoleLike, ...] | None = None,
    *,
    output: str | Path | None = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    progress: ProgressOption = "auto",
    **keys: Any,
) -> MadeVerdicts:
    """Judge the responses of rows: pairs in both orders, single ones by points or by the row's rubric.

        truing.judge("pairs.jsonl", {"model": "qwen3", "base_url": "http://localhost:8000/v1",
                                     "api_key_env": None}, audit=True, output="judged")

    `rows` are files or rows in memory. `judges` is a model on this machine, a server as a dict, or a list of
    them: a panel. `recipe` is a file or a dict; the other arguments and `keys` (`kind`, `axes`, `scale`,
    `audit`, …) are laid over it. The same call goes on after any end.

    Raises ConfigError, DataError, and RewardError for a judge that cannot be asked or a share of errors above
    `max_errors`; all files are written by then.
    """
    asked = {**keys, "output": None if output is None else str(output)}
    if judges is not None:
        several = judges if isinstance(judges, list | tuple) else [judges]
        asked["judges"] = [role_named(one, "judges") for one in several]
    display = display_of(progress)
    with (
        work_recipe(JudgingRecipe, "judge", recipe, rows, asked, "rows") as found,
        Stages(display.stage) as stages,
    ):
        from truing.pipelines.judging import judge_files
        from truing.synthesis.judging.run import require_answered

        done, _, results = judge_files(found, display.say, stages)
    require_answered(done)
    return MadeVerdicts(Path(found.output), results)
