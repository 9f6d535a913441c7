"""The promises in the help of `truing data`'s verbs, against what they print and write."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

PAIR = {"prompt": "Ratio 1:100:2 [bold]?", "chosen": "Yes, :smile: " + "very " * 30, "rejected": "No."}


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch):
    """Set a terminal of 80 columns: longer lines must not be cut or wrapped."""
    monkeypatch.setenv("COLUMNS", "80")


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# show


def test_show_prints_rows_as_they_are_read_whatever_they_hold(truing, tmp_path):
    """Nothing is taken for markup or an emoji, nothing is wrapped, nothing steers the terminal."""
    rows = [PAIR | {"prompt": PAIR["prompt"] + "\x1b[31m\n" + str(i)} for i in range(4)]
    path = write(tmp_path / "rows[train].jsonl", *rows)
    done = truing("data", "show", path, "-n", 2)
    assert done.returncode == 0, done.stderr
    assert "4/4 rows, preference" in done.stderr
    wanted = []
    for i in range(2):
        wanted += [f"── rows[train].jsonl:{i + 1}  preference"]
        wanted += [f"user: {PAIR['prompt']}\\u001b[31m", str(i)]
        wanted += [f"→ 1: {PAIR['chosen']}", f"→ 2: {PAIR['rejected']}"]
    assert done.stdout.splitlines() == wanted


def test_show_tells_the_opinion_on_a_response(truing, tmp_path):
    labelled = write(tmp_path / "kto.jsonl", {"prompt": "p", "completion": "c", "label": False})
    assert "→ 1 (label false): c" in truing("data", "show", labelled).stdout
    soft = tmp_path / "soft.jsonl"
    soft.write_text('{"prompt": "q", "chosen": "a", "rejected": "b", "chosen_probability": 0.7}\n')
    assert f"{soft.name}:1  preference  p 0.7" in truing("data", "show", soft).stdout
    scored = write(
        tmp_path / "scored.jsonl",
        {"prompt": "p", "chosen": "c", "rejected": "r", "score_chosen": 4.5, "score_rejected": 2},
    )
    done = truing("data", "show", scored)
    assert "→ 1 (score 4.5): c\n→ 2 (score 2.0): r\n" in done.stdout, done.stderr


def test_show_tokens_marks_what_carries_loss(truing, model_folder, tmp_path):
    path = write(tmp_path / "rows.jsonl", PAIR)
    done = truing("data", "show", path, "--tokens", "--model", model_folder)
    assert done.returncode == 0, done.stderr
    *text, legend = done.stdout.splitlines()
    assert "tokens that carry loss" in legend
    first, second = ("\n".join(text)).removeprefix("[1.1] ").split("\n[1.2] ")
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    for branch, side in ((first, "chosen"), (second, "rejected")):
        asked = [{"role": "user", "content": PAIR["prompt"]}]
        before = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        unmarked, _, marked = branch.replace("↵\n", "\n").partition("⟦")
        assert unmarked == before
        assert marked.replace("⟧⟦", "").removesuffix("⟧") == f"{PAIR[side]}<|im_end|>\n"


# stats


def test_stats_counts_kinds_languages_lengths_duplicates_and_near_identical_pairs(truing, tmp_path):
    near = "The quick brown fox jumps over the lazy dog."
    path = write(
        tmp_path / "rows.jsonl",
        {"prompt": "Hello?", "chosen": "Hello to you.", "rejected": "No."},
        {"prompt": "Hello?", "chosen": near, "rejected": near[:-1] + "!"},
        {"prompt": "你好吗？", "chosen": "我很好。", "rejected": "走开。走开。"},
    )
    done = truing("data", "stats", path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["records"] == 3
    assert found["kinds"] == {"preference": 3}
    assert found["languages"] == {"en": 2, "zh": 1}
    assert found["duplicate_prompts"] == 1
    assert found["near_identical_share"] == pytest.approx(1 / 3)
    assert found["chosen_longer_share"] == pytest.approx(1 / 3)  # 13 > 3, 44 = 44, 4 < 6
    assert (found["prompt_chars"]["min"], found["prompt_chars"]["max"]) == (4, 6)


# convert


@pytest.mark.parametrize("to", ["messages", "sharegpt", "paddle"])
def test_converted_rows_read_back_as_the_same_records(truing, tmp_path, to):
    path = write(tmp_path / "rows.jsonl", PAIR, {"prompt": "你好", "chosen": "世界", "rejected": "走开"})
    there, back = tmp_path / "there.jsonl", tmp_path / "back.jsonl"
    for source, form, out in ((path, to, there), (there, "preference", back)):
        done = truing("data", "convert", source, "--to", form, "--out", out)
        assert done.returncode == 0, done.stderr
        assert f"wrote 2 rows to {out}" in done.stderr
    assert there.read_text() != path.read_text()
    rows = [json.loads(line) for line in back.read_text().splitlines()]
    assert rows == [json.loads(line) for line in path.read_text().splitlines()]


def test_convert_refuses_what_a_format_cannot_hold_and_writes_nothing(truing, tmp_path):
    path, out = write(tmp_path / "rows.jsonl", PAIR), tmp_path / "out.jsonl"
    unfit = truing("data", "convert", path, "--to", "prompt-completion", "--out", out)
    assert unfit.returncode == 3
    assert "rows.jsonl:1" in unfit.stderr
    assert "preference records fit" in unfit.stderr
    unknown = truing("data", "convert", path, "--to", "alpacca", "--out", out)
    assert unknown.returncode == 2
    assert "no format to write" in unknown.stderr
    assert not out.exists()


# check


def bad_at(path: Path, count: int, *bad: int) -> Path:
    rows = [{"prompt": f"Q{i}?", "chosen": "Yes.", "rejected": "No."} for i in range(1, count + 1)]
    for at in bad:
        del rows[at - 1]["chosen"]
    return write(path, *rows)


def test_check_stops_at_more_than_one_bad_row_in_a_hundred(truing, tmp_path):
    path = bad_at(tmp_path / "rows.jsonl", 20, 4, 9)
    done = truing("data", "check", path)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    for told in ("rows.jsonl:4: missing-chosen", "rows.jsonl:9: missing-chosen", "2 of 20 rows are bad"):
        assert told in done.stderr
    copied = path.with_name("rows.jsonl.quarantine.jsonl")
    assert copied.read_text().splitlines() == [path.read_text().splitlines()[at] for at in (3, 8)]


def test_check_lists_bad_rows_where_they_are_few_or_may_be_skipped(truing, tmp_path):
    few = truing("data", "check", bad_at(tmp_path / "few.jsonl", 200, 100))
    assert few.returncode == 0, few.stderr
    assert "few.jsonl: 199/200 rows" in few.stderr
    assert "few.jsonl:100: missing-chosen" in few.stderr  # rich makes a picture of `:100:` if it may
    assert f"1 rows copied to {tmp_path / 'few.jsonl.quarantine.jsonl'}" in few.stderr
    many = truing("data", "check", bad_at(tmp_path / "many.jsonl", 60, *range(1, 26)), "--bad-rows", "skip")
    assert many.returncode == 0, many.stderr
    assert "many.jsonl:20: " in many.stderr
    assert "many.jsonl:21: " not in many.stderr
    assert "… 25 rows copied to" in many.stderr
    assert (tmp_path / "many.jsonl.quarantine.jsonl").read_text().count("\n") == 25


def test_check_of_a_missing_file_leaves_nothing_behind(truing, tmp_path):
    done = truing("data", "check", tmp_path / "typo" / "rows.jsonl")
    assert done.returncode == 3
    assert list(tmp_path.iterdir()) == []


def test_check_of_a_pattern_copies_bad_rows_to_the_current_folder(truing, tmp_path):
    bad_at(tmp_path / "a.jsonl", 200, 7)
    done = truing("data", "check", f"{tmp_path}/?.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "quarantine.jsonl").read_text().count("\n") == 1


def test_an_unknown_answer_to_bad_rows_is_refused(truing, tmp_path):
    done = truing("data", "check", write(tmp_path / "rows.jsonl", PAIR), "--bad-rows", "ignore")
    assert done.returncode == 2
    assert "expected stop or skip" in done.stderr
