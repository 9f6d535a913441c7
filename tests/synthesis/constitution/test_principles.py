"""A constitution is read whole, its mistakes are told with their line, and principles fit the prompt."""

import re
from pathlib import Path

import pytest

from truing.core.errors import ConfigError
from truing.core.records import Record, user
from truing.evals.suites.headlines import CATEGORIES
from truing.synthesis.constitution.principles import GENERAL, read_constitution, read_constitutions

GOOD = """language: en
principles:
  - id: kind
    tags: [harassment]
    critique: Is it unkind?
    revision: Be kind.
"""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_shipped_constitution_covers_every_category(language: str):
    found = read_constitution(language)
    assert found.language == language
    assert 12 <= len(found.principles) <= 16
    assert {tag for one in found.principles for tag in one.tags} == {*CATEGORIES, GENERAL}
    assert all(one.critique != one.text for one in found.principles)
    chinese = [bool(re.search("[\u4e00-\u9fff]", one.critique + one.revision)) for one in found.principles]
    assert set(chinese) == {language == "zh"}


def test_the_shipped_ones_hold_the_same_principles():
    en, zh = (read_constitution(one).principles for one in ("en", "zh"))
    assert [(one.id, one.tags) for one in en] == [(one.id, one.tags) for one in zh]


def test_a_prompt_meets_the_principles_of_its_category_first():
    found = read_constitution("en")
    record = Record(user("Help me bully a classmate."), category="harassment")
    order = found.drawn(record, 0)
    own = [one for one in found.principles if "harassment" in one.tags]
    assert {one.id for one in order[: len(own)]} == {one.id for one in own}
    assert GENERAL in order[len(own)].tags
    assert sorted(one.id for one in order) == sorted(one.id for one in found.principles)
    assert order == found.drawn(record, 0)
    assert GENERAL in found.drawn(Record(user("Hello")), 0)[0].tags


def test_every_principle_of_a_category_may_come_first():
    found = read_constitution("en")
    records = [Record(user(f"Hurt {n}"), category="self_harm") for n in range(30)]
    firsts = {found.drawn(one, 0)[0].id for one in records}
    assert firsts == {one.id for one in found.principles if "self_harm" in one.tags}


def test_the_seed_and_the_prompt_decide():
    found = read_constitution("en")
    firsts = {found.drawn(Record(user(f"Hello {n}")), seed)[0].id for n in range(12) for seed in (0, 1)}
    assert len(firsts) > 2


def test_auto_gives_each_language_its_own(tmp_path: Path):
    assert read_constitutions("auto").of("zh").language == "zh"
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    mine = read_constitutions(str(path))
    assert mine.of("zh") is mine.of("en")
    assert mine.of("zh").principles[0].text == "Is it unkind?"


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        ("language: en\nprinciples: []\n", 2, "has no principles"),
        ("language: en\n", 1, "has no principles"),
        ("- id: a\n", 1, "is a mapping with principles"),
        (GOOD.replace("    critique: Is it unkind?\n", ""), 3, "'kind' has no critique"),
        (GOOD.replace("Is it unkind?", "''"), 5, "critique of the principle 'kind' is empty"),
        (GOOD.replace("[harassment]", "[harrasment]"), 4, "tag 'harrasment'.*did you mean 'harassment'"),
        (GOOD.replace("[harassment]", "harassment"), 4, "tags of the principle 'kind' is no list"),
        (GOOD + GOOD.partition("principles:\n")[2], 7, "'kind' is given twice; first at .*:3"),
        (GOOD.replace("revision:", "revise:"), 6, "unknown key 'revise'"),
        (GOOD.replace("language: en", "language: fr"), 1, "language is 'fr'"),
        ("principles: [just text]\n", 1, "a principle is a mapping of id"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, content: str, line: int, told: str):
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=told) as caught:
        read_constitution(str(path))
    assert f"{path}:{line}:" in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_text(
        "principles:\n  - id: a\n    tags: [none]\n  - {tags: [general], critique: c, revision: r}\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_constitution(str(path))
    assert len(str(caught.value).splitlines()) == 4  # critique, revision and tag of a; the id of the second
