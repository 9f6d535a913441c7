"""An answer under one principle, its critique, and the parts that criticise and revise.

    Draft             the prompt, the answer so far, the principle of the round
    RevisionPart.critique     drafts -> a Critique each, or NoVerdict
    RevisionPart.revise       drafts with their critiques -> a Writing each, or NoVerdict

A part is a model (`by_model.py`) or a rule (`by_rule.py`), as `{name: rule}` in a recipe. To add a part
without a model, write a class with the methods of `RevisionPart` and a row in `PARTS` of `parts.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from truing.core.records import Record
from truing.judges.opinions import NoVerdict
from truing.sampling.roles import Attempt, Wish
from truing.sampling.types import OnProgress
from truing.synthesis.constitution.principles import Principle


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that is criticised or revised under a principle."""

    record: Record
    answer: str
    principle: Principle
    language: str  # of the prompt

    @property
    def asked(self) -> str:
        """The last turn of the prompt."""
        return self.record.prompt[-1].content


@dataclass(frozen=True, slots=True)
class Critique:
    """A critique, and whether it asks for a revision."""

    text: str
    finds: bool


class RevisionPart(Protocol):
    """A model or a rule that criticises and revises."""

    @property
    def title(self) -> str:
        """The name for people."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """The name, and all that decides the texts: hashes of weights, a server, or the rule."""
        ...

    def critique(self, drafts: Sequence[Draft], progress: OnProgress) -> list[Critique | NoVerdict]:
        """Return a critique of each draft, or why there is none."""
        ...

    def revise(
        self, drafts: Sequence[Draft], critiques: Sequence[str], wish: Wish, progress: OnProgress
    ) -> list[Attempt]:
        """Return a revision of each draft, or why there is none."""
        ...
