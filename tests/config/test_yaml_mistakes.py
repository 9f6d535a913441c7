"""Mistakes of hand-written YAML and JSON are named with their line and their remedy."""

import pytest

from truing.config.documents import Origin, parse_json, parse_yaml
from truing.core.errors import ConfigError

from ..tables import each

COLON = "a full-width colon '：' after "
SPACE = "a full-width or non-breaking space where YAML has a plain one"
BACKSLASH = "a backslash in double quotes begins an escape, such as \\n for a new line"
TAB = "a tab; YAML is indented with spaces"


@each(
    ("text", "told"),
    [
        ("method：dpo\npolicy：model\n", f"f.yaml:1: {COLON}'method'"),
        ("method: dpo\npolicy：model\n", f"f.yaml:2: {COLON}'policy'"),
        ("method: dpo\npolicy： model\nseed: 1\n", f"f.yaml:2: {COLON}'policy'"),
        ("data:\n  train：rows.jsonl\n", f"f.yaml:2: {COLON}'train'"),
        ("data:\n  train：rows.jsonl\n  eval: x\n", f"f.yaml:2: {COLON}'train'"),
        ("data: {train：rows.jsonl}\n", f"f.yaml:1: {COLON}'train'"),
        ("rewards:\n  - name：numeric\n", f"f.yaml:2: {COLON}'name'"),
        ('policy: "D:\\models\\base"\n', f"f.yaml:1: {BACKSLASH}"),
        ('seed: 1\npolicy: "C:\\users\\me"\n', f"f.yaml:2: {BACKSLASH}"),
        ('policy: "C:\\new"\n', f"f.yaml:1: {BACKSLASH}"),
        ("data:\n\ttrain: rows.jsonl\n", f"f.yaml:2: {TAB}"),
        ("method:\tdpo\n", f"f.yaml:1: {TAB}"),
        ("method:　dpo\nseed: 1\n", f"f.yaml:1: {SPACE}"),
        ("data:\n　train: rows.jsonl\n", f"f.yaml:2: {SPACE}"),
        ("seed: 1\npolicy:model\n", "f.yaml:2: no space after the colon of 'policy'"),
        ("policy: “model”\n", "f.yaml:1: full-width quotes around “model”"),
        ("targets: [q_proj，v_proj]\n", "f.yaml:1: a full-width comma in q_proj，v_proj"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, told: str):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, Origin("f.yaml", 1))
    assert str(caught.value) == told
    assert caught.value.hint


@each(
    "text",
    [
        "note: 注意：这是文字，不是键\n",
        'note: "policy：model"\n',
        "policy: 'D:\\models\\base'\n",
        "policy: D:\\models\\base\n",
        'note: "a\\tb"\n',
        "train: [hub:org/name, wheel:x==1]\n",
        "train:\n  hub:org/name\n",
        "note: |\n  policy：model\n  “x”\n",
        "# policy：model\nseed: 1\n",
        "stop: [你好，世界]\n",
    ],
)
def test_what_is_no_mistake_is_read(text: str):
    assert parse_yaml(text, Origin("f.yaml", 1)).children


def test_mistakes_of_json_are_named_too():
    for text, told in (
        ('{\n"method"："dpo"}', "f.json:2: a full-width character, '：'"),
        ("{“method”: 1}", "f.json:1: a full-width character, '“'"),
        ('{"policy": "D:\\models"}', f"f.json:1: {BACKSLASH}"),
    ):
        with pytest.raises(ConfigError) as caught:
            parse_json(text, Origin("f.json", 1))
        assert str(caught.value) == told
