"""The part that is the same in all calls that make rows with models: what is in memory, and the recipe."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truing.api.given import FOLDER, are_files, rows_file, taken_back, without_functions
from truing.api.opening import ModelLike, named, opened
from truing.api.training import Run
from truing.config.config import validate
from truing.config.documents import Node, Origin, laid_over, node_of
from truing.config.work import AnyWork, read_work
from truing.core.errors import ConfigError
from truing.core.files import write_atomic
from truing.core.messages import message

if TYPE_CHECKING:
    from truing.models.trained import Trained

RoleLike = str | Path | Run | Mapping[str, Any]  # a model on this machine, or `{name: …, options}`


@contextmanager
def work_recipe(
    kind: type[AnyWork],
    verb: str,
    recipe: str | Path | Mapping[str, Any] | None,
    prompts: Any,
    keys: Mapping[str, Any],
    key: str = "prompts",
) -> Iterator[AnyWork]:
    """Yield the checked recipe of a call: a file or a dict, with the arguments of the call laid over it.

    `prompts` are files, texts or rows for the recipe's `key`; those in memory are written to
    `given/KEY.jsonl` in the folder, so that the same call goes on from the folder. They are taken back where
    the body fails before its work begins. Raises ConfigError, and DataError for rows that no file can hold.
    """
    origin = Origin(f"truing.{verb}")
    root = read_work(Path(recipe)) if isinstance(recipe, str | Path) else node_of(dict(recipe or {}), origin)
    asked = {key: without_functions(value, []) for key, value in keys.items() if value is not None}
    held = None
    if prompts is not None:
        held, asked[key] = _prompts(prompts)
        if held is not None:
            folder = asked.get("output") or _output(root, kind)
            asked[key] = [str(Path(str(folder)) / FOLDER / f"{key}.jsonl")]
    found = validate(laid_over(_without(root, asked), node_of(asked, origin)), kind)
    if held is None:
        yield found
        return
    path = Path(getattr(found, key)[0])
    with taken_back(path.parent.parent, [path]):
        _write(path, held)
        yield found


def _output(root: Node, kind: type[AnyWork]) -> Any:
    """Return the folder that a recipe names, or that its kind has where it names none."""
    return root.children["output"].value if "output" in root.children else kind.model_fields["output"].default


@dataclass
class GivenModels:
    """The models that a call may have in memory: each by the name that the recipe gets for it."""

    tokenizer: Any = None  # of the loaded ones
    live: dict[str, "Trained"] = field(default_factory=dict[str, "Trained"])
    given: dict[str, ModelLike] = field(default_factory=dict[str, ModelLike])

    def named(self, model: ModelLike | Mapping[str, Any]) -> str | dict[str, Any]:
        """Return a model as the recipe names it; a loaded one is put in `live`.

        Raises ConfigError where another model of the call has the name of a loaded one: the recipe could not
        tell them apart. ModelError and ConfigError as `opened`.
        """
        if isinstance(model, Mapping):
            return dict(model)
        name = named(model)
        other = self.given.setdefault(name, model)
        if other is not model and (_is_loaded(model) or _is_loaded(other)):
            raise ConfigError(
                message("two models of this call are both called {name}", name=name),
                hint=message("set config.name_or_path of a loaded model to a name of its own"),
            )
        if _is_loaded(model):
            self.live[name] = opened(model, self.tokenizer)
        return name


def _is_loaded(model: ModelLike) -> bool:
    return not isinstance(model, str | Path | Run)


def role_named(role: RoleLike, key: str) -> str | dict[str, Any]:
    """Return a role as the recipe names it under `key`. Raises ConfigError for a loaded model."""
    if isinstance(role, Mapping):
        return dict(role)
    if _is_loaded(role):
        said = "{key} is a {kind}: expected a run, a folder, a name, or a server as a dict"
        hint = message("save a loaded model with save_pretrained, and name its folder")
        raise ConfigError(message(said, key=key, kind=type(role).__name__), hint=hint)
    return named(role)


def _without(root: Node, asked: Mapping[str, Any]) -> Node:
    """Return the recipe without the keys that a call gives whole."""
    return Node({key: node for key, node in root.children.items() if key not in asked}, root.origin)


def _prompts(prompts: Any) -> tuple[bytes | None, list[str]]:
    """Return prompts in memory as a file's content, or the files that they lie in."""
    if isinstance(prompts, str | Path):
        return None, [str(prompts)]
    if are_files(prompts) and all(Path(one).suffix for one in prompts):
        return None, [str(one) for one in prompts]
    rows = [{"prompt": one} if isinstance(one, str) else one for one in prompts]
    return rows_file(rows, "prompts"), []


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() != content:
        raise ConfigError(
            message("{path} holds other {what} than those of this call", path=path, what=message("rows")),
            hint=message("choose another output, or remove {path}", path=path.parent.parent),
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)
