"""The folder of a judging: what is written, and what a dry run leaves alone. A judge is a tiny model here."""

import json
from pathlib import Path

from truing.config.judging import JudgingRecipe
from truing.core.files import read_jsonl
from truing.pipelines.judging import dry_run, judge_files


def test_a_model_on_this_machine_judges_and_the_folder_tells_everything(tmp_path: Path, model_folder: Path):
    rows = tmp_path / "rows.jsonl"
    pairs = [{"prompt": word, "chosen": f"{word} one", "rejected": f"{word} two"} for word in ("one", "two")]
    rows.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    recipe = JudgingRecipe(
        rows=(str(rows),),
        judges=({"name": "local", "path": str(model_folder), "max_new_tokens": 4},),
        audit=True,
        output=str(tmp_path / "out"),
    )
    _, (planned,) = dry_run(recipe, lambda line: None)
    assert (planned.requests, planned.cost) == (4, None)
    assert not (tmp_path / "out").exists()
    seen: list[tuple[str, int, int]] = []
    done, audits, results = judge_files(recipe, lambda line: None, lambda *each: seen.append(each))
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"config.json", "answers.sqlite", "rows.jsonl", "verdicts.jsonl", "results.json"} <= found
    assert results["counts"]["items"] == 2 == len(list(read_jsonl(tmp_path / "out" / "verdicts.jsonl")))
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written.pop("versions")
    assert written == json.loads(json.dumps(results))
    assert seen[-1][1:] == (4, 4)
    assert [audit.judge for audit in audits] == [str(model_folder)]
    assert done.roles[0].report().requests == 0
