"""`train.yaml`: the recipe beside the rows that a verb made, which trains a policy on them."""

from collections.abc import Mapping
from pathlib import Path

from truing.config.recipe import Recipe
from truing.config.work import RoleSpec
from truing.core.files import write_atomic
from truing.pipelines.starter import starting, write_recipe

TRAIN = "train.yaml"


def learning(method: str, policy: RoleSpec, rows: Path) -> Recipe:
    """Return the recipe of a method on a file of rows; its run lies beside the file, named as the method.

    The policy of a server is the name of its model, which a person may have to replace.
    """
    name = str(policy.get("path", policy.get("model"))) if isinstance(policy, Mapping) else policy
    return starting(method, policy=name, rows=str(rows), output=str(rows.parent / method))


def write_training(folder: Path, recipe: Recipe) -> None:
    """Write a recipe as the `train.yaml` of a folder, unless the folder has one."""
    path = folder / TRAIN
    if not path.exists():
        write_atomic(path, write_recipe(recipe).encode())
