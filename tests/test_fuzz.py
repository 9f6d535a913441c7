# ruff: noqa: E501 - an input on one line
"""Damaged and hostile input of every kind ends in an error of ours: readers, recipes, templates, manifests, models.

Inputs are valid files, changed (bytes flipped, cut, doubled, spliced, inserted) or made up. `make test` tries a
few hundred, the same ones each time; `make test-fuzz` tries others for TRUING_FUZZ_SECONDS seconds.
"""

import gzip
import io
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import torch
import zstandard
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from safetensors.torch import save

from truing.config.config import load_recipe
from truing.config.run_folder import read_status
from truing.core.errors import TruingError
from truing.core.files import problems
from truing.data.bounded import write
from truing.data.load import load_records
from truing.models.checkpoint import problem_of, steps_in
from truing.models.folders import check_model_folder
from truing.models.results import find_run

from .data.conftest import SHAPES

SECONDS = float(os.environ.get("TRUING_FUZZ_SECONDS", "0"))
FEW = 60  # inputs of a target in `make test`
TARGETS = 5

TURNS = [{"role": "user", "content": "Hi \n there"}, {"role": "assistant", "content": "<think>a</think>b"}]
ROWS = [
    {"prompt": "What is 1 + 1?", "chosen": "2", "rejected": "3", "margin": 1.5},
    {"prompt": [TURNS[0]], "chosen": [TURNS[1]], "rejected": "no"},
    {"messages": TURNS, "label": True},
    {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
    {"src": ["q"], "tgt": ["a"], "response": [["a"], ["b"]], "sort": [1, 0]},
    {"instruction": "Say", "input": "", "output": "yes", "system": "s", "history": [["a", "b"]]},
    {"prompt": "q", "completion": "a", "label": 1, "tools": [{"name": "f"}], "images": []},
]
PIECES = [
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"{", b"}", b"[", b"]", b'"', b"'", b",",
    b":", b"\n", b"\r", b"\t", b"#", b"&a ", b"*a", b"!!python/object:os.system ", b"<<: ", b"---\n", b"? ", b"- ", b"| ", b"> ",
    b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"-0", b"null", b"true", b"[" * 3000, b'{"a":' * 3000, b"{{ ", b" }}", b"{% ", b" %}",
    b"{% for m in messages %}", b"{% endfor %}", b"{% if ", b"{% endif %}", b"{% macro a() %}", b"{% set a = ", b"loop", b"messages",
    b" * 10**9", b"|join", b"|tojson", b".format(", b"~", b"range(99999)", b"\xe4\xbd\xa0", "\u202e".encode(), b"..", b"~/", b"/dev/zero",
]  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, contents: Sequence[bytes]) -> bytes:
    """One of some contents, after a few changes of its bytes."""
    data = draw(st.sampled_from(contents))
    for _ in range(draw(st.integers(1, 5))):
        places = st.integers(0, len(data))
        first, last = sorted((draw(places), draw(places)))
        last = min(last, first + draw(st.sampled_from([1, 3, 20, 10**9])))
        new = draw(
            st.one_of(
                st.sampled_from(PIECES),
                st.just(b""),
                st.just(data[first:last] * 2),
                st.just(bytes(byte ^ 32 for byte in data[first:last])),
                st.binary(max_size=8),
                st.sampled_from(contents).map(lambda other: other[len(other) // 3 : len(other) // 2]),
            )
        )
        data = data[:first] + new + data[first if new in PIECES else last :]
    return data


def explore(inputs: st.SearchStrategy, use: Callable[[object], object], allowed: type[Exception]) -> None:
    """Use many inputs, each of which passes, or ends in an exception that is allowed, in little time."""

    def tried(one: object) -> None:
        began = time.process_time()
        try:
            use(one)
        except allowed as error:
            assert str(error)
        assert time.process_time() - began < 10

    quiet = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    if not SECONDS:
        settings(max_examples=FEW, derandomize=True, **quiet)(given(inputs)(tried))()
    until = time.monotonic() + SECONDS / TARGETS
    while time.monotonic() < until:
        chosen = random.randrange(2**32)
        seed(chosen)(settings(max_examples=500, **quiet)(given(inputs)(tried)))()


def table() -> pyarrow.Table:
    return pyarrow.table({"prompt": ["a", "b"], "chosen": ["c", "d"], "rejected": ["e", json.dumps(TURNS)]})


def binary(write: Callable[[pyarrow.Table, io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(table(), file)
    return file.getvalue()


LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
TEXTS = [LINES, json.dumps(ROWS, indent=1).encode(), json.dumps({"version": 1, "data": ROWS[:2]}).encode()]
CSV = [
    b'prompt,chosen,rejected\nq,a,b\n"x\ny","a ""b""",c\n',
    b"messages\tlabel\n[{'role': 'user', 'content': 'a'}]\t1\n",
]
FILES: dict[str, list[bytes]] = {
    "a.jsonl": TEXTS,
    "a.json": TEXTS,
    "a.csv": CSV,
    "a.tsv": CSV,
    "a.parquet": [binary(pyarrow.parquet.write_table)],
    "a.feather": [binary(pyarrow.feather.write_feather)],
    "a.jsonl.gz": [gzip.compress(text) for text in TEXTS],
    "a.jsonl.zst": [zstandard.compress(text) for text in TEXTS],
    "a": [*TEXTS, *CSV],
}


def test_readers(tmp_path: Path):
    def use(given: tuple[str, bytes, bool]) -> None:
        name, content, packed = given
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if packed else content)
        loaded = load_records(path, bad_rows="skip", quarantine=tmp_path / "out" / "quarantine.jsonl")
        (report,) = loaded.sources
        assert report.read == report.kept + sum(report.set_aside.values())

    inputs = st.one_of(
        [
            st.tuples(
                st.just(name), changed(contents), st.booleans() if name != "a.jsonl.gz" else st.just(False)
            )
            for name, contents in FILES.items()
        ]
    )
    explore(inputs, use, TruingError)


RECIPES = [path.read_bytes() for path in sorted(Path(__file__).parents[1].glob("recipes/*.yaml"))]
JSON = [
    json.dumps(
        {"method": "dpo", "policy": "p", "data": {"train": ["a"]}, "lora": {"r": 2}, "optim": {"epochs": 1}}
    ).encode()
]


def test_recipes(tmp_path: Path):
    def use(given: tuple[str, bytes, list[str]]) -> None:
        name, content, overrides = given
        (tmp_path / name).write_bytes(content)
        load_recipe(tmp_path / name, overrides).describe()

    overrides = st.lists(
        st.one_of(
            st.text(max_size=20),
            st.tuples(
                st.sampled_from(["seed", "optim.epochs", "data", "loss.beta"]), st.text(max_size=9)
            ).map("=".join),
        ),
        max_size=2,
    )
    inputs = st.one_of(
        st.tuples(st.just("r.yaml"), changed(RECIPES), overrides),
        st.tuples(st.just("r.yaml"), changed(RECIPES), st.just([])),
        st.tuples(st.just("r.json"), changed(JSON), st.just([])),
    )
    explore(inputs, use, TruingError)


TEMPLATES = [shape.template.encode() for shape in SHAPES.values()]


def test_templates():
    def use(source: bytes) -> None:
        for messages in (TURNS, TURNS[:1], []):
            write(
                source.decode("utf-8", "surrogateescape"),
                {"messages": messages, "bos_token": "<s>", "tools": [{"a": 1}]},
            )

    made = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)
    explore(st.one_of(changed(TEMPLATES), made), use, jinja2.TemplateError)


def test_manifests(tmp_path: Path, recipe):
    """A folder that says what it holds, the folder of a checkpoint, and that of a run."""
    manifest = json.dumps(
        {
            "made_by": "test",
            "files": {"a": {"size": 1, "sha256": "0" * 64}},
            "step": 2,
            "version": 1,
            "format": 1,
        }
    )
    config = recipe("config.json").read_bytes()
    status = json.dumps(
        {"state": "running", "step": 3, "steps": 9, "pid": 1, "host": "a", "reason": None}
    ).encode()
    run = tmp_path / "run"
    (run / "checkpoints" / "step-000002").mkdir(parents=True)

    def use(given: tuple[bytes, bytes, bytes]) -> None:
        said, told, state = given
        for folder in (run, run / "checkpoints" / "step-000002"):
            (folder / "manifest.json").write_bytes(said)
            problems(folder, maker="test", hashes=True)
        (run / "config.json").write_bytes(told)
        (run / "status.json").write_bytes(state)
        steps_in(run / "checkpoints")
        problem_of(run / "checkpoints" / "step-000002")
        find_run(str(run))
        read_status(run)

    explore(st.tuples(changed([manifest.encode()]), changed([config]), changed([status])), use, TruingError)


def test_model_folders(tmp_path: Path):
    weights = save({"model.embed.weight": torch.zeros(3, 2), "lm_head.weight": torch.zeros(3, 2)})
    config = json.dumps({"model_type": "llama", "hidden_size": 2, "quantization_config": None}).encode()
    index = json.dumps({"weight_map": {"a": "model.safetensors"}}).encode()

    def use(given: tuple[bytes, bytes, bytes]) -> None:
        for name, content in zip(
            ("model.safetensors", "config.json", "model.safetensors.index.json"), given, strict=True
        ):
            (tmp_path / name).write_bytes(content)
        check_model_folder(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        check_model_folder(tmp_path)

    explore(st.tuples(changed([weights]), changed([config]), changed([index])), use, TruingError)
