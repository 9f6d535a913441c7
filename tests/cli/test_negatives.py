"""`truing data negatives` as users run it, and training on its rows."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml

ROWS = [
    {"prompt": f"How long is bridge {name}?", "completion": f"Bridge {name} is {length:,} metres long."}
    for name, length in zip("ABCDEF", (2450, 1320, 980, 3100, 760, 1810), strict=True)
]


def write(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_rows_are_made_shown_and_trained_on(here: Callable, tmp_path: Path, model_folder: Path):
    write(tmp_path / "answers.jsonl")
    done = here(
        *("data", "negatives", "answers.jsonl", "--rules", "numbers,units", "--changes", 1),
        *("--policy", model_folder, "--set", "near=1", "--output", "made"),
    )
    assert done.returncode == 0, done.stderr
    assert "6 rows read = 6 rows with a false answer." in done.stderr
    assert "Too alike" in done.stderr
    assert "truing train made/train.yaml" in done.stderr
    rows = [json.loads(line) for line in Path("made/rows.jsonl").read_text().splitlines()]
    assert [row["chosen"] for row in rows] == [row["completion"] for row in ROWS]
    assert all(row["rejected"] != row["chosen"] for row in rows)
    page = Path("made/report.html").read_text(encoding="utf-8")
    assert rows[0]["rejected"] in page
    recipe = yaml.safe_load(Path("made/train.yaml").read_text(encoding="utf-8"))
    assert recipe["loss"]["sft_weight"] == 1.0
    assert recipe["policy"] == str(model_folder)
    trained = here("train", "made/train.yaml", "--set", "optim.max_steps=1", "--set", "dtype=float32")
    assert trained.returncode == 0, trained.stderr


def test_a_file_of_rows_is_written_where_asked_and_json_printed(here: Callable, tmp_path: Path):
    write(tmp_path / "answers.jsonl")
    asked = ("data", "negatives", "answers.jsonl", "--changes", "0.5", "--output", "out.jsonl", "--json")
    done = here(*asked, "--set", "near=1")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["read"] == 6 == found["rows"] + sum(found["without"].values())
    assert Path("out.jsonl").read_text() == Path("out/rows.jsonl").read_text()


def test_a_share_that_is_no_number_is_refused(here: Callable, tmp_path: Path):
    write(tmp_path / "answers.jsonl")
    done = here("data", "negatives", "answers.jsonl", "--changes", "some")
    assert done.returncode == 2
    assert "expected a whole number, or a share below 1" in done.stderr
