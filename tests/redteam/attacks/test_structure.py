"""Attacks by form: JSON, a first line that is given, and many examples."""

import json

from tests.redteam.attacks.talking import SEEDS

from truing.redteam.attacks.structure import SHOTS, as_json, from_json, many_shot, prefix


def test_answers_in_json_are_read_back() -> None:
    assert from_json('```json\n{"task": "x", "answer": "Canberra"}\n```') == "Canberra"
    assert from_json('{"task": "x", "steps": ["one", {"two": "three"}]}') == "one\nthree"
    assert from_json('{"task": "x", "answer": ') == '{"task": "x", "answer": '


def test_many_shots_hold_placeholders() -> None:
    message = many_shot(SEEDS["en"], ())
    assert message is not None
    assert message.count("[answer ") == SHOTS
    assert message.endswith(f"User: {SEEDS['en'].text}\nAssistant:")


def test_the_form_is_asked_for_in_the_language_of_the_prompt() -> None:
    for language, word in (("en", "Sure, here it is:"), ("zh", "当然可以，内容如下：")):
        message = prefix(SEEDS[language], ())
        assert message is not None
        assert word in message
        task = as_json(SEEDS[language], ())
        assert task is not None
        assert json.loads(task.partition("\n\n")[2]) == {"task": SEEDS[language].text, "answer": ""}
