"""`truing.red_team`: attacks on a model, and what came of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from truing.api.opening import ModelLike
from truing.api.watching import ProgressOption, Stages, display_of
from truing.api.work import GivenModels, RoleLike, role_named, work_recipe
from truing.config.red_team import RedTeamRecipe
from truing.synthesis.work import REPORT


@dataclass(frozen=True)
class RedTeamed:
    """A finished red teaming; the files in `path` hold the same."""

    path: Path  # the folder: items.jsonl, failures.jsonl, results.json, report.html
    failures: list[dict[str, Any]]  # attacks that succeeded, as rows for `truing data refusals`
    results: Mapping[str, Any]  # the content of results.json

    @property
    def success(self) -> Mapping[str, float] | None:
        """Attack success as measured: `value`, `low`, `high`, `n`; None where nothing was understood."""
        return self.results["success"]["success"]

    @property
    def corrected(self) -> Mapping[str, float] | None:
        """Attack success corrected for the classifier's errors; None where these leave it undetermined."""
        return self.results["success"]["corrected"]

    @property
    def page(self) -> Path:
        """The report: one HTML file that loads nothing from any network."""
        return self.path / REPORT

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{_cell(one['success'])}</td><td>{_cell(one['corrected'])}</td></tr>"
            for name, one in self.results["attacks"].items()
        )
        head = "<tr><th>attack</th><th>success</th><th>corrected</th></tr>"
        return f"<table>{head}{rows}</table><p>{escape(str(self.page))}</p>"


def _cell(found: Mapping[str, float] | None) -> str:
    return "—" if found is None else f"{found['value']:.0%} ({found['low']:.0%} to {found['high']:.0%})"


def red_team(
    model: ModelLike | Mapping[str, Any] | None = None,
    *,
    attacks: Sequence[str] | str | None = None,
    rows: Any = None,
    judge: RoleLike | None = None,
    generator: RoleLike | None = None,
    tokenizer: Any = None,
    output: str | Path | None = None,
    recipe: str | Path | Mapping[str, Any] | None = None,
    progress: ProgressOption = "auto",
    **keys: Any,
) -> RedTeamed:
    """Attack a model, judge its answers, and return the attacks that succeeded.

        done = truing.red_team("runs/mine", attacks=["plain", "role_play"], output="red-team")
        done.results["attacks"]["plain"]["success"]

    `model` is a `Run`, a source, a loaded model (with its `tokenizer`), or a server as a dict. `attacks` are
    names, or "all". `rows` are own prompts: a file, files, or a list of texts or rows with a `category`.
    `judge` and `generator` are roles. `recipe` is a file or a dict; the arguments and `keys` (`categories`,
    `languages`, `per_category`, `k`, …) are laid over it. The folder is `output`, else `red-team`; the same
    call goes on where an earlier one was stopped.

    Raises ConfigError, DataError, ModelError, and RewardError where a budget is used up or where more attacks
    than `max_errors` have no answer: every answer is kept.
    """
    asked: dict[str, Any] = {**keys, "output": None if output is None else str(output)}
    models = GivenModels(tokenizer)
    if model is not None:
        asked["model"] = models.named(model)
    if attacks is not None:
        asked["attacks"] = [attacks] if isinstance(attacks, str) else list(attacks)
    for key, role in (("judge", judge), ("generator", generator)):
        if role is not None:
            asked[key] = role_named(role, key)
    display = display_of(progress)
    with (
        work_recipe(RedTeamRecipe, "red-team", recipe, rows, asked) as found,
        Stages(display.stage) as stages,
    ):
        from truing.pipelines.red_team import red_team_recipe
        from truing.redteam.rows import as_json, failure_rows
        from truing.redteam.run import require_answered

        done = red_team_recipe(found, display.say, stages, models.live)
    require_answered(done)
    return RedTeamed(done.path, failure_rows(done), as_json(done))
