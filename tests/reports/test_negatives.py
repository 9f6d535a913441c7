import json
from pathlib import Path

from truing.config.negatives import NegativesRecipe
from truing.core.words import speaking
from truing.reports.negatives import TOLD, negatives_report
from truing.synthesis.negatives.rows import Without
from truing.synthesis.negatives.run import Negatives, make_negatives


def made(folder: Path) -> Negatives:
    rows = [
        {"prompt": "How long is the bridge?", "completion": "It is 2,450 metres long."},
        {"prompt": "Say thanks.", "completion": "Thank you!"},
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = {"prompts": [str(path)], "rules": ["numbers"], "output": str(folder / "out")}
    return make_negatives(NegativesRecipe.model_validate(asked), lambda line: None, lambda *seen: None)


def test_every_reason_has_words():
    assert TOLD.keys() == set(Without)


def test_the_page_accounts_for_every_row(tmp_path: Path):
    report = negatives_report(made(tmp_path))
    assert report.summary == "2 rows read = 1 rows with a false answer, 1 nothing to change."
    (count,) = report.data
    assert (count.read, count.kept, count.set_aside) == (2, 1, 1)
    (row,) = report.made[0].rows
    assert row.overline.startswith("numbers: 2,450 → ")
    assert [measure.name for measure in report.measures] == ["made", "alike"]


def test_the_page_speaks_chinese(tmp_path: Path):
    done = made(tmp_path)
    with speaking("zh"):
        report = negatives_report(done)
    assert report.summary == "读入 2 行 = 1 行得到错误回答, 1 无处可改。"
    assert "过于相似" in report.notes[0]
