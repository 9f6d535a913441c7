"""The part that is the same in the recipes of all verbs that make rows with models.

prompts: [prompts.jsonl]
judge: {name: server, model: qwen3, base_url: http://localhost:8000/v1, api_key_env: null}
output: feedback
"""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from truing.config.config import validate
from truing.config.documents import OVERRIDE, Node, overridden, read_document
from truing.config.section import Section
from truing.core.errors import ConfigError
from truing.core.languages import Language
from truing.core.messages import message

RoleSpec = str | dict[str, Any]  # a model on this machine, or `{name: …, options}`
AnyWork = TypeVar("AnyWork", bound=Section)


class WorkRecipe(Section):
    """The keys that every verb reads."""

    prompts: tuple[str, ...] = Field(
        min_length=1, description="Files of prompts, in any format that training reads."
    )
    limit: int | None = Field(default=None, ge=1, description="Take the first so many prompts.")
    max_errors: float = Field(
        default=0.1, ge=0, le=1, description="Share of questions without an answer above which it fails."
    )
    seed: int = Field(default=0, ge=0, description="Seed of sampling and of every choice.")
    page_language: Language = Field(default="en", description="Language of the report.")
    output: str = Field(min_length=1, description="Folder for the rows, the answers and the report.")


def load_work(recipe: type[AnyWork], path: Path | None, overrides: list[str]) -> AnyWork:
    """Return the recipe in a file, or in `overrides` alone. Raises ConfigError as `load_recipe` does."""
    return validate(overridden(Node({}, OVERRIDE) if path is None else read_work(path), overrides), recipe)


def read_work(path: Path) -> Node:
    """Return the mapping of a recipe's file. Raise `ConfigError` for a file that is no mapping."""
    root = read_document(path)
    if not isinstance(root.value, dict):
        raise ConfigError(
            message("{path}: a recipe is a mapping of keys", path=path),
            hint=message("it needs at least prompts"),
        )
    return root
