"""YAML and JSON files as `Node`s, values that remember their line, and `--set` laid over them.

YAML is read as YAML 1.2: only true and false are booleans, `no` and `off` are text until a field asks
for a boolean, and `1e-5` is a number. Tags, merge keys, deep nesting, many aliases and duplicate keys
are errors.
"""

import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.composer import ComposerError
from yaml.reader import ReaderError

from truing.config.yaml_mistakes import Mistake, mistake_in, mistake_in_json, mistake_near
from truing.core.encodings import gb18030_remedy, is_gb18030
from truing.core.errors import ConfigError, UsageError
from truing.core.messages import message

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_ALIASES = 20

YamlScalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Origin:
    """The place where a value was written, told as `recipe.yaml:12`, `--set` or `default`."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


DEFAULT = Origin("default")
OVERRIDE = Origin("--set")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the place where it was written; inside a mapping, the line is that of its key."""

    value: "YamlScalar | dict[str, Node] | list[Node]"
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


def read_document(path: Path) -> Node:
    """A YAML or JSON file, told apart by its extension, as nodes that know their lines."""
    if path.suffix not in (".yaml", ".yml", ".json"):
        raise ConfigError(
            message("{path}: expected a name that ends in .yaml, .yml or .json", path=path),
            hint=message("a recipe is a file; `truing init METHOD` writes one"),
        )
    try:
        data = _content(path)
    except FileNotFoundError:
        raise ConfigError(
            message("{path} does not exist", path=path), hint=message("looked in {folder}", folder=Path.cwd())
        ) from None
    except OSError as error:
        said = message("{path} cannot be read: {reason}", path=path, reason=error.strerror)
        raise ConfigError(said) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if is_gb18030(data):
            said = message("{path} is GB18030 text, and recipes are UTF-8", path=path)
            raise ConfigError(said, hint=gb18030_remedy(path)) from error
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(message("{path}:{line}: not valid UTF-8", path=path, line=line)) from error
    parse = parse_json if path.suffix == ".json" else parse_yaml
    return parse(text, Origin(str(path), 1))


def _content(path: Path) -> bytes:
    """Read a file whole. Raise `ConfigError` for many bytes, a pipe and a device, which may not end."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise ConfigError(message("{path} is a folder; expected the file of a recipe", path=path))
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(message("{path} is no file but a pipe or a device", path=path))
    if found.st_size > MAX_BYTES:
        said = "{path} has {size} bytes; at most {most} are read"
        raise ConfigError(message(said, path=path, size=found.st_size, most=MAX_BYTES))
    return path.read_bytes()


class _Composer(yaml.SafeLoader):
    """A loader that composes nodes and constructs nothing; it refuses tags, deep nesting, many aliases."""

    depth = 0
    aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = cast(Any, self).peek_event()  # which typeshed has without a type
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
        first = error.context_mark.line if error.context_mark else line
        mistake = mistake_near(text.split("\n"), min(first, line - 1), line, problem or "")
        if mistake is not None:
            raise _told(mistake, origin) from error
    except ReaderError as error:
        line, problem = text.count("\n", 0, error.position), error.reason
    else:
        if root is None:
            return Node(None, origin)
        if isinstance(root, yaml.ScalarNode):
            _require_plain(root, origin, leads=True, in_flow=False)
        return _from_yaml(root, origin, origin)
    raise ConfigError(f"{_below(origin, line)}: {problem}")


def _from_yaml(node: yaml.Node, first: Origin, here: Origin, depth: int = 0) -> Node:
    if depth > MAX_DEPTH:  # only an alias inside its own anchor comes this far
        raise ConfigError(f"{here}: an alias refers to itself")
    if isinstance(node, yaml.ScalarNode):
        return Node(_visible(node.value, here) if node.style else _plain_scalar(node.value), here)
    assert isinstance(node, yaml.CollectionNode)
    _require_plain_signs(node, first)
    if isinstance(node, yaml.SequenceNode):
        items = [(item, _below(first, item.start_mark.line)) for item in node.value]
        return Node([_from_yaml(item, first, place, depth + 1) for item, place in items], here)
    entries: dict[str, Node] = {}
    for key, value in node.value:
        place = _below(first, key.start_mark.line)
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{place}: a key is text, not a {key.id}")
        _add(entries, _visible(key.value, place), _from_yaml(value, first, place, depth + 1))
    return Node(entries, here)


def _require_plain_signs(node: yaml.CollectionNode, first: Origin) -> None:
    """Raise `ConfigError` for a full-width sign in place of YAML's own among the entries of a collection."""
    flow = bool(node.flow_style)
    entries: list[Any] = node.value
    for entry in entries:
        key, value = entry if isinstance(node, yaml.MappingNode) else (None, entry)
        for one, leads in ((key, True), (value, key is None or key.start_mark.line != value.start_mark.line)):
            if isinstance(one, yaml.ScalarNode):
                _require_plain(one, first, leads=leads, in_flow=flow)


def _require_plain(node: yaml.ScalarNode, first: Origin, *, leads: bool, in_flow: bool) -> None:
    found = mistake_in(node.value, node.style, node.start_mark.line, leads=leads, in_flow=in_flow)
    if found is not None:
        raise _told(found, first)


def _told(mistake: Mistake, origin: Origin) -> ConfigError:
    return ConfigError(
        message("{place}: {what}", place=_below(origin, mistake.line), what=mistake.what), hint=mistake.hint
    )


def _visible(text: str, place: Origin) -> str:
    """Return text without signs that a terminal obeys, a path cannot hold or a page would write backwards."""
    if found := _UNSEEN.search(text):
        said = "{place}: {code} is no character of a recipe"
        raise ConfigError(message(said, place=place, code=f"U+{ord(found[0]):04X}"))
    return text


# Control characters but for tabs and ends of lines, halves of pairs, and marks that turn text round.
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def _plain_scalar(text: str) -> YamlScalar:
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
        mistake = mistake_in_json(text.split("\n")[line], line, str(error))
        if mistake is not None:
            raise _told(mistake, origin) from error
        raise ConfigError(f"{_below(origin, line)}: {error}") from error
    return _from_json(tokens[::-1], origin, None)


def _from_json(tokens: list[tuple[str, int]], first: Origin, here: Origin | None) -> Node:
    """Take one value off the end of `tokens`, which hold well-formed JSON back to front."""
    token, line = tokens.pop()
    here = here or _below(first, line)
    if token not in "{[":  # noqa: S105
        value = json.loads(token)
        return Node(_visible(value, here) if isinstance(value, str) else value, here)
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
        place = _below(first, line)
        _add(entries, _visible(json.loads(key), place), _from_json(tokens, first, place))
    tokens.pop()
    return Node(entries if token == "{" else items, here)  # noqa: S105


def _add(entries: dict[str, Node], key: str, node: Node) -> None:
    if key in entries:
        said = "{place}: the key {key!r} is given twice; first at {first}"
        raise ConfigError(message(said, place=node.origin, key=key, first=entries[key].origin))
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


def node_of(value: Any, origin: Origin) -> Node:
    """Turn a Python value (mappings, lists, paths, scalars) into a node; all its parts have one origin.

    Raises ConfigError for a value of a type that no recipe holds.
    """
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value).items()
        return Node({str(key): node_of(one, origin) for key, one in entries}, origin)
    if isinstance(value, list | tuple):
        return Node([node_of(one, origin) for one in cast("Sequence[object]", value)], origin)
    if isinstance(value, Path):
        return Node(str(value), origin)
    if value is None or isinstance(value, str | bool | int | float):
        return Node(value, origin)
    said = (
        "{origin}: a {kind} is no value of a recipe: expected text, a number, true, false, a list or a dict"
    )
    raise ConfigError(message(said, origin=origin, kind=type(value).__name__))


def laid_over(root: Node, over: Node) -> Node:
    """Return `root` with the entries of `over` in place of its own; two mappings are merged."""
    if not isinstance(root.value, dict) or not isinstance(over.value, dict):
        return over
    entries = dict(root.value)
    for key, node in over.value.items():
        entries[key] = laid_over(entries[key], node) if key in entries else node
    return Node(entries, root.origin)


def overridden(root: Node, overrides: Sequence[str]) -> Node:
    """`root` after overrides such as `optim.epochs=2`; UsageError for one that is not `key=value`."""
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not all(key.strip().split(".")):
            said = "--set {override}: expected key=value, such as optim.learning_rate=1e-6"
            raise UsageError(message(said, override=override))
        root = _replaced(root, key.strip().split("."), parse_yaml(text, OVERRIDE))
    return root
