"""Bad input: one clear message, the documented exit code, no traceback, and nothing lost."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from truing.config.config import load_recipe
from truing.runs.rows import split_off
from truing.runs.session import open_session
from truing.training.plan import Plan

GOOD = {"prompt": "Hello?", "chosen": "Hello to you.", "rejected": "No."}


def rows(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def assert_told(done, code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def yaml_recipe(path: Path, model: Path, train: Path, extra: str = "") -> Path:
    path.write_text(
        f"method: dpo\npolicy: {model}\ndata: {{train: [{train}]}}\nlora: {{r: 2}}\ndtype: float32\n"
        f"output: {path.parent / 'run'}\n{extra}"
    )
    return path


def test_unknown_key(truing, tmp_path, model_folder, pairs_file):
    path = yaml_recipe(tmp_path / "r.yaml", model_folder, pairs_file, "optim: {learnng_rate: 1e-5}\n")
    assert_told(truing("check", path), 2, "r.yaml:7", "learnng_rate", "learning_rate")


def test_scientific_notation_without_a_dot(truing, tmp_path, model_folder, pairs_file):
    path = yaml_recipe(tmp_path / "r.yaml", model_folder, pairs_file, "optim: {learning_rate: 1e-5}\n")
    done = truing("check", path, "--print-config")
    assert done.returncode == 0
    assert "learning_rate: 1e-05" in done.stdout


def test_duplicate_key(truing, tmp_path, model_folder, pairs_file):
    path = yaml_recipe(tmp_path / "r.yaml", model_folder, pairs_file, "seed: 1\nseed: 2\n")
    assert_told(truing("check", path), 2, "r.yaml:8", "seed")


def test_misspelt_loss_argument(truing, tmp_path, model_folder, pairs_file):
    path = yaml_recipe(tmp_path / "r.yaml", model_folder, pairs_file, "loss: {name: dpo, bta: 0.1}\n")
    assert_told(truing("check", path), 2, "bta", "did you mean 'beta'")


def test_missing_file(truing, tmp_path, model_folder, pairs_file):
    path = yaml_recipe(tmp_path / "r.yaml", model_folder, pairs_file.with_name("pair.jsonl"))
    assert_told(truing("check", path), 3, "pair.jsonl", "pairs.jsonl")


def test_empty_file(truing, tmp_path, model_folder):
    path = yaml_recipe(tmp_path / "r.yaml", model_folder, rows(tmp_path / "none.jsonl"))
    assert_told(truing("check", path), 3, "none.jsonl")


def test_broken_json_at_line_3(truing, tmp_path):
    path = rows(tmp_path / "rows.jsonl", GOOD, GOOD | {"prompt": "Two?"}, '{"prompt": "cut', GOOD)
    done = truing("data", "check", path)
    assert_told(done, 3, "rows.jsonl:3", "--bad-rows skip")
    quarantine = path.with_name("rows.jsonl.quarantine.jsonl")
    assert quarantine.read_bytes() == b'{"prompt": "cut\n'
    skipped = truing("data", "check", path, "--bad-rows", "skip")
    assert_told(skipped, 0, "3/4 rows")


def test_row_without_chosen(truing, tmp_path):
    path = rows(tmp_path / "rows.jsonl", GOOD, GOOD, {"prompt": "p", "rejected": "r"}, GOOD)
    assert_told(truing("data", "check", path), 3, "rows.jsonl:3", "missing-chosen")


def test_identical_chosen_and_rejected(truing, tmp_path):
    path = rows(tmp_path / "rows.jsonl", GOOD, GOOD, GOOD | {"rejected": GOOD["chosen"]})
    assert_told(truing("data", "check", path), 3, "rows.jsonl:3", "identical-pair")


def test_prompt_longer_than_the_limit_is_counted(truing, tmp_path, model_folder):
    long = GOOD | {"prompt": "word " * 300}
    path = yaml_recipe(tmp_path / "r.yaml", model_folder, rows(tmp_path / "rows.jsonl", GOOD, long))
    short = ("--set", "data.max_tokens=200")
    assert_told(truing("train", path, *short), 3, "1 of 2 rows are lost", "keeps 99 %", "--bad-rows skip")
    done = truing("check", path, "--json", *short, "--bad-rows", "skip")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == {
        "read": 2,
        "made": 0,
        "kept": 1,
        "set_aside": {"too-long": 1},
        "cut": {},
        "in_evaluation": 0,
        "notes": {},
        "refused": [],
    }
    assert_told(truing("check", path, "--set", "data.max_tokens=4"), 3, "max_tokens")


def test_d3_d6_what_is_lost_cut_or_shared_is_counted_in_log_report_and_card(truing, recipe, tmp_path):
    """One row is broken, one too long, one cut, and one stands in the evaluation too."""
    good = [{"prompt": f"Q{i}?", "chosen": f"Yes, {i}.", "rejected": f"No, {i}."} for i in range(6)]
    lost = good[0] | {"chosen": "yes " * 300}
    shortened = good[0] | {"prompt": "why " * 300}
    train = rows(tmp_path / "train.jsonl", *good, "{", lost, shortened)
    held = rows(tmp_path / "eval.jsonl", good[2])
    data = {"train": [str(train)], "eval": [str(held)], "bad_rows": "skip"}
    data |= {"max_tokens": 60, "truncation": "prompt-left"}
    optim = {"items_per_step": 4, "max_steps": 1}
    done = truing("train", recipe(data=data, optim=optim, evaluate={"every": 1}))
    assert_told(done, 0, "7 of 9 rows kept, set aside: 1 broken-json, 1 too-long; 1 prompt-cut")
    assert "1 of 7 rows that are learnt from stand in the evaluation too" in " ".join(done.stderr.split())
    run = tmp_path / "run"
    counted = json.loads((run / "rows.json").read_text())
    assert (counted["set_aside"], counted["cut"]) == ({"broken-json": 1, "too-long": 1}, {"prompt-cut": 1})
    assert truing("report", run).returncode == 0
    page = (run / "report.html").read_text()
    assert "1 broken-json, 1 too-long" in page and "1 prompt-cut" in page
    assert "(1 stand in the evaluation too)" in page
    assert truing("export", run, tmp_path / "whole").returncode == 0
    for card in (run / "model" / "README.md", tmp_path / "whole" / "README.md"):
        text = card.read_text()
        assert "| rows | 7 of 9 kept |" in text and "| rows set aside | 1 broken-json, 1 too-long |" in text
        assert "| rows cut | 1 prompt-cut |" in text and "| rows in the evaluation too | 1 |" in text


def test_policy_folder_without_weights(truing, tmp_path, model_folder, pairs_file):
    bare = tmp_path / "bare"
    shutil.copytree(model_folder, bare)
    (bare / "model.safetensors").unlink()
    assert_told(truing("check", yaml_recipe(tmp_path / "r.yaml", bare, pairs_file)), 2, "bare", "weights")


def test_model_without_a_chat_template(truing, tmp_path, model_folder, pairs_file):
    bare = tmp_path / "base"
    shutil.copytree(model_folder, bare)
    (bare / "chat_template.jinja").unlink()
    path = yaml_recipe(tmp_path / "r.yaml", bare, pairs_file)
    assert_told(truing("check", path, "--set", "data.template=chat"), 2, "data.template", "alpaca")
    assert truing("check", path, "--set", "data.template=alpaca").returncode == 0


def test_rows_that_cannot_teach_the_method(truing, tmp_path, model_folder):
    plain = rows(tmp_path / "sft.jsonl", {"instruction": "Say hi", "input": "", "output": "hi"})
    path = yaml_recipe(tmp_path / "r.yaml", model_folder, plain)
    assert_told(truing("check", path), 3, "chosen and a rejected")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_no_disk_space_for_a_checkpoint(truing, tmp_path, model_folder, pairs_file):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        not mount
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False).returncode
    ):
        pytest.skip("this machine does not let tests mount a small file system")
    try:
        path = yaml_recipe(tmp_path / "r.yaml", model_folder, pairs_file)
        assert_told(truing("train", path, "--output", disk / "run"), 5, "needs", "free")
    finally:
        subprocess.run([shutil.which("umount") or "umount", disk], check=True)


def test_two_processes_on_one_run_folder(truing, recipe, tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from truing.config.run_folder import RunFolder; "
            "held = RunFolder.open(sys.argv[1]); "
            "print('held', flush=True); time.sleep(60)",
            str(tmp_path / "run"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        assert_told(truing("train", recipe()), 2, str(holder.pid))
    finally:
        holder.kill()
        holder.wait()


def test_a_diverging_run_names_the_rows_by_file_and_line(truing, recipe, tmp_path):
    pairs = [{"prompt": f"Q{i}?", "chosen": f"Yes, {i}.", "rejected": f"No, {i}."} for i in range(11)]
    data = rows(tmp_path / "pairs.jsonl", *pairs[:2], "{", *pairs[2:])  # the third line is no row
    path = recipe(
        data={"train": [str(data)], "bad_rows": "skip", "eval_fraction": 0.2},
        optim={"learning_rate": 1e30, "warmup": 0, "schedule": "constant", "items_per_step": 3},
        checkpoint={"every": 1},
        tokens_per_pass=4096,
    )
    done = truing("train", path)
    lines = (1, 2, *range(4, 13))
    trained, _ = split_off([(0, line) for line in lines], 0.2, seed=0)
    lines = [lines[trained[item]] for item in sorted(Plan(9, 3, epochs=1, seed=0).items_of(2))]
    named = ", ".join(f"pairs.jsonl:{line}" for line in lines)
    assert_told(done, 4, "diverged: loss is nan", f"(rows {named})", "lower optim.learning_rate")
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["last_checkpoint"]) == ("failed", "step-000001")
    assert f"(rows {named})" in status["reason"]


def test_every_item_of_a_step_has_a_place(recipe, pairs_file, tmp_path):
    kept = rows(
        tmp_path / "kept.jsonl", {"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d"}
    )
    path = recipe(data={"train": [str(pairs_file)], "retain": [str(kept)], "eval_fraction": 0.5})
    session = open_session(load_recipe(path).recipe)
    lines = [int(place.removeprefix("pairs.jsonl:")) for place in session.places[:6]]
    assert lines == sorted(set(lines)) != list(range(1, 7))
    assert session.places[6:] == ["kept.jsonl:1", "kept.jsonl:2"]
    for item, line in enumerate(lines):
        assert f"Question {line - 1}?" in session.tokenizer.decode(session.tree(item).prompt)
    for step in range(1, session.plan.total + 1):
        assert all(session.places[item] for item in session.plan.items_of(step))


def test_a_first_step_that_diverges_is_told_by_check_with_its_rows(truing, recipe, model_folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(model_folder, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"] * 1e38
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    done = truing("check", recipe(policy=str(broken), packing="padded"))
    assert_told(done, 4, "loss is", "pairs.jsonl:")


SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public rows in ../shared/data are not here")
@pytest.mark.parametrize(
    ("name", "method", "needs_pairs"),
    [
        ("dpo_zh_demo.json", "dpo", True),
        ("dpo_en_demo.json", "sft", True),
        ("hh_rlhf_harmless.jsonl.gz", "dpo", True),
        ("alpaca_zh_demo.json", "sft", False),
    ],
)
def test_public_files_train_as_they_are(truing, recipe, tmp_path, name, method, needs_pairs):
    path = recipe(
        method=method,
        data={"train": [str(SHARED / name)], "max_tokens": 512, "bad_rows": "skip"},
        optim={"items_per_step": 2, "max_steps": 2},
    )
    done = truing("train", path)
    assert done.returncode == 0, done.stderr
    rows_ = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows_] == [1, 2]
    assert rows_[0]["loss"] == pytest.approx(0.6931472, abs=1e-6) if method == "dpo" else rows_[0]["loss"] > 1


def test_gz_is_read(truing, tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(GOOD) + "\n").encode()))
    assert_told(truing("data", "check", path), 0, "1/1 rows")
