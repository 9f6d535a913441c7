"""Check that transformers can open a folder without running anything from it."""

import json
from pathlib import Path

from truing.core.errors import ModelError
from truing.core.messages import message

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def check_model_folder(folder: Path, *, bins: bool = False) -> None:
    """Raises `ModelError` unless transformers can open `folder` without running code from it.

    With `bins`, pytorch_model.bin passes unread.
    """
    if not (folder / "config.json").exists():
        raise ModelError(
            message("{folder} has no config.json", folder=folder),
            hint=message("give the folder that save_pretrained or truing wrote"),
        )
    _refuse_links_out(folder)
    for name in ("config.json", "tokenizer_config.json"):
        _refuse_code(folder / name)
    files = weight_files(folder, bins=bins)
    if not files:
        raise _no_weights(folder)
    for file in files:
        if not (bins and file.suffix == ".bin"):
            _check_weights(file)


def _refuse_links_out(folder: Path) -> None:
    """Links may lead within the folder or, as the hub's cache lays it out, to its `blobs`."""
    inside = folder.resolve()
    allowed = (inside, inside.parent.parent / "blobs")
    for path in folder.iterdir():
        if path.is_symlink() and not any(path.resolve().is_relative_to(root) for root in allowed):
            raise ModelError(
                message(
                    "{path} is a link that leads out of the folder, to {target}",
                    path=path,
                    target=path.resolve(),
                ),
                hint=message("copy the file into the folder"),
            )


def _refuse_code(path: Path) -> None:
    if not path.exists():
        return
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(
            message("{path} is not JSON: {error}", path=path, error=error),
            hint=message("fetch the model again"),
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            message("{path} is {kind}, not an object", path=path, kind=type(content).__name__),
            hint=message("fetch the model again"),
        )
    if content.get("auto_map"):
        raise ModelError(
            message("{path} asks to run Python code that comes with the model (auto_map)", path=path),
            hint=message(
                "truing has no option to trust such code; use a model that transformers itself implements"
            ),
        )
    if named := content.get("transformers_weights"):
        raise ModelError(
            message(
                "{path} names weights that need not be safetensors: transformers_weights {named}",
                path=path,
                named=named,
            ),
            hint=message("remove that key, and keep the weights in model.safetensors"),
        )


def weight_files(folder: Path, *, bins: bool) -> list[Path]:
    """The files transformers reads the weights from, as safetensors or, with `bins`, else as pickles.

    Raises `ModelError` for an index that names files which are not in the folder.
    """
    for name in ("model.safetensors", "pytorch_model.bin") if bins else ("model.safetensors",):
        if (folder / name).is_file():
            return [folder / name]
        if (folder / f"{name}.index.json").exists():
            return _shards(folder / f"{name}.index.json")
    return []


def _shards(index: Path) -> list[Path]:
    folder = index.parent
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError) as error:
        raise ModelError(
            message("{index} is not an index of weights", index=index), hint=message("fetch the model again")
        ) from error
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing:
        raise ModelError(
            message("{folder} lacks weights: {names}", folder=folder, names=", ".join(missing[:5])),
            hint=message("fetch them again"),
        )
    return [folder / name for name in names]


def _no_weights(folder: Path) -> ModelError:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        return ModelError(
            message(
                "{folder} has its weights as pickles only ({names}); opening one can run code",
                folder=folder,
                names=", ".join(pickles[:3]),
            ),
            hint=message("truing reads safetensors only; use a revision of the model that has them"),
        )
    return ModelError(
        message("{folder} has no safetensors weights", folder=folder),
        hint=message("a policy needs model.safetensors"),
    )


def _check_weights(path: Path) -> None:
    """Raises `ModelError` if the header is damaged or does not cover the file; reads the header only."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ModelError(
            message("{path} is damaged: {error}", path=path, error=error),
            hint=message("fetch or export the model again"),
        ) from error
