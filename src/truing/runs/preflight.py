"""Check a recipe before torch is imported: its names, its files of rows, its models.

A misspelt method, file or folder is told in well under a second; the imports behind a run take many seconds.
Whoever calls the library meets the same errors where the files and models are opened.
"""

from collections.abc import Iterator
from pathlib import Path

from truing.config.names import require_losses
from truing.config.online import CRITIC_STARTS
from truing.config.reads import require_read
from truing.config.recipe import Recipe
from truing.config.rewards import MODEL
from truing.config.stages import STAGE
from truing.core.errors import ConfigError
from truing.core.messages import message
from truing.data.load import require_files
from truing.models.folders import refuse_reward
from truing.models.results import REWARD_METHOD
from truing.models.sources import require, require_openable
from truing.runs.trackers import require_trackers
from truing.runs.votes import with_kept_votes
from truing.training.health import require_known


def require_possible(recipe: Recipe, *, weights: bool = True) -> None:
    """Raise ConfigError, DataError or ModelError for a name, file or model of a recipe that does not exist.

    A `stage:NAME` passes: its result does not exist yet. Without `weights` the models are not looked for: a
    plan reads their configs alone.
    """
    require_read(recipe)
    require_losses(recipe.method, recipe.loss.mix or filter(None, [recipe.loss.name]))
    require_known(recipe.health)
    require_trackers(recipe.track.to)
    if recipe.rewards:
        from truing.rewards.names import require_reward

        for part in recipe.rewards:
            require_reward(part.name)
    require_servable(recipe)
    _require_place(Path(recipe.output))
    for source in present(recipe.policy, recipe.reference) if weights else ():
        require(source)
        if recipe.method != REWARD_METHOD:
            refuse_reward(Path(source).expanduser())
    for source in present(*reward_models(recipe)) if weights else ():
        require_openable(source)
    kept = with_kept_votes(recipe, Path(recipe.output))
    for paths in (kept.data.train, kept.data.eval, kept.data.retain, kept.data.ptx):
        require_files(paths)


def _require_place(output: Path) -> None:
    """Raise ConfigError where a run's folder cannot lie, since a file has its name or a parent's."""
    there = next(path for path in (output, *output.parents) if path.exists())
    if not there.is_dir():
        said = "output is {path}, and {there} is no folder"
        raise ConfigError(
            message(said, path=output, there=there), hint=message("name a folder that is new or a run's")
        )


def present(*sources: str | None) -> Iterator[str]:
    """Yield the sources that must exist before any stage: all but None and `stage:NAME`."""
    return (source for source in sources if source and not source.startswith(STAGE))


def reward_models(recipe: Recipe) -> list[str]:
    """List every reward model that an online recipe names."""
    models = [
        str(part.options["path"]) for part in recipe.rewards if part.name == MODEL and "path" in part.options
    ]
    return models + ([] if recipe.critic.start in CRITIC_STARTS else [recipe.critic.start])


def listed_in(recipe: Recipe) -> Path | None:
    """Return the file that lists more servers, where the recipe names one."""
    name = recipe.sampling.servers_file
    return Path(name).expanduser() if name else None


def require_servable(recipe: Recipe) -> None:
    """Raise ConfigError for a wrong list of servers, and for an adapter that none loads; none is asked."""
    if recipe.sampling.served:
        from truing.sampling.listing import Listing

        Listing(recipe.sampling.servers, listed_in(recipe))
    if recipe.lora is not None and recipe.lora.dora and recipe.sampling.served:
        raise ConfigError(
            message("lora.dora and sampling.servers: vLLM loads no DoRA adapter (lora_magnitude_vector)"),
            hint=message("set lora.dora: false, or leave sampling.servers out"),
        )
