"""Hashes of a model's files: neither a cache nor a run may go on with changed files.

    weights     safetensors, and the pickles of old reward models
    config      the layers, and the ids that end a response
    tokenizer   words, special tokens and the chat template

A large file is read once. Its hash is remembered with its inode, size and both times in nanoseconds: a write
to the file, or another file in its place, moves the time of change, which no program can set.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from truing.core.errors import StorageError
from truing.core.files import sha256_file, write_atomic
from truing.core.places import cache_folder
from truing.models.results import ADAPTER_CONFIG, find_run
from truing.models.sources import require_base, resolve

PARTS = {
    "weights": ("*.safetensors", "*.bin", "*.index.json"),
    "config": ("config.json", "generation_config.json", "adapter_config.json"),
    "tokenizer": (
        "tokenizer*",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab*",
        "merges.txt",
        "*.model",
        "*.tiktoken",
        "chat_template*",
        "additional_chat_templates/*",
    ),
}
SAY_WHO_WROTE = ("transformers_version", "_name_or_path")  # keys of a config on which no number depends
LARGE = 2**20  # bytes; smaller files are read each time
SETTLED = 2 * 10**9  # nanoseconds after which another write shows in the time of change of any file system

log = logging.getLogger(__name__)


def contents_of(folder: Path) -> dict[str, str]:
    """Return the hash of each part of a model's folder."""
    return {part: _digest(folder, patterns) for part, patterns in PARTS.items()}


def weights_hash(model: Any) -> str:
    """Return the SHA-256 of every weight of a loaded model, with its name, type and shape."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def contents_of_source(source: str) -> dict[str, Any]:
    """Return the hashes of anything that opens as a policy: a folder, a run or one of its steps, an adapter.

    An adapter is not merged for its hash: the hash of its base is returned beside it.
    """
    run = find_run(source)
    if run is not None and run.step is not None:
        saved = contents_of(run.checkpoint)["weights"]
        return {"checkpoint": saved, "base": contents_of_source(run.recipe["policy"])}
    folder = Path(source).expanduser() if run is None else run.result
    if (folder / ADAPTER_CONFIG).is_file():
        return contents_of(folder) | {"base": contents_of_source(require_base(folder))}
    return contents_of(folder if run else resolve(source).path)


def _digest(folder: Path, patterns: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()} {_hash(path)}\n".encode())
    return digest.hexdigest()


def _hash(path: Path) -> str:
    if path.name not in PARTS["config"]:
        return file_hash(path)
    try:
        content = json.loads(path.read_bytes())
        kept = {key: value for key, value in content.items() if key not in SAY_WHO_WROTE}
    except (ValueError, AttributeError):  # said by whoever opens it
        return file_hash(path)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; that of a large file is remembered, unless the file is being written."""
    facts = _facts(path)
    if facts["size"] < LARGE:
        return sha256_file(path)
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()
    note = cache_folder() / "hashes" / f"{name[:32]}.json"
    if (known := _noted(note, facts)) is not None:
        return known
    found = sha256_file(path)
    if _facts(path) == facts and time.time_ns() - facts["changed"] > SETTLED:
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(note, json.dumps(facts | {"sha256": found}) + "\n")
        except (OSError, StorageError) as error:
            log.info("the hash of %s is not remembered: %s", path, error)
    return found


def _facts(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {
        "inode": stat.st_ino,
        "size": stat.st_size,
        "modified": stat.st_mtime_ns,
        "changed": stat.st_ctime_ns,
    }


def _noted(note: Path, facts: Mapping[str, int]) -> str | None:
    """Return the remembered hash of an unchanged file; None for a changed file or an unreadable note."""
    try:
        known: Any = json.loads(note.read_bytes())
        same = all(known[name] == value for name, value in facts.items())
        return str(known["sha256"]) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
