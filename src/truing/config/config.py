"""From a recipe file and `--set` to a checked `Recipe`, with the place every value came from.

`documents.py` reads files into nodes that remember their line; pydantic checks the plain values; and
pydantic's objections are told with the file, the line and the nearest name. Relative paths inside a recipe
stay as written: they are relative to the working directory, not to the recipe.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from truing.config.documents import DEFAULT, OVERRIDE, Node, Origin, overridden, read_document
from truing.config.evaluation import EvalRecipe
from truing.config.foreign import told_key
from truing.config.foreign_file import refuse_foreign
from truing.config.recipe import Recipe
from truing.core.errors import ConfigError
from truing.core.messages import OR, Sentence, joined, message
from truing.core.secrets import remember

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe, where each of its leaves came from, and the folder its file lies in."""

    recipe: Recipe
    provenance: dict[str, Origin]
    base: Path

    def describe(self) -> str:
        """The whole recipe as YAML that loads to the same recipe, each value with its origin behind it."""
        rows: list[tuple[str, str]] = []
        values = self.recipe.recorded()
        section = ""
        for key, origin in self.provenance.items():
            head, _, name = key.rpartition(".")
            if head and head != section:
                rows.append((f"{head}:", ""))
            section = head
            value = json.dumps((values[head] if head else values)[name], ensure_ascii=False)
            rows.append((f"{'  ' if head else ''}{name}: {value}", f"  # {origin}"))
        width = max(len(text) for text, _ in rows)
        return "\n".join((text.ljust(width) + note).rstrip() for text, note in rows) + "\n"


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """The recipe in a `.yaml`, `.yml` or `.json` file after `overrides` such as `optim.epochs=2`.

    Raises `ConfigError` with everything wrong in it, one line each, and `UsageError` for an override
    that is not `key=value`.
    """
    root = read_recipe(Path(path))
    root = overridden(root, overrides)
    recipe = validate(root, Recipe)
    return LoadedRecipe(recipe, dict(_origins(recipe, root)), Path(path).parent)


def read_recipe(path: Path) -> Node:
    """Return the mapping of a recipe's file, not yet checked against the keys.

    Raise `ConfigError` for an empty file, for one that is no mapping, and for another toolkit's.
    """
    root = read_document(path)
    if root.value is None:
        raise ConfigError(
            message("{path} is empty", path=path),
            hint=message("a recipe needs at least method, policy and data.train"),
        )
    if not isinstance(root.value, dict):
        said = "{place}: a recipe is a mapping of keys, this is {value}"
        raise ConfigError(message(said, place=root.origin, value=_shown(root.value)))
    refuse_foreign(root, path)
    return root


def load_eval_recipe(path: Path | None, overrides: Sequence[str] = ()) -> EvalRecipe:
    """The evaluation in a file, or in `overrides` alone. Raises as `load_recipe` does."""
    root = Node({}, OVERRIDE) if path is None else read_eval_recipe(path)
    return validate(overridden(root, overrides), EvalRecipe)


def read_eval_recipe(path: Path) -> Node:
    """Return the mapping of an evaluation's file. Raise `ConfigError` for a file that is no mapping."""
    root = read_document(path)
    if not isinstance(root.value, dict):
        raise ConfigError(f"{path}: an evaluation is a mapping of keys", hint="it needs at least model")
    return root


def validate(root: Node, model: type[Model]) -> Model:
    """Check `root` and return it as a `model`. Raises `ConfigError` with every objection and its place."""
    plain = root.plain()
    remember(plain)
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        problems = _problems(error.errors(include_url=False), root, model)
    raise ConfigError(joined("\n", problems))


def _origins(section: BaseModel, node: Node | None, prefix: str = "") -> Iterator[tuple[str, Origin]]:
    for name, value in section:
        child = node.children.get(name) if node else None
        if child is None and name in section.model_fields_set:
            child = node  # a section that is written as one of its keys
        if isinstance(value, BaseModel):
            yield from _origins(value, child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child.origin if child else DEFAULT


# Telling mistakes

_EXPECTED = {
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text (in quotes, if it looks like a number)",
    "string_too_short": "text that is not empty",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "model_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
    "tuple_type": "a list",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
}


def _problems(errors: Sequence[Mapping[str, Any]], root: Node, model: type[BaseModel]) -> list[Sentence]:
    """One line for each place that is wrong, in the order of the file.

    Each member of a union objects on its own: objections to one place are joined by "or".
    """
    lines: dict[Sentence, tuple[int, list[Sentence]]] = {}
    for error in errors:
        path, node = _located(error["loc"], root)
        name = ".".join(path)
        if error["type"] == "extra_forbidden":
            start = message("{place}: unknown key {key!r}", place=node.origin, key=path[-1])
            reason = _nearest(path, model)
        elif error["type"] == "missing":
            missing = [*path, str(error["loc"][-1])]
            start = message("{place}: {key} is missing: ", place=node.origin, key=".".join(missing))
            reason = message(_fields(model, path)[missing[-1]].description or "required")
        elif error["type"] == "value_error":
            reason = message(str(error.get("ctx", {})["error"]))
            said = "{place}: " if node.children else "{place}: {key} is {value}: "
            start = message(said, place=node.origin, key=name, value=_shown(node.value))
        else:
            said = "{place}: {key} is {value}: expected "
            start = message(said, place=node.origin, key=name, value=_shown(node.value))
            expected = _EXPECTED.get(error["type"])
            reason = message(expected, **error.get("ctx", {})) if expected else message(error["msg"])
        lines.setdefault(start, (node.origin.line or 0, []))[1].append(reason)
    ordered = sorted(lines.items(), key=lambda item: item[1][0])
    either = [joined(OR, dict.fromkeys(reasons)) for _, (_, reasons) in ordered]
    return [joined("", (start, reason)) for (start, _), reason in zip(ordered, either, strict=True)]


def _located(place: Sequence[str | int], root: Node) -> tuple[list[str], Node]:
    """Find the deepest written node on the way to `place`; beyond that node pydantic names union members."""
    path: list[str] = []
    node = root
    for part in place:
        if isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif part in node.children:
            node = node.children[str(part)]
        else:
            break
        path.append(str(part))
    return path, node


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, if it holds one."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _fields(model: type[BaseModel], path: Sequence[str]) -> Mapping[str, FieldInfo]:
    """The fields of the section at `path`."""
    parts = iter(path)
    for part in parts:
        annotation = model.model_fields[part].annotation
        section = _section(annotation)
        assert section is not None, path
        model = section
        if get_origin(annotation) is dict:
            next(parts, None)  # a name of the user's own
    return model.model_fields


def _nearest(path: Sequence[str], model: type[BaseModel]) -> Sentence:
    """Say what to write instead of the unknown key at the end of `path`."""
    *parents, name = path
    within = message(" in {section}", section=".".join(parents)) if parents else message("")
    known = list(_fields(model, parents))
    elsewhere = [
        f"{key}.{name}"
        for key, field in model.model_fields.items()
        if (section := _section(field.annotation)) is not None and name in section.model_fields
    ]
    if not elsewhere and (told := told_key(name)):
        return joined("", (within, message("; "), told))
    close = difflib.get_close_matches(name, known, n=1) + elsewhere
    near = message("; did you mean {name!r}?", name=close[0]) if close else None
    return joined("", (within, near or message("; known keys are {names}", names=", ".join(known))))


def _shown(value: object) -> str:
    """Return a value as an error shows it: short, and without the contents of lists and mappings."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
