"""Files of a red teaming: counts add up, and failures are rows that training reads."""

import json
from collections.abc import Callable

from truing.core.files import read_jsonl
from truing.data.load import load_records
from truing.redteam.record import RedTeam
from truing.redteam.rows import as_json, failure_rows


def test_the_numbers_of_results_add_up(attack: Callable[..., RedTeam]) -> None:
    done = attack()
    told = json.loads((done.path / "results.json").read_text(encoding="utf-8"))
    assert {key: told[key] for key in as_json(done)} == json.loads(json.dumps(as_json(done)))
    assert told["answers"] == 12
    parts = [told["attacks"], told["categories"], told["languages"]]
    outcomes = ["refused", "partial", "complied", "incoherent", "not_understood", "error"]
    for part in [*(list(one.values()) for one in parts), told["cells"]]:
        assert sum(one["outcomes"][name] for one in part for name in outcomes) == 12
    assert told["attacks"]["base64"]["garak"] == "encoding.InjectBase64"
    assert told["attacks"]["base64"]["understood"]["en"]["answer"] == "not understood"
    assert told["attacks"]["role_play"]["success"] == {
        **told["attacks"]["role_play"]["success"],
        "value": 1,
        "n": 4,
    }
    assert told["classifier"]["en"]["accuracy"]["n"] >= 200
    assert "zh" not in told["classifier"], "the card is of the languages that were attacked"


def test_failures_are_rows_with_their_lineage(attack: Callable[..., RedTeam]) -> None:
    done = attack()
    rows = read_jsonl(done.path / "failures.jsonl")
    assert rows == json.loads(json.dumps(failure_rows(done)))
    records = load_records(done.path / "failures.jsonl").records
    assert [record.prompt[-1].content for record in records] == [row["prompt"] for row in rows]
    lineage = rows[0]["lineage"]
    assert (lineage["verb"], lineage["attack"], lineage["k"]) == ("red-team", "role_play", 0)
    assert lineage["prompt"]["file"] == "headlines.jsonl"
    assert lineage["writers"][0]["model"] == "scripted"
    assert all(row["benign"] for row in rows)
    items = read_jsonl(done.path / "items.jsonl")
    assert len(items) == 12
    assert items[0]["messages"][-1]["content"] == items[0]["response"]
