"""Several recipes in one file, trained one after the other by `truing run`.

    output: runs/preferred
    shared: {policy: org/model, lora: {r: 16}}          # keys of every stage
    stages:
      sft: {method: sft, data: {train: [demonstrations.jsonl]}}
      dpo: {method: dpo, policy: "stage:sft", data: {train: [pairs.jsonl]}}

A stage is a recipe without `output`: it is laid over `shared`, section by section, and its run folder is
`OUTPUT/NAME`. `stage:NAME` as a value means the result of an earlier stage; `pipelines/stages.py` finds the
folder of that result.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from truing.config.config import validate
from truing.config.documents import MAX_DEPTH, OVERRIDE, Node, Origin, overridden, read_document
from truing.config.imports import closest
from truing.config.recipe import Recipe
from truing.config.section import Section
from truing.core.errors import ConfigError, TruingError
from truing.core.messages import message

STAGE = "stage:"  # before the name of an earlier stage
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class StageFile(Section):
    """The top level of a file with stages; the content of a stage is checked as a `Recipe`."""

    output: str = Field(min_length=1, description="The folder of all run folders; unfinished stages resume.")
    shared: dict[str, Any] = Field(default={}, description="Keys that every stage begins with.")
    stages: dict[str, dict[str, Any]] = Field(description="Recipes by name, in the order of training.")

    @field_validator("stages")
    @classmethod
    def _names_are_folders(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value:
            raise ValueError("expected at least one stage")
        for name in value:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a folder: use letters, digits, _ and -")
        return value


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage as it is written: `stage:NAME` still stands in place of a folder."""

    name: str
    recipe: Recipe
    needs: tuple[str, ...]  # the earlier stages it names


@contextmanager
def naming_stage(name: str) -> Generator[None]:
    """Add the name of the stage to an error in the block."""
    try:
        yield
    except TruingError as error:
        said = message("stage {name}: {what}", name=name, what=error.message)
        raise type(error)(said, hint=error.hint) from error


def load_stages(path: Path | str, overrides: Sequence[str] = ()) -> list[Stage]:
    """The stages of a `.yaml`, `.yml` or `.json` file, in their order, after `overrides` such as
    `stages.dpo.optim.epochs=2`.

    Raises `ConfigError` with the mistakes in every stage, line by line, and `UsageError` for an
    override that is not `key=value`.
    """
    path = Path(path)
    root = read_document(path)
    if not isinstance(root.value, dict):
        raise ConfigError(f"{path} holds no stages", hint="it needs output and stages")
    if "method" in root.children and "stages" not in root.children:
        raise ConfigError(f"{path} is a single recipe, without stages", hint=f"truing train {path}")
    written = root.children["stages"].children if "stages" in root.children else {}
    root = overridden(root, overrides)
    output = validate(root, StageFile).output
    shared, stages = root.children.get("shared"), root.children["stages"].children
    found: list[Stage] = []
    problems: list[str] = []
    for name in stages:
        try:
            if name not in written:
                raise ConfigError(f"{OVERRIDE}: no stage {name!r}{closest(name, written)}")
            found.append(_stage(name, stages, shared, output))
        except ConfigError as error:
            problems += str(error).splitlines()
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))  # a mistake in `shared` is told once
    return found


def overlaid(under: Node | None, over: Node, levels: int = MAX_DEPTH) -> Node:
    """Lay `over` on `under`: mappings are merged down to `levels`, all else is replaced. Origins are kept."""
    if under is None or levels == 0 or not (isinstance(under.value, dict) and isinstance(over.value, dict)):
        return over
    entries = {key: overlaid(under.value.get(key), node, levels - 1) for key, node in over.value.items()}
    return Node({**under.value, **entries}, under.origin)


def _stage(name: str, stages: dict[str, Node], shared: Node | None, output: str) -> Stage:
    """Make one stage by laying it over `shared`. Raises ConfigError with all its mistakes."""
    own, run = stages[name], str(Path(output, name))
    entries = overlaid(shared, own).children
    if "output" in entries:
        raise ConfigError(
            f"{entries['output'].origin}: unknown key 'output' in {name}; its run goes to {run}"
        )
    node = Node({**entries, "output": Node(run, own.origin)}, own.origin)
    named = list(_named_stages(node))
    wrong = [
        f"{origin}: {STAGE}{other} in {name}: {why}"
        for other, origin in named
        if (why := _cannot_build(name, other, list(stages)))
    ]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return Stage(name, validate(node, Recipe), tuple(dict.fromkeys(other for other, _ in named)))


def _named_stages(node: Node) -> Iterator[tuple[str, Origin]]:
    """Yield every `stage:NAME` below a node, as the name and the place where it stands."""
    if isinstance(node.value, str) and node.value.startswith(STAGE):
        yield node.value.removeprefix(STAGE), node.origin
    below = node.value if isinstance(node.value, list) else node.children.values()
    for child in below:
        yield from _named_stages(child)


def _cannot_build(name: str, other: str, names: list[str]) -> str:
    """Say why a stage cannot begin from another; empty where it can."""
    earlier = names[: names.index(name)]
    if other in earlier:
        return ""
    if other == name:
        return "a stage cannot begin from its own result"
    if other in names:
        return f"it comes after {name}, and stages are trained in the order of the file"
    known = f"earlier ones are {', '.join(earlier)}" if earlier else "none comes earlier"
    return f"there is no such stage; {known}{closest(other, earlier)}"
