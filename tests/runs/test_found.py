"""The findings of a rank as people read them."""

import json

from truing.runs.found import RankFinding, RowFinding


def test_facts_are_json_without_token_ids():
    row = RowFinding("a.jsonl:3", 2, [3], [[5, 6, 7]], "loss is nan", ["advantages"])
    found = RankFinding(1, {"device": "cpu"}, [row], earlier=[(4, ["a.jsonl:3"])]).facts()
    assert json.loads(json.dumps(found))["rows"] == [
        {"row": "a.jsonl:3", "item": 2, "tokens": [3], "alone": "loss is nan", "given": ["advantages"]}
    ]
    assert (found["rank"], found["device"]) == (1, "cpu")
    assert found["earlier"] == [{"step": 4, "rows": ["a.jsonl:3"]}]
