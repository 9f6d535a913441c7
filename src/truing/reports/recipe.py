"""The recipe that a page shows, and the command that makes the page again from it."""

from collections.abc import Collection

import yaml

from truing.config.section import Section
from truing.core.words import t


def recipe_text(recipe: Section, unread: Collection[str] = ()) -> str:
    """Return a recipe as YAML, with the values of all its keys but the `unread` ones."""
    content = recipe.recorded(exclude=set(unread))
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def recipe_command(verb: str) -> str:
    """Return the command that makes a page again from the recipe that it shows."""
    return t("truing {verb} recipe.yaml   # the recipe above, saved under this name", verb=verb)
