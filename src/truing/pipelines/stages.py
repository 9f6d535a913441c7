"""Stages of one file as runs that build on each other: SFT, a reward model, PPO; or SFT, then DPO.

    load_stages -> planned: every stage passes the checks that need no trained weights
                -> run_stages: each stage a run as `truing train` makes it, in OUTPUT/NAME

`stage:NAME` in a recipe becomes a folder. Under `rewards` and `critic` the folder is the run,
whose reward model is read with the run's own template. Elsewhere the folder holds the weights to train from:
`OUTPUT/NAME/merged` for an adapter.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from truing.config.changes import SAFE_WHEN_LARGER, compare, refuse_unsafe
from truing.config.config import load_recipe
from truing.config.options import called, check_options, keyword_options
from truing.config.reads import require_read
from truing.config.recipe import Recipe
from truing.config.rewards import MODEL
from truing.config.run_folder import RunFolder, RunState, read_config, read_metrics, read_status
from truing.config.stages import STAGE, Stage, naming_stage
from truing.core.errors import ConfigError, DataError
from truing.core.files import MANIFEST, write_atomic
from truing.core.messages import Say, Sentence, joined, message
from truing.core.records import Record
from truing.data.load import work_through
from truing.methods.offline import OFFLINE, Chosen, choose
from truing.methods.online import ONLINE, choose_online
from truing.models.export import export_folder
from truing.models.results import find_run
from truing.models.sources import resolve
from truing.models.trained import merged_run
from truing.objectives.shapes import unpaired
from truing.rewards.build import build_mix
from truing.rewards.model import model_reward
from truing.runs.idle import require_used
from truing.runs.preflight import present, reward_models
from truing.runs.progress import Learner
from truing.runs.train import Beside, StepWatch, nothing, train_recipe

TAKE_RUNS = ("rewards", "critic")  # keys of a recipe below which a stage is its run folder


@dataclass(frozen=True)
class Planned:
    """A checked stage, with folders in its recipe."""

    name: str
    title: str  # of its method
    recipe: Recipe
    needs: tuple[str, ...]  # earlier stages
    scores: bool  # whether a reward model is trained
    begun: bool  # whether its run folder knows of it
    trained: bool  # whether no step is left

    @property
    def run(self) -> Path:
        return Path(self.recipe.output)

    @property
    def result(self) -> Path:
        """The folder that `truing train` writes its result to."""
        return self.run / "model"

    @property
    def weights(self) -> Path:
        """The folder of weights that a later stage trains from."""
        return self.run / "merged" if self.recipe.lora and not self.scores else self.result

    @property
    def done(self) -> bool:
        return self.trained and (self.result / MANIFEST).exists()


def run_stages(stages: Sequence[Stage], say: Say, watch: StepWatch) -> list[Planned]:
    """Check all stages, then train the unfinished ones in order; a stopped stage resumes.

    Raises ConfigError, DataError and ModelError before training, and the errors of a run.
    """
    plan = planned(stages)
    by_name = {stage.name: stage for stage in plan}
    for number, stage in enumerate(plan, 1):
        title = message("{name} ({title})", name=stage.name, title=message(stage.title))
        heading = stage_heading(number, len(plan), title)
        if stage.done:
            say(message("{heading} is done; its result is in {path}", heading=heading, path=stage.result))
            continue
        say(joined("\n", ["", heading]))
        for name in stage.needs:
            _merge(by_name[name])
        train_stage(stage, say, watch)
    return plan


def stage_heading(number: int, count: int, title: Sentence) -> Sentence:
    """Write the heading of a stage: its number from 1 among `count` stages, and its name."""
    return message("stage {number} of {all}: {title}", number=number, all=count, title=title)


def train_stage(stage: Planned, say: Say, watch: StepWatch, *, beside: Beside = nothing) -> None:
    """Train a stage in its run folder, from its last checkpoint; `beside` is that of `train_recipe`."""
    with RunFolder.open(stage.run) as folder:
        train_recipe(stage.recipe, folder, say, watch, beside=beside)


def train_merged(
    path: Path, content: Mapping[str, Any], target: Path, facts: Mapping[str, Any], say: Say, watch: StepWatch
) -> int:
    """Write a recipe to `path`, train it as `truing run` does, and write the merged model to `target`.

    `facts` go to the model's card. Returns the steps.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))
    (stage,) = planned([Stage(path.stem, load_recipe(path).recipe, ())])

    def merged(session: Learner) -> None:
        export_folder(session.model, session.tokenizer, target, merge=True, facts=facts)

    train_stage(stage, say, watch, beside=merged)
    return int(read_metrics(stage.run)[-1]["step"])


def _merge(stage: Planned) -> None:
    """Write the weights that a later stage trains from, unless the folder exists."""
    if not stage.scores:
        run = find_run(str(stage.run))
        assert run is not None, "trained by now"
        assert merged_run(run) == stage.weights


def _made_after(path: Path, other: Path) -> bool:
    return path.exists() and path.stat().st_mtime_ns >= other.stat().st_mtime_ns


# Before the first stage


def planned(stages: Sequence[Stage]) -> list[Planned]:
    """Return all stages with recipes bound to folders, after every check that needs no trained weights.

    Raises ConfigError, DataError or ModelError that names the stage.
    """
    plan: dict[str, Planned] = {}
    for stage in stages:
        with naming_stage(stage.name):
            plan[stage.name] = _planned(stage, plan)
    for stage in plan.values():
        _refuse_stale(stage, [other for other in plan.values() if stage.name in other.needs and other.begun])
    return list(plan.values())


def _planned(stage: Stage, earlier: Mapping[str, Planned]) -> Planned:
    chosen = _chosen(stage.recipe)
    _check_sources(stage.recipe)
    recipe = _bound(stage.recipe, earlier)
    inputs = _read(recipe, chosen)
    old, status = read_config(Path(recipe.output)), read_status(Path(recipe.output))
    longer = False
    if old is not None:
        asked = recipe.recorded() | {"inputs": old["recipe"]["inputs"] | inputs}
        changes = compare(old["recipe"], old["recipe"] | asked)
        try:
            refuse_unsafe(changes)
        except ConfigError as error:
            hint = "put the old values back, or choose another output; {path} stays as it is"
            raise ConfigError(error.message, hint=message(hint, path=recipe.output)) from error
        longer = any(change.key in SAFE_WHEN_LARGER for change in changes)
    return Planned(
        stage.name,
        (OFFLINE | ONLINE)[recipe.method].title,
        recipe,
        stage.needs,
        chosen is not None and chosen.method.scores,
        begun=old is not None,
        trained=status is not None and status.state is RunState.DONE and not longer,
    )


def _refuse_stale(stage: Planned, begun: Sequence[Planned]) -> None:
    """Raise ConfigError for a stage with steps to train whose earlier result other stages began from."""
    if not stage.trained and begun:
        names = ", ".join(other.name for other in begun)
        said = "stage {name} has steps to train, and {names} began from an earlier result of it"
        runs = " ".join(str(other.run) for other in begun)
        raise ConfigError(
            message(said, name=stage.name, names=names),
            hint=message("choose another output, or remove {runs}", runs=runs),
        )


def _bound(recipe: Recipe, earlier: Mapping[str, Planned]) -> Recipe:
    """Return the recipe with folders in place of names of stages."""

    def folders(value: Any, folder: Callable[[Planned], Path]) -> Any:
        if isinstance(value, dict):
            return {key: folders(one, folder) for key, one in value.items()}
        if isinstance(value, list):
            return [folders(one, folder) for one in value]
        if isinstance(value, str) and value.startswith(STAGE):
            return str(folder(earlier[value.removeprefix(STAGE)]))
        return value

    content = {
        key: folders(value, (lambda stage: stage.run) if key in TAKE_RUNS else (lambda stage: stage.weights))
        for key, value in recipe.model_dump(mode="json").items()
    }
    return Recipe.model_validate(content)


def _chosen(recipe: Recipe) -> Chosen | None:
    """Look up a recipe's loss, and an online recipe's rewards; return the offline choice, else None."""
    require_read(recipe)
    if recipe.method in OFFLINE:
        chosen = choose(recipe.method, recipe.loss.mix or recipe.loss.name, recipe.loss.hyper)
        require_used(recipe, chosen)
        return chosen
    most = recipe.sampling.max_new_tokens
    require_used(recipe, choose_online(recipe.method, recipe.loss.name, recipe.loss.hyper, max_length=most))
    models = [part for part in recipe.rewards if part.name == MODEL]
    for part in models:
        check_options(called("reward", MODEL), keyword_options(model_reward), part.options)
    if len(models) < len(recipe.rewards) or not models:
        build_mix([part for part in recipe.rewards if part.name != MODEL])
    return None


def _check_sources(recipe: Recipe) -> None:
    """Fetch the models a stage begins from, so that a misspelt name shows before training."""
    for source in present(recipe.policy, recipe.reference):
        resolve(source)
    for path in present(*reward_models(recipe)):
        if not Path(path).is_dir():
            resolve(path, bins=True)


def _kinds(chosen: Chosen | None, records: list[Record], *, unpair: bool) -> tuple[set[str], bool]:
    """Return the kinds of records, and whether a method learns from any of them."""
    if chosen is None:
        return set(), False
    parts = [one for row in records for one in (unpaired(row) if unpair else [row])]
    return {part.kind.value for part in parts}, any(chosen.shape.teaches(part) for part in parts)


def _read(recipe: Recipe, chosen: Chosen | None) -> dict[str, str]:
    """Return the SHA-256 of every file of rows. Raises DataError for an absent, damaged or useless file."""
    data = recipe.data
    found: dict[str, str] = {}
    for paths in (data.train, data.eval, data.retain, data.ptx):
        if not paths:
            continue
        asked = chosen if paths in (data.train, data.eval) else None
        seen: list[tuple[set[str], bool]] = []
        work = partial(_kinds, asked, unpair=data.unpair)
        sources, _ = work_through(paths, work, seen.append, format=data.format, bad_rows=data.bad_rows)
        found |= {source.path: source.sha256 for source in sources}
        if asked is not None and not any(teaches for _, teaches in seen):
            kinds = ", ".join(sorted(set().union(*(kinds for kinds, _ in seen))))
            said = "{paths}: {method} needs {wants}, these rows are {kinds}"
            wants = message(asked.shape.wants)
            raise DataError(
                message(said, paths=", ".join(paths), method=recipe.method, wants=wants, kinds=kinds),
                hint=message("see `truing data show`"),
            )
    return found
