"""The critic and the reviser that a recipe names: a model in any role, or the rule."""

import json
from collections.abc import Callable
from typing import Any

from truing.config.work import RoleSpec
from truing.judges.cache import AnswerCache
from truing.models.trained import Trained
from truing.sampling.roles import ROLES, ModelRole, role_of
from truing.synthesis.constitution.by_model import ByModel
from truing.synthesis.constitution.by_rule import ByRule
from truing.synthesis.constitution.drafts import RevisionPart


def rule(_cache: AnswerCache | None, _opened: Trained | None) -> ByRule:
    """Criticise and revise by rule; there is nothing to set."""
    return ByRule()


PARTS: dict[str, Callable[..., Any]] = {**ROLES, "rule": rule}  # those without a model beside the roles


class RevisionParts:
    """The parts of a recipe. A model that several of them name is opened once."""

    def __init__(self, cache: AnswerCache, model: Trained | None, of: RoleSpec) -> None:
        """Open parts that keep answers in `cache`; `model` is that of the part `of`, if it is loaded."""
        self.cache, self.model, self.of = cache, model, of
        self.found: dict[str, Any] = {}

    def role(self, spec: RoleSpec) -> ModelRole:
        """Return the model of that description. Raises ConfigError, also for the rule."""
        return self._opened(spec, role_of(spec))

    def part(self, spec: RoleSpec) -> RevisionPart:
        """Return the part of that description. Raises ConfigError."""
        found = self._opened(spec, role_of(spec, PARTS))
        return found if isinstance(found, ByRule) else ByModel(found)

    def _opened(self, spec: RoleSpec, opening: Callable[..., Any]) -> Any:
        key = json.dumps(spec, sort_keys=True)
        if key not in self.found:
            self.found[key] = opening(self.cache, self.model if spec == self.of else None)
        return self.found[key]
