"""Rows, models and functions in memory, under the names of a recipe.

    keys of a call -> `gather` -> `GivenParts`: a recipe whose rows and models are still in memory
    `GivenParts.written(folder)` -> the files, and the `Recipe` that names them

The files lie in `given/` of the run folder, so that a run resumes from the folder alone.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from truing.config.config import read_recipe, validate
from truing.config.documents import Node, Origin, laid_over, node_of
from truing.config.lent import code_hash, lend
from truing.config.recipe import Recipe
from truing.config.run_folder import CONFIG
from truing.core.errors import ConfigError, DataError
from truing.core.files import write_atomic
from truing.core.messages import message
from truing.core.records import Record
from truing.data.load import load_records

FOLDER = "given"  # in the run folder
FILES = ("train", "eval", "retain", "ptx")  # keys of `data` that name files
SPLITS = {"validation": "eval", "test": "eval"}  # of a `datasets.DatasetDict`
MODELS = ("policy", "reference")
RecipeLike = str | Path | Recipe | Mapping[str, Any]


@dataclass(frozen=True)
class LiveModel:
    """A transformers or PEFT model that was passed, and its tokenizer."""

    model: Any
    tokenizer: Any

    def __post_init__(self) -> None:
        if self.tokenizer is None:
            raise ConfigError(
                message("a loaded model was passed without its tokenizer"),
                hint=message("pass tokenizer=TOKENIZER beside it, or name the model's folder"),
            )

    @cached_property
    def fingerprint(self) -> str:
        """Return the SHA-256 of every weight with its name."""
        from truing.models.contents import weights_hash

        return weights_hash(self.model)

    def write(self, target: Path) -> None:
        """Write a folder that transformers opens, an adapter merged.

        Raises ConfigError where the folder holds another model.
        """
        from truing.models.export import export_folder

        note = _note(target)
        if note.is_file():
            if note.read_text("utf-8") == self.fingerprint:
                return
            raise _differs(target, "model")
        export_folder(self.model, self.tokenizer, target, merge=True)
        write_atomic(note, self.fingerprint)


@dataclass
class GivenParts:
    """The arguments of a call: a recipe, and what it will name.

    `files` and `models` are kept by their key in the recipe; `functions` are the names of lent functions.
    """

    node: Node
    files: dict[str, bytes] = field(default_factory=dict)
    models: dict[str, LiveModel] = field(default_factory=dict)
    functions: list[str] = field(default_factory=list)

    def output(self, verb: str) -> Path:
        """Return the run folder: the recipe's, else a folder that the same call finds again."""
        asked = self.node.children.get("output")
        if asked is not None and isinstance(asked.value, str):
            return Path(asked.value)
        digest = sha256(json.dumps(self.node.plain(), sort_keys=True).encode())
        for content in self.files.values():
            digest.update(content)
        for live in self.models.values():
            digest.update(live.fingerprint.encode())
        for name in self.functions:
            digest.update(code_hash(name).encode())
        method = self.node.children.get("method")
        name = method.value if method is not None and isinstance(method.value, str) else verb
        return Path("runs") / f"{name}-{digest.hexdigest()[:8]}"

    def recipe(self, folder: Path) -> Recipe:
        """Return the checked recipe of a run in `folder`; nothing is written. Raises ConfigError."""
        origin = self.node.origin
        data = {key: node_of([str(_path(folder, key))], origin) for key in self.files}
        over: dict[str, Node] = {"output": Node(str(folder), origin)}
        if data:
            over["data"] = Node(data, origin)  # pyright: ignore[reportArgumentType] - a dict of nodes
        over |= {key: Node(str(folder / FOLDER / key), origin) for key in self.models}
        return validate(laid_over(self.node, Node(over, origin)), Recipe)

    @contextmanager
    def written(self, folder: Path) -> Iterator[None]:
        """Write rows and models into `folder`, and take them back where the body fails before it begins.

        Raises ConfigError where `folder` holds others.
        """
        models = [folder / FOLDER / key for key in self.models]
        with taken_back(folder, [*(_path(folder, key) for key in self.files), *models, *map(_note, models)]):
            self._write(folder)
            yield

    def _write(self, folder: Path) -> None:
        for key, content in self.files.items():
            path = _path(folder, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and path.read_bytes() != content:
                raise _differs(path, "rows")
            write_atomic(path, content)
        for key, live in self.models.items():
            live.write(folder / FOLDER / key)


@contextmanager
def taken_back(folder: Path, targets: Iterable[Path]) -> Iterator[None]:
    """Remove what is written to `targets` where the body fails before its work in `folder` begins.

    Work begins when `config.json` records it. Targets and folders that were there before stay.
    """
    targets = [path for path in targets if not path.exists()]
    folders = [path for path in (folder / FOLDER, folder, *folder.parents) if not path.exists()]
    recorded = _content(folder / CONFIG)
    try:
        yield
    except BaseException:
        if _content(folder / CONFIG) == recorded:
            for path in targets:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            for path in folders:
                if path.is_dir() and not any(path.iterdir()):
                    path.rmdir()
        raise


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _path(folder: Path, key: str) -> Path:
    return folder / FOLDER / f"{key}.jsonl"


def _note(target: Path) -> Path:
    """Return the file that holds the fingerprint of the model written to `target`."""
    return target.with_name(f"{target.name}.of")


def _differs(path: Path, what: str) -> ConfigError:
    return ConfigError(
        message("{path} holds other {what} than those of this call", path=path, what=message(what)),
        hint=message("choose another output; the run that began there keeps what it began with"),
    )


def gather(
    verb: str, recipe: RecipeLike | None, keys: Mapping[str, Any], tokenizer: Any = None
) -> GivenParts:
    """Lay the keys of a call over a recipe; both may hold rows, models and functions.

    Errors call the function `verb`. Raises ConfigError for a value that no recipe takes, and DataError for
    rows that no file can hold.
    """
    origin = Origin(f"truing.{verb}")
    found = GivenParts(_root(recipe, origin))
    asked = {**_live_of(recipe), **keys}
    values: dict[str, Any] = {}
    for key, value in asked.items():
        if key in MODELS and _is_model(value):
            found.models[key] = LiveModel(value, tokenizer)
        elif key == "data":
            values[key] = _data(value, found.files)
        elif key == "lora" and isinstance(value, bool):
            values[key] = {} if value else None
        else:
            values[key] = _named(key, value, found.functions)
    found.node = laid_over(found.node, node_of(values, origin))
    return found


def _root(recipe: RecipeLike | None, origin: Origin) -> Node:
    """Return the recipe below the keys of a call: that of a file, or the content of a `Recipe`."""
    if isinstance(recipe, str | Path):
        return read_recipe(Path(recipe))
    if isinstance(recipe, Recipe):
        return node_of(recipe.model_dump(mode="json", exclude_unset=True), origin)
    return Node({}, origin)


def _live_of(recipe: RecipeLike | None) -> Mapping[str, Any]:
    """Return a mapping's keys; like the keys of a call, they may hold rows and models."""
    return recipe if isinstance(recipe, Mapping) else {}


def _is_model(value: Any) -> bool:
    """Tell whether a value is a loaded model, without importing torch for other values."""
    return hasattr(value, "state_dict") and hasattr(value, "config")


def _named(key: str, value: Any, taken: list[str]) -> Any:
    """Return a key's value with functions by name, a run by its path, and losses and rewards in long form."""
    if key in MODELS and hasattr(value, "path"):  # a `Run`
        return str(value.path)
    if key == "loss" and (isinstance(value, str) or callable(value)):
        value = {"name": value}
    if key == "rewards":
        one_by_one = [value] if callable(value) or isinstance(value, str | Mapping) else value
        value = [{"name": one} if callable(one) or isinstance(one, str) else one for one in one_by_one]
    return without_functions(value, taken)


def without_functions(value: Any, taken: list[str]) -> Any:
    """Return a value with every function in it replaced by its name; `taken` are the names lent before."""
    if isinstance(value, Mapping):
        return {key: without_functions(one, taken) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_functions(one, taken) for one in value]
    if callable(value):
        taken.append(lend(value, taken))
        return taken[-1]
    return value


def _data(value: Any, files: dict[str, bytes]) -> dict[str, Any]:
    """Return the section `data`, with rows in memory moved to `files`."""
    section = dict(value) if isinstance(value, Mapping) else {"train": value}
    for split, key in SPLITS.items():
        if split in section:
            section.setdefault(key, section.pop(split))
    for key in FILES:
        if key in section and not are_files(section[key]):
            files[key] = rows_file(section.pop(key), f"data.{key}")
    return section


def are_files(value: Any) -> bool:
    """Tell whether a value names files, and is no rows."""
    if isinstance(value, str | Path):
        return True
    return isinstance(value, Sequence) and bool(value) and all(isinstance(one, str | Path) for one in value)


def rows_file(rows: Any, name: str) -> bytes:
    """Return rows as JSON lines: dicts, a `datasets.Dataset`, or a data frame of pandas.

    Raises DataError for a row that no file can hold, with its place, and for no rows at all.
    """
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        rows = rows.to_dict("records")
    if not isinstance(rows, Iterable):
        raise DataError(
            message("{name} is a {kind}: expected files or rows", name=name, kind=type(rows).__name__),
            hint=message("rows are dicts, a datasets.Dataset or a pandas.DataFrame"),
        )
    lines = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            said = "{name}, row {n}: a {kind}, expected a dict such as {{'prompt': …, 'chosen': …}}"
            raise DataError(message(said, name=name, n=number, kind=type(row).__name__))
        try:
            text = json.dumps(dict(row), ensure_ascii=False, default=_plain)
        except (TypeError, ValueError) as error:
            said = "{name}, row {n} cannot be written as JSON: {error}"
            raise DataError(message(said, name=name, n=number, error=error)) from error
        lines.append(text.encode("utf-8", "backslashreplace") + b"\n")  # half a surrogate becomes its escape
    if not lines:
        raise DataError(message("{name} holds no rows", name=name))
    return b"".join(lines)


def records_of(rows: Any, name: str) -> list[Record]:
    """Return rows in memory, or of files, as records. Raises DataError as reading a file does."""
    if are_files(rows):
        return load_records(rows).records
    with TemporaryDirectory(prefix="truing-") as scratch:
        path = Path(scratch) / f"{name}.jsonl"
        path.write_bytes(rows_file(rows, name))
        return load_records(path).records


def _plain(value: Any) -> Any:
    """Convert a NumPy number or array, or a tensor, to JSON's types. Raises TypeError for anything else."""
    tolist: Callable[[], Any] | None = getattr(value, "tolist", None)
    if tolist is None:
        raise TypeError(f"a {type(value).__name__} is neither text, number, list nor dict")
    return tolist()
