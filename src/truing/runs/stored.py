"""Rows that do not fit memory: read and tokenised once, in several processes, and kept on disk by content.

Above LARGE bytes the trees of a recipe's rows lie in a folder of the cache, named by a hash of all that
they follow from: the bytes of the files, the keys of `data`, the loss's shape, the tokenizer with its
template, and the code that reads. A second start with the same opens the folder and reads nothing. The
trees, their order and all counts are those of rows in memory.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
import tokenizers
import transformers

from truing.config.recipe import Recipe
from truing.core import records as records_module
from truing.core.doing import doing, silent
from truing.core.errors import DataError
from truing.core.files import (
    disk_errors_explained,
    problems,
    require_free_space,
    sweep,
    write_atomic,
    written_aside,
)
from truing.core.messages import Say, message
from truing.core.places import cache_folder
from truing.core.records import Record
from truing.core.workers import useful_workers
from truing.data import stored
from truing.data.chat import Renderer
from truing.data.limits import Rendered
from truing.data.load import Loaded, SourceReport, bytes_of, expanded, names_of, reasons_of, work_through
from truing.data.read import NO_FILES
from truing.data.refusals import RefusedRowError, TurnsError
from truing.data.stored import RowsWriter, StoredRows, table_of
from truing.methods.offline import Chosen
from truing.models.contents import contents_of, file_hash
from truing.models.sources import resolve
from truing.models.world import world
from truing.objectives import shapes
from truing.runs import taught as taught_module
from truing.runs.taught import Taught, teach

if TYPE_CHECKING:
    import pyarrow as pa

LARGE = 64 << 20  # bytes of rows; more would take a gigabyte as lists
ROOM = 4  # bytes on disk for each byte of rows
MAKER = "truing rows"
TREES, FACTS, LENGTHS, QUARANTINE = "trees.arrow", "rows.json", "lengths.npy", "quarantine.jsonl"


def are_large(paths: Sequence[str]) -> bool:
    """Tell whether the rows of files are to lie on disk; a data set of the hub has no file here."""
    return bytes_of(paths) > LARGE and not any(path.startswith(NO_FILES) for path in paths)


def read_stored(
    paths: Sequence[str],
    recipe: Recipe,
    chosen: Chosen,
    renderer: Renderer,
    say: Say,
    aside: Path | None = None,
) -> tuple[Loaded, Taught]:
    """Return the account of files, and their trees on disk, read and tokenised unless they were before.

    `aside` is the quarantine file. Of several ranks rank 0 reads, and the others wait for it. Raises
    DataError as `load_records` does, and for a file that changes while it is read.
    """
    files, here = list(expanded(paths)), world()
    with doing(message("looking for {path} among tokenised rows", path=", ".join(paths))):
        hashes = here.from_main(lambda: {path: file_hash(Path(path)) for path in files})
    folder = cache_folder() / "rows" / _key(hashes, recipe, chosen, renderer)[:32]

    def stored_once() -> None:
        if not problems(folder, maker=MAKER):
            say(message("rows that were read and tokenised before: {path}", path=folder))
            _copy_quarantine(folder, aside)
            return
        with disk_errors_explained(folder), written_aside(folder, maker=MAKER, keep_intact=True) as made:
            sweep(folder.parent)  # what was killed, with other settings perhaps, takes as much room
            require_free_space(folder, ROOM * bytes_of(files))
            _store(hashes, recipe, chosen, renderer, made, aside)
        say(message("rows lie tokenised in {path}", path=folder))

    here.from_main(stored_once)
    if not here.main:  # it finds them, unless its machine has a cache of its own
        stored_once()
    loaded, found = _opened(folder, files)
    for source in loaded.sources:
        say(source.describe())
    return loaded, found


@dataclass(frozen=True)
class _Part:
    """Trees of a few records, as a table, and the counts beside them."""

    table: "pa.Table"
    taught: Taught  # without trees and records


def _part(recipe: Recipe, chosen: Chosen, renderer: Renderer, records: list[Record]) -> _Part:
    found = teach(records, recipe, chosen, renderer, silent)
    table = table_of(found.trees, found.rendered.records)
    return _Part(table, replace(found, trees=[], rendered=replace(found.rendered, trees=[], records=[])))


@dataclass
class _Account:
    """The counts of all parts so far."""

    given: int = 0
    parts: int = 0
    taught: int = 0
    turns: int = 0
    kinds: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    masks: Counter[str] = field(default_factory=Counter)
    refused: list[dict[str, str]] = field(default_factory=list)
    lengths: list[np.ndarray] = field(default_factory=list)

    def add(self, one: Taught) -> None:
        self.given += one.given
        self.parts += one.parts
        self.taught += one.taught
        self.turns += sum(one.rendered.made)
        self.kinds |= one.kinds
        self.counts.update(one.rendered.counts)
        self.masks.update(one.masks)
        for error in one.rendered.refused:
            told = {"place": error.place, "template": error.template}
            self.refused.append(told | {"code": error.reason, "words": error.words})
        self.lengths.append(np.array(one.rendered.lengths, np.int32))


def _store(
    hashes: Mapping[str, str],
    recipe: Recipe,
    chosen: Chosen,
    renderer: Renderer,
    folder: Path,
    aside: Path | None,
) -> None:
    """Read the files of `hashes` and write their trees and counts into a new folder."""
    paths, account, writer = list(hashes), _Account(), RowsWriter(folder / TREES)

    def take(part: _Part) -> None:
        writer.add(part.table)
        account.add(part.taught)

    total, data = bytes_of(paths), recipe.data
    said = message("reading and tokenising {path}, in MB", path=", ".join(paths))
    with doing(said, total // 10**6) as tick:
        sources, _ = work_through(
            paths,
            partial(_part, recipe, chosen, renderer),
            take,
            format=data.format,
            bad_rows=data.bad_rows,
            quarantine=aside,
            copy=folder / QUARANTINE,
            workers=useful_workers(),
            tick=lambda done: tick(min(done, total) // 10**6),
            hash_of=file_hash,
        )
    for source in sources:
        if source.sha256 != hashes[source.path]:  # the folder is named by what it was
            raise DataError(
                message("{path} has changed while it was read", path=source.path),
                hint=message("run the same command once nothing writes to the file"),
            )
    writer.close()
    np.save(folder / LENGTHS, np.concatenate(account.lengths))
    facts = {name: value for name, value in vars(account).items() if name != "lengths"}
    facts |= {"kinds": sorted(account.kinds), "sources": [vars(source) for source in sources]}
    write_atomic(folder / FACTS, json.dumps(facts, ensure_ascii=False, indent=1) + "\n")


def _opened(folder: Path, files: Sequence[str]) -> tuple[Loaded, Taught]:
    facts = json.loads((folder / FACTS).read_bytes())
    rows = StoredRows(folder / TREES)
    refused = [
        RefusedRowError(one["place"], one["template"], TurnsError(one["code"], one["words"]))
        for one in facts["refused"]
    ]
    rendered = Rendered(
        rows.trees,
        rows.records,
        np.load(folder / LENGTHS),
        Counter(facts["counts"]),
        refused=refused,
        made=[facts["turns"]],
    )
    sources = [
        SourceReport(
            **{
                **source,
                "path": path,
                "set_aside": Counter(source["set_aside"]),
                "unread": tuple(source["unread"]),
            }
        )
        for source, path in zip(facts["sources"], files, strict=True)
    ]
    found = Taught(
        given=facts["given"],
        parts=facts["parts"],
        taught=facts["taught"],
        kinds=frozenset(facts["kinds"]),
        rendered=rendered,
        trees=rows.trees,
        masks=Counter(facts["masks"]),
    )
    return Loaded([], sources, []), found


def _copy_quarantine(folder: Path, aside: Path | None) -> None:
    """Write the quarantine file that reading wrote, or remove the one of other rows."""
    if aside is None:
        return
    kept = folder / QUARANTINE
    for source, target in ((kept, aside), (reasons_of(kept), reasons_of(aside))):
        if source.exists():
            write_atomic(target, source.read_bytes())
        else:
            target.unlink(missing_ok=True)


def _key(hashes: Mapping[str, str], recipe: Recipe, chosen: Chosen, renderer: Renderer) -> str:
    """Return a hash of all that the trees of these files follow from."""
    data, template, shape = recipe.data, renderer.template, chosen.shape
    facts = {
        "code": _code(),
        "files": list(zip(names_of(list(hashes)), hashes.values(), strict=True)),
        "data": data.model_dump(
            mode="json",
            include={
                "format",
                "bad_rows",
                "unpair",
                "max_tokens",
                "truncation",
                "trust_control_tokens",
                "tokens",
            },
        ),
        "shape": [shape.wants, shape.objective.__name__, shape.teaches.__name__, chosen.soft],
        "loss": [chosen.method.name, chosen.name],
        "template": [template.name, template.source, template.parts],
        "stops": sorted(renderer.stop_ids),
        "day": str(date.today()) if "strftime_now(" in template.source else "",
        "tokenizer": [contents_of(resolve(recipe.policy).path)["tokenizer"], *_opened_as(renderer)],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _opened_as(renderer: Renderer) -> tuple[str, str]:
    """Return the class of the tokenizer and a hash of its rules, for which its files are not all that counts.

    transformers chooses both by config.json too.
    """
    tokenizer: Any = renderer.encoder.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)  # none in a tokenizer written in Python
    rules = "" if backend is None else backend.to_str()
    return type(tokenizer).__qualname__, hashlib.sha256(rules.encode()).hexdigest()


@cache
def _code() -> str:
    """Return a hash of the code that makes trees of files, and of the libraries that it calls."""
    versions = [one.__version__ for one in (transformers, tokenizers, jinja2)]
    digest = hashlib.sha256(" ".join(versions).encode())
    others = [Path(str(one.__file__)) for one in (records_module, shapes, taught_module)]
    for path in [*sorted(Path(stored.__file__).parent.glob("*.py")), *others]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
