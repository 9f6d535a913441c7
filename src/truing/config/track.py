"""A recipe's `track`: the experiment trackers that get a run's numbers beside its folder.

track: [tensorboard, wandb]
track: {to: wandb, project: my-project, name: first-try}
"""

from typing import Annotated, Literal, cast, get_args

from pydantic import BeforeValidator, Field

from truing.config.imports import closest
from truing.config.section import Section

Tracker = Literal["tensorboard", "wandb", "trackio", "swanlab", "mlflow"]
TRACKERS: tuple[str, ...] = get_args(Tracker)


def _known(value: object) -> object:
    """Read one name or a list; raise ValueError for an unknown name."""
    listed: object = [value] if isinstance(value, str) else value
    for name in cast("list[object]", listed) if isinstance(listed, list | tuple) else ():
        if name not in TRACKERS:
            known = ", ".join(TRACKERS)
            raise ValueError(f"no tracker {name!r}; known: {known}{closest(str(name), TRACKERS)}")
    return cast("object", listed)


def _named(value: object) -> object:
    """Read a name, or a list of names, as a section that sets the trackers and nothing else."""
    return {"to": cast("object", value)} if isinstance(value, str | list | tuple) else value


Trackers = Annotated[
    tuple[Tracker, ...], BeforeValidator(_known, json_schema_input_type=Tracker | list[Tracker])
]


class Track(Section):
    """The trackers that get a run's metrics, recipe and health findings beside its folder."""

    to: Trackers = Field(default=(), description="Trackers: tensorboard, wandb, trackio, swanlab or mlflow.")
    project: str | None = Field(
        default=None,
        min_length=1,
        description="Project on the tracker; null is the one that its variable names, such as WANDB_PROJECT, "
        "or truing.",
    )
    name: str | None = Field(
        default=None, min_length=1, description="Name of the run on the tracker; null is its folder's name."
    )


Tracked = Annotated[Track, BeforeValidator(_named, json_schema_input_type=Tracker | list[Tracker] | Track)]
