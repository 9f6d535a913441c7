"""Checks that transformers can open a folder without running code from it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from truing.core.errors import ModelError, TruingError
from truing.core.messages import message

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Files in which quantisers keep what others write into config.json.
_QUANTISERS = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")
# Errors of the system that say what the folder holds, and not that the disk fails.
OF_FOLDERS = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_QUANTISED_BY = ("quantization_config", "compression_config")  # keys of config.json


@contextmanager
def reading(folder: Path, hint: str, said: str = "{folder} cannot be opened: {error}") -> Iterator[None]:
    """Raise `ModelError` for what transformers, PEFT or tokenizers raise over the files of a folder.

    A folder may come from anybody, and a value that a library does not expect ends anywhere in it, in any
    exception. Errors of the system itself, such as a disk that cannot be read, pass.
    """
    try:
        yield
    except (TruingError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, OF_FOLDERS):
            raise
        raise ModelError(message(said, folder=folder, error=_told(error)), hint=hint) from error


def _told(error: Exception) -> str:
    """Return the line of an exception that names the mistake."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kind = type(error).__name__
    if not lines:
        return kind
    if kind.startswith("StrictDataclass"):  # what and where, then why
        return lines[-1]
    return (
        lines[0] if isinstance(error, OSError | ValueError) or kind == "Exception" else f"{kind}: {lines[0]}"
    )


def check_model_folder(folder: Path, *, bins: bool = False) -> None:
    """Raise `ModelError` unless transformers can open `folder` without running code from it.

    With `bins`, pytorch_model.bin is allowed and not read.
    """
    if not (folder / "config.json").exists():
        raise ModelError(
            message("{folder} has no config.json", folder=folder),
            hint=message("give the folder that save_pretrained or truing wrote"),
        )
    refuse_links_out(folder)
    for name in ("config.json", "tokenizer_config.json"):
        refuse_code(folder / name)
    _refuse_quantised(folder)
    files = weight_files(folder, bins=bins)
    if not files:
        raise _no_weights(folder)
    for file in files:
        if not (bins and file.suffix == ".bin"):
            _check_weights(file)


def holds_reward(folder: Path) -> bool:
    """Tell whether transformers opens a folder, or the base of the adapter in it, as a classifier."""
    for name, key in (("config.json", "architectures"), ("adapter_config.json", "task_type")):
        if (folder / name).is_file():
            told = str(read_object(folder / name).get(key))
            if "SEQ_CLS" in told or "ForSequenceClassification" in told:
                return True
    return False


def refuse_reward(folder: Path) -> None:
    """Raise `ModelError` for a folder that holds a reward model where a policy is wanted."""
    if holds_reward(folder):
        raise ModelError(
            message(
                "{source} holds a reward model, which gives scores and no responses; a policy is wanted here",
                source=folder,
            ),
            hint=message(
                "name a causal language model; a reward model goes under"
                " rewards: [{{name: model, path: {source}}}]",
                source=folder,
            ),
        )


def _refuse_quantised(folder: Path) -> None:
    """Raise `ModelError` for weights that are codes of a quantiser, even if config.json does not say so."""
    config = read_object(folder / "config.json")
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    found = [part[key] for part in parts for key in _QUANTISED_BY if part.get(key)]
    found += [read_object(folder / name) for name in _QUANTISERS if (folder / name).is_file()]
    if found:
        raise _quantised(folder, _scheme_of(found[0]))


def _scheme_of(told: Any) -> str:
    """Name the scheme of a quantiser, with its bits where it says so."""
    if not isinstance(told, dict):
        return "unnamed"
    told = told | told.get("quantization", {})
    name = str(told.get("quant_method") or told.get("quant_algo") or "unnamed")
    bits = next((n for key, n in _BITS.items() if told.get(key)), told.get("bits") or told.get("w_bit"))
    return f"{name}, {bits} bits" if bits else name


_BITS = {"load_in_4bit": 4, "load_in_8bit": 8}


def _quantised(folder: Path, scheme: str) -> ModelError:
    return ModelError(
        message(
            "{folder} is quantised ({scheme}): truing neither trains, samples, scores nor merges it",
            folder=folder,
            scheme=scheme,
        ),
        hint=message("name the build of this model that is not quantised (float32, bfloat16 or float16)"),
    )


def refuse_links_out(folder: Path) -> None:
    """Raise `ModelError` for links out of the folder, except to the `blobs` of the hub's cache."""
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


def refuse_code(path: Path) -> None:
    if not path.exists():
        return
    content = read_object(path)
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


def read_object(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file. Raises `ModelError` for anything else."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(
            message("{path} cannot be read: {reason}", path=path, reason=error.strerror),
            hint=message("fetch the model again"),
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(
            message("{path} is not JSON: {error}", path=path, error=error),
            hint=message("fetch the model again"),
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            message("{path} is {kind}, not an object", path=path, kind=type(content).__name__),
            hint=message("fetch the model again"),
        )
    return content


def weight_files(folder: Path, *, bins: bool) -> list[Path]:
    """List the files that transformers reads weights from: safetensors or, with `bins`, else pickles.

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


def tensor_types(path: Path) -> Mapping[str, str]:
    """Map each tensor of a safetensors file to the name of its type, such as F32; only the header is read.

    Raises `ModelError` if the header is damaged or does not cover the file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise ModelError(
            message("{path} is damaged: {error}", path=path, error=error),
            hint=message("fetch or export the model again"),
        ) from error


def _check_weights(path: Path) -> None:
    """Raise `ModelError` for a damaged file, and for codes that are no numbers without their scales."""
    for name, kind in tensor_types(path).items():
        codes = name.endswith(".weight") and kind in ("I8", "U8")
        if codes or kind.startswith(("F8", "F4", "F6")):
            raise _quantised(path.parent, f"{name} is {kind}")
