"""From a recipe file and `--set` to a checked `Recipe`, with the place every value came from.

A file is read into `Node`s, which remember their line; overrides replace nodes; pydantic checks the
plain values; and what pydantic objects to is told with the file, the line and the nearest name.

YAML is read as YAML 1.2: only true and false are booleans, `no` and `off` are text until a field asks
for a boolean, and `1e-5` is a number. Tags, merge keys, deep nesting, many aliases and duplicate keys
are errors. Relative paths inside a recipe stay as written: they are relative to the working directory,
not to the recipe.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from yaml.composer import ComposerError
from yaml.reader import ReaderError

from truing.core.errors import ConfigError, UsageError
from truing.core.recipe import Recipe

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_ALIASES = 20

Model = TypeVar("Model", bound=BaseModel)
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written. Reads `recipe.yaml:12`, `--set` or `default`."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


DEFAULT = Origin("default")
OVERRIDE = Origin("--set")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it was written; inside a mapping, the line is that of its key."""

    value: "Scalar | dict[str, Node] | list[Node]"
    origin: Origin

    @property
    def children(self) -> "dict[str, Node]":
        """The entries of a mapping; none for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def plain(self) -> Any:
        """The value without its places: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe, where each of its leaves came from, and the folder its file lies in."""

    recipe: Recipe
    provenance: dict[str, Origin]
    base: Path

    def describe(self) -> str:
        """The whole recipe as YAML that loads to the same recipe, each value with its origin behind it."""
        rows: list[tuple[str, str]] = []
        values = self.recipe.model_dump(mode="json")
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
    path = Path(path)
    root = read_document(path)
    if root.value is None:
        raise ConfigError(f"{path} is empty", hint="a recipe needs at least method, policy and data.train")
    if not isinstance(root.value, dict):
        raise ConfigError(f"{root.origin}: a recipe is a mapping of keys, this is {_shown(root.value)}")
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not all(key.strip().split(".")):
            raise UsageError(f"--set {override}: expected key=value, such as optim.learning_rate=1e-6")
        root = _replaced(root, key.strip().split("."), parse_yaml(text, OVERRIDE))
    recipe = validate(root, Recipe)
    return LoadedRecipe(recipe, dict(_origins(recipe, root)), path.parent)


def validate(root: Node, model: type[Model]) -> Model:
    """`root` as a `model`; a `ConfigError` lists every objection with its place."""
    try:
        return model.model_validate(root.plain())
    except ValidationError as error:
        problems = _problems(error.errors(include_url=False), root, model)
    raise ConfigError("\n".join(problems))


# Reading files


def read_document(path: Path) -> Node:
    """A YAML or JSON file, told apart by its extension, as nodes that know their lines."""
    if path.suffix not in (".yaml", ".yml", ".json"):
        raise ConfigError(f"{path}: expected a name that ends in .yaml, .yml or .json")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", hint=f"looked in {Path.cwd()}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} has {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not valid UTF-8") from error
    parse = parse_json if path.suffix == ".json" else parse_yaml
    return parse(text, Origin(str(path), 1))


class _Composer(yaml.SafeLoader):
    """Composes nodes and constructs nothing; refuses tags, deep nesting and aliases without end."""

    depth = 0
    aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            self.aliases += 1
        elif event.tag is not None:
            raise ComposerError(None, None, f"the tag {event.tag!r} is not allowed", event.start_mark)
        if self.aliases > MAX_ALIASES:
            raise ComposerError(None, None, f"more than {MAX_ALIASES} aliases", event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise ComposerError(None, None, f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def parse_yaml(text: str, origin: Origin) -> Node:
    """One YAML document. Lines count from `origin.line`; an origin without a line marks every node."""
    try:
        root = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        line, problem = error.problem_mark.line if error.problem_mark else 0, error.problem
    except ReaderError as error:
        line, problem = text.count("\n", 0, error.position), error.reason
    else:
        return Node(None, origin) if root is None else _from_yaml(root, origin, origin)
    raise ConfigError(f"{_below(origin, line)}: {problem}")


def _from_yaml(node: yaml.Node, first: Origin, here: Origin, depth: int = 0) -> Node:
    if depth > MAX_DEPTH:  # only an alias inside its own anchor comes this far
        raise ConfigError(f"{here}: an alias refers to itself")
    if isinstance(node, yaml.ScalarNode):
        return Node(node.value if node.style else _plain_scalar(node.value), here)
    if isinstance(node, yaml.SequenceNode):
        items = [(item, _below(first, item.start_mark.line)) for item in node.value]
        return Node([_from_yaml(item, first, place, depth + 1) for item, place in items], here)
    entries: dict[str, Node] = {}
    for key, value in node.value:
        place = _below(first, key.start_mark.line)
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{place}: a key is text, not a {key.id}")
        _add(entries, key.value, _from_yaml(value, first, place, depth + 1))
    return Node(entries, here)


def _plain_scalar(text: str) -> Scalar:
    """An unquoted scalar by the core schema of YAML 1.2."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and (text.islower() or text.isupper() or text.istitle()):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]{1,400}", text):
        return int(text)
    if re.fullmatch(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        return float(text.replace(".", "").lower())
    return text


_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def parse_json(text: str, origin: Origin) -> Node:
    """One JSON document; strict, so NaN, comments and trailing commas are errors."""
    tokens: list[tuple[str, int]] = []
    depth = line = start = 0
    for match in _JSON_TOKEN.finditer(text):
        line += text.count("\n", start, match.start())
        start = match.start()
        depth += (match[0] in "{[") - (match[0] in "}]")
        if depth > MAX_DEPTH:
            raise ConfigError(f"{_below(origin, line)}: nested deeper than {MAX_DEPTH} levels")
        if match[0] in ("NaN", "Infinity", "-Infinity"):
            raise ConfigError(f"{_below(origin, line)}: {match[0]} is not JSON")
        tokens.append((match[0], line))
    if not tokens:
        return Node(None, origin)
    try:
        json.loads(text)
    except ValueError as error:
        line = error.lineno - 1 if isinstance(error, json.JSONDecodeError) else 0
        raise ConfigError(f"{_below(origin, line)}: {error}") from error
    return _from_json(tokens[::-1], origin, None)


def _from_json(tokens: list[tuple[str, int]], first: Origin, here: Origin | None) -> Node:
    """Takes one value off the end of `tokens`, which hold well-formed JSON back to front."""
    token, line = tokens.pop()
    here = here or _below(first, line)
    if token not in "{[":  # noqa: S105
        return Node(json.loads(token), here)
    entries: dict[str, Node] = {}
    items: list[Node] = []
    while tokens[-1][0] not in "}]":
        if tokens[-1][0] == ",":
            tokens.pop()
        if token == "[":  # noqa: S105
            items.append(_from_json(tokens, first, None))
            continue
        key, line = tokens.pop()
        tokens.pop()
        _add(entries, json.loads(key), _from_json(tokens, first, _below(first, line)))
    tokens.pop()
    return Node(entries if token == "{" else items, here)  # noqa: S105


def _add(entries: dict[str, Node], key: str, node: Node) -> None:
    if key in entries:
        raise ConfigError(f"{node.origin}: the key {key!r} is given twice; first at {entries[key].origin}")
    entries[key] = node


def _below(origin: Origin, lines: int) -> Origin:
    return origin if origin.line is None else Origin(origin.source, origin.line + lines)


def _replaced(node: Node | None, path: Sequence[str], new: Node) -> Node:
    """`node` with `new` at `path`; sections on the way are made where they are missing or null."""
    if not path:
        return new
    old = node.children if node else {}
    entries = {**old, path[0]: _replaced(old.get(path[0]), path[1:], new)}
    return Node(entries, node.origin if node and isinstance(node.value, dict) else new.origin)


def _origins(section: BaseModel, node: Node | None, prefix: str = "") -> Iterator[tuple[str, Origin]]:
    for name, value in section:
        child = node.children.get(name) if node else None
        if isinstance(value, BaseModel):
            yield from _origins(value, child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child.origin if child else DEFAULT


# Telling what is wrong

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


def _problems(errors: Sequence[ErrorDetails], root: Node, model: type[BaseModel]) -> list[str]:
    """One line for each place that is wrong, in the order of the file.

    Each member of a union objects on its own: objections to one place are joined by "or".
    """
    lines: dict[str, tuple[int, list[str]]] = {}
    for error in errors:
        path, node = _located(error["loc"], root)
        name = ".".join(path)
        if error["type"] == "extra_forbidden":
            start, reason = f"{node.origin}: unknown key {path[-1]!r}", _nearest(path, model)
        elif error["type"] == "missing":
            missing = [*path, str(error["loc"][-1])]
            start = f"{node.origin}: {'.'.join(missing)} is missing: "
            reason = _fields(model, path)[missing[-1]].description or "required"
        elif error["type"] == "value_error":
            reason = str(error.get("ctx", {})["error"])
            start = f"{node.origin}: " + ("" if node.children else f"{name} is {_shown(node.value)}: ")
        else:
            start = f"{node.origin}: {name} is {_shown(node.value)}: expected "
            expected = _EXPECTED.get(error["type"])
            reason = expected.format(**error.get("ctx", {})) if expected else error["msg"]
        lines.setdefault(start, (node.origin.line or 0, []))[1].append(reason)
    ordered = sorted(lines.items(), key=lambda item: item[1][0])
    return [start + " or ".join(dict.fromkeys(reasons)) for start, (_, reasons) in ordered]


def _located(place: Sequence[str | int], root: Node) -> tuple[list[str], Node]:
    """The deepest written node on the way to `place`, past which pydantic names union members."""
    path, node = [], root
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
    for part in path:
        section = _section(model.model_fields[part].annotation)
        assert section is not None, path
        model = section
    return model.model_fields


def _nearest(path: Sequence[str], model: type[BaseModel]) -> str:
    """What to write instead of the unknown key at the end of `path`."""
    *parents, name = path
    within = f" in {'.'.join(parents)}" if parents else ""
    known = list(_fields(model, parents))
    close = difflib.get_close_matches(name, known, n=1)
    for key, field in model.model_fields.items():
        section = _section(field.annotation)
        if section is not None and name in section.model_fields:
            close.append(f"{key}.{name}")
    return f"{within}; " + (f"did you mean {close[0]!r}?" if close else f"known keys are {', '.join(known)}")


def _shown(value: object) -> str:
    """A value as an error shows it: short, and without the inside of lists and mappings."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
