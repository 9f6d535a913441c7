# ruff: noqa: E501 - a recipe on one line
"""Recipes of strangers: each ends in a sentence with its place, in bounded time, and none in a traceback.

Case X3 of the list of faults. A recipe goes through `truing check` as a user gives it.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Make = Callable[[Path], object]
BASE = "method: dpo\npolicy: {model}\ndata: {{train: [{rows}]}}\nlora: {{r: 2}}\ndtype: float32\n# from a stranger\n"
LAUGHS = "a: &a [1]\n" + "".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
)

# Appended to a good recipe of six lines, with what is told.
APPENDED = {
    # YAML that runs, hides, or grows
    "python object": ("seed: !!python/object/apply:os.system ['true']", "r.yaml:7: the tag"),
    "python name": ("seed: !!python/name:os.system", "r.yaml:7: the tag"),
    "own tag": ("seed: !mine 1", "r.yaml:7: the tag"),
    "tag of text": ("seed: !!str 1", "r.yaml:7: the tag"),
    "binary": ("seed: !!binary aGk=", "r.yaml:7: the tag"),
    "merge key": ("optim: &a {epochs: 1}\ncheckpoint: {<<: *a}", "r.yaml:8: unknown key '<<'"),
    "deep flow": ("seed: " + "[" * 100_000, "r.yaml:7: nested deeper than 32 levels"),
    "deep blocks": ("\n".join(" " * n + "a:" for n in range(500)), "nested deeper than 32 levels"),
    "deep pairs": ("seed: " + "{a: " * 100_000, "r.yaml:7: nested deeper than 32 levels"),
    "many laughs": (LAUGHS, "more than 20 aliases"),
    "alias of itself": ("track: &a [*a]", "an alias refers to itself"),
    "alias of nothing": ("seed: *nothing", "r.yaml:7: found undefined alias"),
    "two documents": ("---\nmethod: sft", "r.yaml:7: but found another document"),
    "key twice": ("seed: 1\nseed: 2", "r.yaml:8: the key 'seed' is given twice; first at r.yaml:7"),
    "list as a key": ("? [a, b]\n: 1", "r.yaml:7: a key is text, not a sequence"),
    "mapping as a key": ("{a: 1}: 2", "r.yaml:7"),
    "tab": ("optim:\n\tepochs: 1", "r.yaml:8: a tab"),
    "NUL": ("output: a\0b", "r.yaml:7"),
    "bell": ("output: a\x07b", "r.yaml:7"),
    "escaped NUL": ('output: "a\\0b"', "r.yaml:7: U+0000 is no character"),
    "escaped escape": ('output: "a\\x1b[31mb"', "r.yaml:7: U+001B is no character"),
    "right to left": ('output: "a\\u202Eb"', "r.yaml:7: U+202E is no character"),
    "unclosed quote": ('output: "a', "r.yaml:8: found unexpected end"),
    "unclosed list": ("track: [a", "r.yaml:8: expected"),
    "directive": ("%YAML 9.9", "r.yaml:7"),
    "at sign": ("output: @a", "r.yaml:7: found character '@'"),
    "backtick": ("output: `a`", "r.yaml:7: found character '`'"),
    "percent": ("output: %a", "r.yaml:7: found character '%'"),
    "long key": ("a" * 5000 + ": 1", "r.yaml:7"),
    "thousand unknown keys": ("\n".join(f"k{n}: 1" for n in range(1000)), "r.yaml:7: unknown key 'k0'"),
    "dotted key": ("optim.epochs: 2", "r.yaml:7: unknown key 'optim.epochs'"),
    "empty key": ('"": 2', "r.yaml:7: unknown key ''"),
    "dunder key": ("__class__: 2", "r.yaml:7: unknown key '__class__'"),
    "key of the validator": ("model_config: {extra: allow}", "r.yaml:7: unknown key 'model_config'"),
    "cyclic from": ("from: r.yaml", "r.yaml:7: unknown key 'from'"),
    # Values that no field takes
    "no for a number": ("seed: no", "r.yaml:7: seed is 'no': expected a whole number"),
    "off for a section": ("optim: off", "r.yaml:7: optim is 'off'"),
    "true for a number": ("optim: {epochs: true}", "r.yaml:7: optim.epochs is true"),
    "text for a number": ("optim: {learning_rate: fast}", "r.yaml:7: optim.learning_rate is 'fast'"),
    "1e-5 is no count": ("checkpoint: {every: 1e-5}", "r.yaml:7: checkpoint.every is 1e-05"),
    "1e-5 in quotes": ('checkpoint: {every: "1e-5"}', "r.yaml:7: checkpoint.every is '1e-5'"),
    "list for a number": ("seed: [1]", "r.yaml:7: seed is a list"),
    "mapping for text": ("device: {a: 1}", "r.yaml:7: device is a mapping"),
    "number for text": ("device: 5", "r.yaml:7: device is 5: expected text"),
    "null for a number": ("seed: null", "r.yaml:7: seed is null"),
    "null for a section": ("optim: null", "r.yaml:7: optim is null"),
    "number for a section": ("lora_: 5\noptim: 5", "r.yaml:8: optim is 5"),
    "negative rate": ("optim: {learning_rate: -1}", "r.yaml:7: optim.learning_rate is -1: expected more than 0"),
    "zero rate": ("optim: {learning_rate: 0}", "r.yaml:7: optim.learning_rate is 0: expected more than 0"),
    "negative seed": ("seed: -1", "r.yaml:7: seed is -1: expected at least 0"),
    "huge seed": ("seed: 99999999999999999999", "r.yaml:7: seed is 99999999999999999999: expected less than"),
    "seed of 5000 digits": ("seed: " + "9" * 5000, "r.yaml:7: seed is"),
    "huge hexadecimal": ("seed: 0x" + "f" * 40, "r.yaml:7: seed is"),
    "no number": ("optim: {learning_rate: .nan}", "r.yaml:7: optim.learning_rate is NaN: expected"),
    "infinite": ("optim: {learning_rate: .inf}", "r.yaml:7: optim.learning_rate is Infinity: expected"),
    "infinite by size": ("optim: {learning_rate: 1e999}", "r.yaml:7: optim.learning_rate is Infinity: expected"),
    "infinite epochs": ("optim: {epochs: -.inf}", "r.yaml:7: optim.epochs is -Infinity: expected"),
    "no whole number": ("checkpoint: {every: 1.5}", "r.yaml:7: checkpoint.every is 1.5: expected a whole number"),
    "huge count": ("checkpoint: {every: 1e400}", "r.yaml:7: checkpoint.every is Infinity: expected a"),
    "tokens of no pass": ("tokens_per_pass: 0", "r.yaml:7: tokens_per_pass is 0: expected at least 1"),
    "list of numbers for files": ("evaluate: [1, 2]", "r.yaml:7: evaluate is a list"),
    "betas of three": ("optim: {betas: [0.9, 0.9, 0.9]}", "r.yaml:7: optim.betas is a list"),
    "betas of text": ("optim: {betas: ab}", "r.yaml:7: optim.betas is 'ab'"),
    "unknown choice": ("packing: '__import__(\"os\")'", "r.yaml:7: packing is"),
    "unknown tracker": ("track: [../../x]", "r.yaml:7"),
    "function of the library": ("loss: {name: 'os:system'}", "os is a module of Python itself"),
    "function by a path": ("loss: {name: '../../x.py:f'}", "'../../x.py:f' names no function"),
    "hyper-parameter of no name": ("loss: {'a b': 1}", "r.yaml:7: 'a b' in loss cannot be the name"),
    "hyper-parameter that is a list": ("loss: {beta: [1]}", "r.yaml:7: loss.beta is a list"),
    "rewards that are text": ("rewards: all", "r.yaml:7: rewards is 'all'"),
    "rewards without a name": ("rewards: [{weight: 1}]", "r.yaml:7: a reward needs a name"),
    "huge output": ("output_: " + "a/" * 100_000, "r.yaml:7: unknown key 'output_'"),
}  # fmt: skip


# Whole files that are no recipe.
FILES: dict[str, tuple[Make, str]] = {
    "empty": (b"", "r.yaml is empty"),
    "blank": (b" \n\n# nothing\n", "r.yaml is empty"),
    "text": (b"hello", "r.yaml:1: a recipe is a mapping of keys"),
    "list": (b"- a\n- b\n", "r.yaml:1: a recipe is a mapping of keys"),
    "NUL alone": (b"\0" * 100, "r.yaml:1"),
    "UTF-16": ("method: dpo\n".encode("utf-16"), "r.yaml:1: not valid UTF-8"),
    "UTF-16 without a mark": ("method: dpo\n".encode("utf-16-le"), "r.yaml:1"),
    "UTF-32": ("method: dpo\n".encode("utf-32"), "r.yaml:1: not valid UTF-8"),
    "GB18030": ("method: dpo\npolicy: 模型\n".encode("gb18030"), "r.yaml is GB18030 text"),
    "Latin-1": (b"method: dpo\npolicy: caf\xe9\n", "r.yaml:2: not valid UTF-8"),
    "two marks": (b"\xef\xbb\xbf\xef\xbb\xbfmethod: dpo\n", "r.yaml:1"),
    "surrogate": (b"method: \xed\xa0\x80\n", "r.yaml:1: not valid UTF-8"),
    "program": (b"\x7fELF\x02\x01\x01\0", "r.yaml:1"),
    "picture": (b"\x89PNG\r\n\x1a\n", "r.yaml"),
    "zip": (b"PK\x03\x04\x14\0\0\0", "r.yaml:1"),
    "web page": (b"<!DOCTYPE html>\n<html>\n", "r.yaml:1: a recipe is a mapping of keys"),
    "carriage returns": (b"method: dpo\rpolicy: [\r", "r.yaml:"),
    "folder": (Path.mkdir, "r.yaml is a folder"),
    "pipe": (os.mkfifo, "r.yaml is no file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "r.yaml is no file"),
    "link to itself": (lambda path: path.symlink_to(path), "r.yaml"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "r.yaml does not exist"),
    "100 MB": (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 100_000_000), "at most 1000000"),
}  # fmt: skip

JSON = {
    "deep": ("[" * 100_000, "r.json:1: nested deeper than 32 levels"),
    "deep pairs": ('{"a":' * 100_000, "r.json:1: nested deeper than 32 levels"),
    "no number": ('{"seed":\nNaN}', "r.json:2: NaN is not JSON"),
    "infinite": ('{"seed":\n-Infinity}', "r.json:2: -Infinity is not JSON"),
    "key twice": ('{"a": 1,\n"a": 2}', "r.json:2: the key 'a' is given twice"),
    "trailing comma": ('{"a": 1,\n}', "r.json:2"),
    "comment": ('{"a": 1} // x', "r.json:1"),
    "single quotes": ("{'a': 1}", "r.json:1"),
    "cut": ('{"a": "b', "r.json:1"),
    "two values": ('{"a": 1}\n{"b": 2}', "r.json:2"),
    "half a pair": ('{"policy": "\\ud800", "method": "dpo"}', "r.json:1"),
    "5000 digits": ('{"seed": ' + "9" * 5000 + "}", "r.json:1"),
    "number of no end": ('{"seed": 1e999}', "r.json:1"),
    "list": ("[]", "r.json:1: a recipe is a mapping of keys"),
    "null": ("null", "r.json is empty"),
}  # fmt: skip

# A field of a recipe that is fine otherwise.
NAMES = {
    "policy": ["", ".", "..", "../../..", "~", "~nobody/x", "/", "/dev/zero", "/etc/passwd", "file:///etc/passwd", "https://a.b/c", "a\0b", "a\nb", "a\x1b[31mb", "\u202ea", "\ud800", "-rf", "x" * 100_000, "wheel:", "wheel:../..==1", "wheel:a==1;os", "hub:", "a:b:c", 5, True, None, ["a"], {"a": 1}],
    "data": ["", "a", [], {}, {"train": []}, {"train": [5]}, {"train": [None]}, {"train": ""}, {"train": {"a": 1}}, {"train": ".."}, {"train": "/dev/zero"}, {"train": "/dev/null"}, {"train": "pipe"}, {"train": "a\0b"}, {"train": "a\x1b[31mb"}, {"train": "~nobody/x"}, {"train": "*"}, {"train": "**"}, {"train": "[" * 100}, {"train": "x" * 100_000}, {"train": "https://a.b/c.jsonl"}, {"train": "file:///etc/passwd"}, {"train": "hub:"}, {"train": "annotate:"}, {"train": "annotate:/etc/passwd"}, {"train": "r.json"}, {"train": "a", "format": "x\x1b"}, {"train": "a", "format": 5}, {"train": "a", "template_arguments": [1]}, {"train": "a", "max_tokens": 1}, {"train": "a", "max_tokens": 1e30}, {"train": "a", "eval_fraction": 1}],
    "output": ["", "a\0b", "a\x1b[31mb", "\ud800", "r.json", "/dev/null", "/dev/null/run", "x" * 5000, 5, None, ["a"]],
    "device": ["", "cuda:x", "cuda:-1", "tpu", "meta", "a\0b", "cpu:99999999999999999999"],
    "reference": ["", "..", "a\0b", 5],
    "lora": [{"r": 0}, {"r": -1}, {"r": 1e30}, {"targets": 5}, {"targets": "("}, {"targets": "(a+)+$"}, {"targets": []}, {"targets": ["a\0b"]}, {"dropout": 1}, {"alpha": -1}, "yes", 5],
    "method": ["", "dp", "DPO", "dpo; rm", "../dpo", "a\0b", 5, None, ["dpo"], {"a": 1}],
    "loss": ["", "dp", {"name": "os:system"}, {"name": "a:b:c"}, {"name": ":"}, {"name": "a:"}, {"name": "a\0b"}, {"name": "__init__"}, {"mix": {}}, {"mix": {"dpo": -1, "ipo": 1}}, {"mix": {"dpo": 1e400, "ipo": 1}}, {"beta": "x"}, {"beta": -1e400}, {"__class__": 1}, {"name": 5}],
    "ranks": [{"shard": "x"}, {"shards": 1}],
    "track": ["x", ["x"], {"x": 1}, 5, ["wandb", "wandb"]],
    "health": [{"x": 1}, 5, {"stop": "x"}],
}  # fmt: skip

SETS = ["", "=", "a", "=1", ".=1", "a..b=1", "optim", "optim.epochs", "optim.epochs=", "optim.epochs=[", "optim.epochs={a", "optim.epochs=\t", "optim.epochs=!!python/name:os.system", "optim.epochs=*a", "optim.epochs.x=1", "optim=1", "optim.epochs=1e999", "optim.epochs=.nan", "x=1", "data.train.0=a", "seed=" + "9" * 5000, "seed=" + "[" * 1000, "method=", "=" * 1000, "loss.name=os:system", "policy.a=1", "seed=\x1b[31m", "--seed=1"]  # fmt: skip


@pytest.fixture
def base(model_folder: Path, pairs_file: Path) -> str:
    return BASE.format(model=model_folder, rows=pairs_file)


def assert_told(done, told: str, codes: tuple[int, ...] = (2,)) -> None:
    assert done.returncode in codes, done
    assert "Traceback" not in done.stderr and "fault of truing" not in done.stderr
    assert told in done.stderr
    assert len(done.stderr.splitlines()[-1]) < 3000
    assert not {sign for sign in done.stderr if ord(sign) < 32 or sign in "\u202e\x9b"} - {"\n"}


def test_a_good_recipe_is_none_of_them(here, base: str, tmp_path: Path):
    for text in (base, base.replace("\n", "\r\n"), "\ufeff" + base, "---\n" + base + "...\n"):
        (tmp_path / "r.yaml").write_text(text)
        assert here("check", "r.yaml", "--print-config").returncode == 0


@pytest.mark.parametrize("name", APPENDED)
def test_what_a_recipe_cannot_hold_is_told_with_its_line(name: str, here, base: str, tmp_path: Path):
    added, told = APPENDED[name]
    (tmp_path / "r.yaml").write_text(base + added + "\n")
    began = time.process_time()
    assert_told(here("check", "r.yaml"), told)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_recipe_is_told(name: str, here, tmp_path: Path):
    content, told = FILES[name]
    path = tmp_path / "r.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    assert_told(here("check", "r.yaml"), told)


@pytest.mark.parametrize("name", JSON)
def test_what_is_no_json_recipe_is_told_with_its_line(name: str, here, tmp_path: Path):
    text, told = JSON[name]
    (tmp_path / "r.json").write_text(text)
    assert_told(here("check", "r.json"), told)


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in NAMES.items() for value in values]
)
def test_a_field_with_a_hostile_value_is_told(key: str, value, here, recipe, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert_told(here("check", recipe("r.json", **{key: value})), "", (2, 3, 5))


@pytest.mark.parametrize("value", SETS)
def test_an_override_that_means_nothing_is_told(value: str, here, recipe):
    assert_told(here("check", recipe("r.json"), "--set", value), "")
