"""The settings of a project: what is asked, of how many people, and what is mixed in."""

import json
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from truing.config.section import Section

VoteKind = Literal["pair", "ranking", "ratings", "safety", "edit"]
KINDS: tuple[VoteKind, ...] = ("pair", "ranking", "ratings", "safety", "edit")
KIND_OF: dict[str, VoteKind] = {kind: kind for kind in KINDS}
_Share = Annotated[float, Field(ge=0, le=1)]


class ProjectSettings(Section):
    """The questions of a project, and to how many people they go."""

    name: str = Field(default="project", description="Name that people see above their questions.")
    kinds: tuple[VoteKind, ...] = Field(
        default=("pair",), description="Kinds of question; an item that names none asks the first."
    )
    axes: tuple[str, ...] = Field(
        default=("helpful", "harmless", "honest"), description="Axes on which ratings are given."
    )
    guidelines: str = Field(default="", description="What people shall look for, in Markdown.")
    overlap: int = Field(default=1, ge=1, description="Votes that an item needs, each of another person.")
    gold: _Share = Field(default=0.0, description="Share of items with a known answer among those shown.")
    second_looks: _Share = Field(default=0.0, description="Share of items that are shown a second time.")
    language: Literal["en", "zh"] = Field(default="en", description="Language of the pages.")
    seed: int = Field(default=0, description="Seed of every draw: orders, gold items, second looks.")
    lease: float = Field(
        default=1800.0, gt=0, description="Seconds that an item stays with a person who leaves it open."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not self.kinds:
            raise ValueError("kinds is empty: expected at least one of " + ", ".join(KINDS))
        if self.gold + self.second_looks > 1:
            raise ValueError("gold and second_looks are more than 1 together")
        return self


@lru_cache(maxsize=16)
def read_settings(stored: str) -> ProjectSettings:
    """Return the settings of a project from their JSON; those that were read last are remembered."""
    return ProjectSettings.model_validate(json.loads(stored))


def drawn(seed: int, *of: object) -> float:
    """Return a number in [0, 1) that is a function of its arguments, evenly spread."""
    return drawn_number(seed, *of) / 2**62


def drawn_number(seed: int, *of: object) -> int:
    """Return a whole number in [0, 2**62) that is a function of its arguments, evenly spread."""
    text = json.dumps([seed, *of])
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 2
