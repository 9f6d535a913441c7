"""JSON in a text, checked against a JSON Schema."""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)```", re.S)

Allows = Callable[[Any], bool]


class BadSchemaError(ValueError):
    """A value that should be a JSON Schema is none."""


def matches_schema(text: str, schema: object) -> bool:
    """Tell whether `text` is JSON, alone or in one ``` fence, that `schema` allows; None allows any JSON.

    `schema` is a JSON Schema as an object or as text. Remote references are not followed, and `pattern` in a
    schema is Python's, without a limit on its time. Raises BadSchemaError for a `schema` that is not one.
    """
    allows = _allows(schema)
    try:
        return allows(_parsed(text))
    except BadSchemaError:
        raise
    except (ValueError, RecursionError):  # no JSON
        return False


def _parsed(text: str) -> object:
    """Parse JSON text. Raises ValueError or RecursionError for other text."""
    fenced = _FENCED.fullmatch(text.strip())
    return json.loads(fenced[1] if fenced else text, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _allows(schema: object) -> Allows:
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except ValueError as error:
            raise BadSchemaError(f"its schema is not JSON: {error}") from error
    if schema is None:
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
