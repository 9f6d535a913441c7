"""The rule that a response is JSON of a given shape."""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from truing.core.errors import ConfigError
from truing.rewards.answers import spoken
from truing.rewards.types import Failed, Item

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)```", re.S)

Allows = Callable[[Any], bool]


class BadSchemaError(ValueError):
    """What should be a JSON Schema is not."""


def json_schema(
    item: Item, *, schema: dict[str, Any] | None = None, column: str | None = None
) -> float | Failed:
    """1 where the response is JSON, alone or in one ``` fence, and the schema allows it.

    The schema is that of the option, or of the row's `column` as an object or as text; without either any
    JSON will do. Schemas need the package jsonschema; remote references are not followed, and `pattern` in a
    schema is Python's, without a limit on its time.
    """
    if schema is not None and column is not None:
        raise ConfigError("the reward `json_schema` takes a schema or the column that holds it, not both")
    try:
        allows = _allows(item.columns.get(column) if column else schema, optional=column is None)
        return float(allows(_parsed(spoken(item.response) or "")))
    except BadSchemaError as error:
        if column is None:
            raise ConfigError(f"the reward `json_schema`: {error}") from error
        return Failed(f"the row's column {column!r}: {error}")
    except (ValueError, RecursionError):  # no JSON
        return 0.0


def _parsed(text: str) -> object:
    """The value of JSON text. Raises ValueError or RecursionError where it is none."""
    fenced = _FENCED.fullmatch(text.strip())
    return json.loads(fenced[1] if fenced else text, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _allows(schema: object, *, optional: bool) -> Allows:
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except ValueError as error:
            raise BadSchemaError(f"its schema is not JSON: {error}") from error
    if schema is None and optional:
        return lambda value: True
    if not isinstance(schema, dict):
        raise BadSchemaError(f"a schema is an object, this is {type(schema).__name__}")
    return _compiled(json.dumps(schema))


@lru_cache(maxsize=64)
def _compiled(schema: str) -> Allows:
    content = json.loads(schema)
    kind = validator_for(content, default=Draft202012Validator)
    try:
        kind.check_schema(content)
    except SchemaError as error:
        raise BadSchemaError(f"not a JSON Schema: {error.message}") from error
    validator = kind(content, registry=Registry())  # an empty one: nothing is fetched

    def allows(value: Any) -> bool:
        try:
            return validator.is_valid(value)
        except Unresolvable as error:
            raise BadSchemaError(f"its schema refers to what it does not hold: {error}") from error

    return allows
