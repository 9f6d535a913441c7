"""The base of every part of a recipe."""

from collections.abc import Mapping
from typing import Any, TypeGuard, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from truing.core.secrets import masked


class Section(BaseModel):
    """A part of a recipe: frozen, and without room for keys nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_not_one(cls, value: object, info: ValidationInfo) -> object:
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds = {annotation, *get_args(annotation)}
        if isinstance(value, bool) and kinds & {int, float}:
            raise ValueError("expected a number")
        return value

    def recorded(self, exclude: Any = None) -> dict[str, Any]:
        """Return the content as a file or a page may hold it: values of JSON, secrets hidden."""
        return masked(self.model_dump(mode="json", exclude=exclude))


def is_section(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a value of a recipe is a mapping of keys."""
    return isinstance(value, Mapping)
