"""examples/finance_rigor from its command to its files on a tiny model: the numbers mean what they say."""

import importlib
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from xml.etree import ElementTree

import pytest
import yaml

from truing.core.records import Kind
from truing.data.load import load_records

EXAMPLE = Path(__file__).parents[2] / "examples" / "finance_rigor"
MODULES = ("make_pairs", "measure", "figures", "run")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The example's modules, imported as they are when `run.py` is run."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    yield {name: importlib.import_module(name) for name in MODULES}
    for name in MODULES:
        del sys.modules[name]


def call(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *args: object) -> None:
    monkeypatch.setattr(sys, "argv", ["command", *map(str, args)])
    module.main()


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_pairs_differ_in_every_number_and_in_nothing_else(example, monkeypatch, tmp_path):
    call(example["make_pairs"], monkeypatch, "--output", tmp_path, "--pairs", 80, "--held-out", 16)
    number = example["make_pairs"].NUMBER
    rows = read(tmp_path / "train.jsonl") + read(tmp_path / "held_out.jsonl")
    assert len(rows) == 96
    for row in rows:
        assert re.sub(r"\d", "0", row["chosen"]) == re.sub(r"\d", "0", row["rejected"])
        right, wrong = number.findall(row["chosen"]), number.findall(row["rejected"])
        assert len(right) >= 2
        assert all(one != other for one, other in zip(right, wrong, strict=True))
        assert set(right) <= set(number.findall(row["prompt"]))
    assert {record.kind for record in load_records([str(tmp_path / "train.jsonl")]).records} == {
        Kind.PREFERENCE
    }


def test_rows_are_a_function_of_the_seed_and_share_no_company(example):
    make_rows = example["make_pairs"].make_rows
    train, held_out = make_rows(400, 64, 0)
    assert (train, held_out) == make_rows(400, 64, 0)
    assert train != make_rows(400, 64, 1)[0]
    assert len({row["prompt"] for row in train}) == 400
    names = re.compile(rf"[A-Z][a-z]+ (?:{'|'.join(example['make_pairs'].SECOND)})")
    seen = [{names.search(row["prompt"]).group() for row in rows} for rows in (train, held_out)]
    assert not seen[0] & seen[1]


def test_a_wrong_number_keeps_its_shape(example):
    another = example["make_pairs"].another
    for seed in range(50):
        found = another("1,204.5", Random(seed))
        assert re.fullmatch(r"[1-9],\d{3}\.\d", found)
        assert found != "1,204.5"
        assert 1995 <= int(another("2014", Random(seed))) <= 2026
        assert re.fullmatch(r"[1-9]\d", another("10", Random(seed)))


def test_answers_are_right_by_their_numbers(example):
    right, numbers = example["measure"].right, example["measure"].numbers
    assert numbers("EUR 1,204.50 in 2014, up 12.0%.") == {"1204.5", "2014", "12"}
    assert right("Revenue was 1204.5 million.", "EUR 1,204.5 million in 2014")
    assert not right("Revenue was 1,204.6 million.", "EUR 1,204.5 million in 2014")
    assert not right("Revenue grew.", "EUR 1,204.5 million in 2014")  # nothing said is nothing right


def test_all_variants_start_alike_and_every_file_is_written(
    example, monkeypatch, model_folder, tmp_path, capsys
):
    output = tmp_path / "finance"
    asked = ("--policy", model_folder, "--pairs", 16, "--held-out", 4, "--steps", 2)
    call(example["run"], monkeypatch, "--output", output, *asked)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "dpo: opening the policy"
    assert any(line.startswith("dpo_sft, step 1 of 2: loss ") for line in told)
    found = json.loads((output / "figures.json").read_text())["policies"]
    variants = list(example["run"].VARIANTS)
    assert list(found) == ["start", *variants]

    start = found["start"]["likelihood"]
    assert start["chosen_change"] == start["margin"] == start["accuracy"] == 0
    firsts = [found[name]["history"][0] for name in variants]
    assert all(row["pair_loss"] == pytest.approx(math.log(2)) for row in firsts)
    assert len({row["learning_rate"] for row in firsts}) == 1
    whole = [
        row["logps/chosen"] for row, name in zip(firsts, variants, strict=True) if name != "dpo_differing"
    ]
    assert whole == pytest.approx([whole[0]] * len(whole))  # the same rows in the same order
    assert firsts[-1]["logps/chosen"] > whole[0]  # fewer tokens, so a sum nearer to 0
    for name in variants:
        told, last = found[name]["likelihood"], found[name]["history"][-1]
        assert last["step"] == 2
        assert last["held_out/chosen"] == pytest.approx(told["chosen"])
        assert told["chosen"] == pytest.approx(start["chosen"] + told["chosen_change"])
        assert told["chosen_change"] != 0

    answers = read(output / "answers.jsonl")
    assert len(answers) == (1 + len(variants)) * 2 * 4
    empty = [
        a for a in answers if a["policy"] == "dpo" and a["drawn"] == "greedy" and not a["answer"].strip()
    ]
    assert found["dpo"]["answers"]["greedy"]["empty"]["estimate"] == len(empty) / 4

    recipes = {name: yaml.safe_load((output / f"{name}.yaml").read_text()) for name in variants}
    assert recipes["dpo"]["loss"] == {"name": "dpo", "beta": 0.1}
    assert recipes["dpo_positive"]["loss"] == {"name": "dpo_positive", "beta": 0.1}
    assert recipes["dpo_differing"]["data"]["tokens"] == "differing"
    assert len({json.dumps(one["optim"]) for one in recipes.values()}) == 1

    header, _, *rows = (output / "table.md").read_text().splitlines()
    assert all(line.count("|") == header.count("|") for line in rows)
    lines = ElementTree.parse(output / "plot.svg").findall(".//{*}polyline")
    assert len(lines) == 2 * len(variants)
    assert "plotly" in (output / "plot.html").read_text()
