"""The votes that a recipe names, copied into the run folder once, so that a resume sees the same.

`data: {train: ["annotate:project.db"]}` is `given/votes-train-1.jsonl` in the folder from the run's start.
People may go on voting: a run that is resumed does not change, and another run has the newer votes.
"""

from collections.abc import Callable
from pathlib import Path

from truing.config.names import VOTES
from truing.config.recipe import Recipe
from truing.core.errors import ConfigError
from truing.core.files import write_atomic
from truing.core.messages import message

FOLDER = "given"  # in the run folder, beside the rows that were passed in memory
FILES = ("train", "eval", "retain", "ptx")  # keys of `data` that name files


def shared_votes(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with its votes in files of the run folder; rank 0 writes those that are not there.

    Raises DataError where the votes give no row, and ConfigError where the folder holds those of another
    project.
    """
    if not _names_votes(recipe):
        return recipe
    from truing.models.world import world  # brings torch along

    return world().from_main(lambda: _renamed(recipe, folder, _written))


def with_kept_votes(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with the votes that the run folder holds already; nothing is written."""
    if not _names_votes(recipe):
        return recipe
    return _renamed(recipe, folder, lambda source, copy: str(copy) if copy.is_file() else source)


def _names_votes(recipe: Recipe) -> bool:
    return any(path.startswith(VOTES) for key in FILES for path in getattr(recipe.data, key))


def _renamed(recipe: Recipe, folder: Path, copied: Callable[[str, Path], str]) -> Recipe:
    """Replace every name of votes by what `copied` returns for it and for the place of its copy."""
    changed: dict[str, tuple[str, ...]] = {}
    for key in FILES:
        paths: list[str] = list(getattr(recipe.data, key))
        for number, path in enumerate(paths, 1):
            if path.startswith(VOTES):
                paths[number - 1] = copied(path, folder / FOLDER / f"votes-{key}-{number}.jsonl")
        changed[key] = tuple(paths)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=changed)})


def _written(source: str, copy: Path) -> str:
    """Write the votes of `source` where they are not there yet, and return the name of the copy."""
    note = copy.with_name(f"{copy.name}.of")
    if copy.is_file():
        before = note.read_text("utf-8") if note.is_file() else ""
        if before != source:
            raise ConfigError(
                message(
                    "{path} holds the votes of {before}, and not of {source}",
                    path=copy,
                    before=before,
                    source=source,
                ),
                hint=message("choose another output; the run that began there keeps what it began with"),
            )
        return str(copy)
    from truing.data.votes import votes_file  # brings the database along

    content = votes_file(source)
    copy.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(note, source)
    write_atomic(copy, content)
    return str(copy)
