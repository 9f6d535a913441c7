"""The model card: front matter the hub takes, the other facts in a table, and measured numbers."""

import yaml

from truing.models.card import facts_of_rows, model_card

FACTS = {"base_model": "org/base", "license": "mit", "method": "dpo | sft", "tags": ["dpo"]}
SIDE = {"value": 0.9, "low": 0.8, "high": None, "n": 10, "missing": 2}
EVALUATION = {
    "against": "org/base",
    "numbers": {"safe": {"title": "Safe", "unit": "%", "model": SIDE, "against": {**SIDE, "value": None}}},
    "gates": [{"name": "safe", "met": False}],
}


def front(card: str) -> dict:
    return yaml.safe_load(card.split("---")[1])


def test_a_hub_name_goes_to_the_front_and_a_path_to_the_table():
    card = model_card("Mine", FACTS, library="peft")
    assert front(card)["base_model"] == "org/base" and front(card)["library_name"] == "peft"
    assert front(card)["tags"] == ["truing", "alignment", "dpo"]
    assert "| method | dpo \\| sft |" in card and "# Mine" in card
    card = model_card("Mine", FACTS | {"base_model": "/models/base"}, library="peft")
    assert "base_model" not in front(card) and "| base_model | /models/base |" in card


def test_numbers_have_their_interval_and_gates_their_result():
    card = model_card("Mine", {}, library="transformers", evaluation=EVALUATION)
    assert "| Safe | 90 % (80 to ?; n 10, 2 missing) | \u2014 |" in card
    assert "Before is org/base." in card and "Gates missed: safe." in card


def test_the_account_of_rows_names_every_reason():
    counts = {"read": 50, "made": 2, "kept": 49, "set_aside": {"too-long": 2, "empty": 1}}
    told = {"rows": "49 of 52 kept", "rows set aside": "2 too-long, 1 empty"}
    assert facts_of_rows(counts) == told
    more = {"cut": {"prompt-cut": 3}, "notes": {"control-token": 4}, "in_evaluation": 5}
    assert facts_of_rows(counts | more) == told | {
        "rows cut": "3 prompt-cut",
        "noticed in the rows": "4 control-token",
        "rows in the evaluation too": "5",
    }
    assert facts_of_rows(None) == {}
