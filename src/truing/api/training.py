"""`truing.train` and `truing.check`: from a recipe, or its keys as arguments, to a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from truing.api.given import RecipeLike, gather
from truing.api.watching import ProgressOption, display_of, in_notebook
from truing.config.run_folder import RunFolder, RunState, RunStatus, read_metrics, read_status
from truing.core.errors import Stopped, UsageError
from truing.core.messages import message
from truing.core.ranks import require_alone
from truing.core.signals import STOPS, Terminated, reason_of, signal_of, terminable

if TYPE_CHECKING:
    from truing.models.trained import Trained
    from truing.runs.check import Checked
    from truing.training.health import Finding


@dataclass(frozen=True)
class Run:
    """A run folder as a value: `truing.train` returns one, and `Run("runs/mine")` opens one.

    The result is read from the folder on first use, so that a `Run` costs no memory before.
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if read_status(self.path) is None:
            raise UsageError(
                message("{path} is no run folder", path=self.path),
                hint=message("a run folder is what a recipe names as its `output`; truing.train returns one"),
            )

    @property
    def status(self) -> RunStatus:
        """The state of the run ("done", "stopped", …), its step and its reason."""
        status = read_status(self.path)
        assert status is not None
        return status

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The metrics, one dict a step: `step`, `loss`, those of docs/methods, `eval/…` of an evaluation."""
        return read_metrics(self.path)

    @property
    def findings(self) -> "list[Finding]":
        """The findings of the health rules in training, oldest first."""
        from truing.training.health import read_findings

        return read_findings(self.path)

    @cached_property
    def trained(self) -> "Trained":
        """The result: model, tokenizer and their source. Raises ModelError for a run without a result."""
        from truing.models.trained import is_reward, load_trained, load_trained_reward

        source = str(self.path)
        return load_trained_reward(source) if is_reward(source) else load_trained(source)

    @property
    def model(self) -> Any:
        """The trained model: a transformers model, or a PEFT model under LoRA. In eval mode."""
        return self.trained.model

    @property
    def tokenizer(self) -> Any:
        """The tokenizer that belongs to `model`."""
        return self.trained.tokenizer

    def _repr_html_(self) -> str:
        """Return a notebook's view: the state of the run, and the numbers of its last step."""
        status, rows = self.status, self.metrics
        last = rows[-1] if rows else {}
        cells = "".join(
            f"<tr><td>{escape(name)}</td><td>{value:.4g}</td></tr>"
            for name, value in last.items()
            if isinstance(value, int | float)
        )
        head = f"<b>{escape(str(self.path))}</b>: {status.state.value}, step {status.step}"
        return f"{head}<table>{cells}</table>"


def train(
    recipe: RecipeLike | None = None,
    *,
    tokenizer: Any = None,
    progress: ProgressOption = "auto",
    allow_change: Sequence[str] = (),
    **keys: Any,
) -> Run:
    """Train a recipe and return the run; the same call resumes a run that was interrupted.

        truing.train("recipes/dpo.yaml", optim={"epochs": 2})
        truing.train(method="dpo", policy="my-model", data=rows, lora={"r": 16})
        truing.train(method="grpo", policy=model, tokenizer=tokenizer, data=prompts, rewards=[my_function])

    `recipe` is a file, a dict or a `Recipe`. `keys` are laid over the recipe; a dict adds to its section. Any
    key of a recipe may be given (`truing schema` lists them), and in place of names:

        data        rows: dicts, a `datasets.Dataset` or a data frame; or {"train": …, "eval": …} of them
        policy      a `Run`, or a loaded model with `tokenizer`; so may be `reference`
        loss        a function of the user's own, or the name of a loss; also as `loss={"name": …, "beta": …}`
        rewards     functions, names, or dicts: [{"name": my_function, "weight": 0.5}, "numeric"]
        lora        True for the defaults

    Rows and models in memory are written to `given/` in the run folder. The run trains a
    copy of a given model, and the object stays unchanged. Without `output` the run folder is
    `runs/METHOD-HASH`, with the hash of all arguments: the same call finds it again.

    `progress` is "auto" (bars in a notebook, nothing in a script), True, False, or a function that is called
    with every step's number and metrics. In a notebook an interrupted cell returns the run as it stands, with
    a checkpoint; elsewhere Ctrl-C and SIGTERM raise `Stopped` once the checkpoint is written. `allow_change`
    names keys whose values may differ from those at the run's start.

    Raises ConfigError, DataError, ModelError, DivergedError, StorageError, … : all are `truing.TruingError`
    with a `code` and a `hint`.
    """
    require_alone("truing.train")
    gathered, display = gather("train", recipe, keys, tokenizer), display_of(progress)
    folder = gathered.output("train")
    found = gathered.recipe(folder)
    with gathered.written(folder):
        _require_possible(found)
        from truing.runs.train import train_recipe

        try:
            with terminable(), RunFolder.open(folder) as opened:
                train_recipe(found, opened, display.say, display.stage, allow_change=allow_change)
        except STOPS as stop:
            status = read_status(folder) or RunStatus(RunState.RUNNING)
            if in_notebook() and status.state is RunState.STOPPED:
                display.say(message("stopped after step {step}; the same call goes on", step=status.step))
                return Run(folder)
            if not isinstance(stop, Terminated):
                raise
            reason, hint = reason_of(stop, status.step), message("the same call goes on from there")
            raise Stopped(reason, signal=signal_of(stop), hint=hint) from stop
    return Run(folder)


def check(recipe: RecipeLike | None = None, *, tokenizer: Any = None, **keys: Any) -> "Checked":
    """Train nothing: read rows and masks, and compute the first step's loss and gradient norm.

    Takes the arguments of `train`. `lines()` of the result is for people, `as_json()` for programs. Raises
    the errors of `train` before its first step.
    """
    gathered = gather("check", recipe, keys, tokenizer)
    with TemporaryDirectory(prefix="truing-") as scratch:
        folder = Path(scratch)
        found = gathered.recipe(folder)
        with gathered.written(folder):
            _require_possible(found)
            from truing.runs.check import check_session
            from truing.runs.opening import open_run

            session = open_run(found, display_of(False).say, first_step=True)
            with session.rows_named():
                return check_session(session)


def _require_possible(recipe: Any) -> None:
    from truing.runs.preflight import require_possible

    require_possible(recipe)
