"""The settings of a project: what is asked, of how many people, and what is mixed in."""

import json
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from truing.config.section import Section

VoteKind = Literal["pair", "ranking", "ratings", "safety", "edit"]
KINDS: tuple[VoteKind, ...] = ("pair", "ranking", "ratings", "safety", "edit")
KIND_OF: dict[str, VoteKind] = {kind: kind for kind in KINDS}
_Share = Annotated[float, Field(ge=0, le=1)]


class ProjectSettings(Section):
    """The questions of a project, and to how many people they go. An item that names no kind asks `kinds[0]`.

    `gold` and `second_looks` are shares, 0 to 1, of the items that a person is shown. `lease` is how many
    seconds an item stays with a person who leaves it open.
    """

    name: str = "project"
    kinds: tuple[VoteKind, ...] = ("pair",)
    axes: tuple[str, ...] = ("helpful", "harmless", "honest")
    guidelines: str = ""  # Markdown
    overlap: Annotated[int, Field(ge=1)] = 1  # votes that an item needs, each of another person
    gold: _Share = 0.0
    second_looks: _Share = 0.0
    language: Literal["en", "zh"] = "en"
    seed: int = 0
    lease: Annotated[float, Field(gt=0)] = 1800.0

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not self.kinds:
            raise ValueError("kinds is empty: expected at least one of " + ", ".join(KINDS))
        if self.gold + self.second_looks > 1:
            raise ValueError("gold and second_looks are more than 1 together")
        return self


def drawn(seed: int, *of: object) -> float:
    """Return a number in [0, 1) that is a function of its arguments, evenly spread."""
    return drawn_number(seed, *of) / 2**62


def drawn_number(seed: int, *of: object) -> int:
    """Return a whole number in [0, 2**62) that is a function of its arguments, evenly spread."""
    text = json.dumps([seed, *of])
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 2
