import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truing.core.errors import ConfigError
from truing.core.records import Message, user
from truing.rewards.rules import RULES
from truing.rewards.types import Failed, Item

from ..tables import each

SMALLEST: dict[str, dict[str, Any]] = {  # options of the rules that need some
    "regex": {"pattern": "a+b"},
    "keywords": {"words": ["a"]},
    "length": {"high": 10},
}


def score(name: str, response: str, *, item: dict[str, Any] | None = None, **options: Any) -> float | Failed:
    fields = {"prompt": user("Why?"), **(item or {})}
    return RULES[name](Item(response=response, **fields), **options)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(RULES)),
    st.text(max_size=80),
    st.none() | st.text(max_size=20),
    st.none() | st.integers(0, 9),
)
def test_any_response_gets_a_number_or_a_reason(name: str, response: str, reference: str | None, tokens: int):
    found = score(name, response, item={"reference": reference, "tokens": tokens}, **SMALLEST.get(name, {}))
    assert isinstance(found, Failed) or -1.0 <= found <= 1.0


@each("name", sorted(RULES))
@each(
    "text",
    ["[" * 1_000_000, "`" * 1_000_001, "$a" * 500_000, "```" * 300_001, "啊" * 350_000, "a " * 500_000],
    ids=lambda text: text[:9],
)
def test_a_megabyte_takes_about_a_second(name: str, text: str):
    start = time.process_time()
    score(name, text, item={"reference": "5", "tokens": 1}, **SMALLEST.get(name, {}))
    assert time.process_time() - start < 1.5


@pytest.mark.parametrize("name", ["exact_match", "numeric", "math"])
def test_a_row_without_a_reference_has_no_reward(name: str):
    """Whatever the response says: else only the right answers would count."""
    for reference in (None, "", "  "):
        assert isinstance(score(name, "5", item={"reference": reference}), Failed)


@pytest.mark.parametrize("name", ["exact_match", "numeric", "math"])
def test_a_response_without_an_answer_is_wrong(name: str):
    for response in ("", "<think>5", "<think>5</think>"):
        assert score(name, response, item={"reference": "5"}) == 0.0


@each(
    ("name", "response", "reference", "expected"),
    [
        ("exact_match", "The answer is Paris.", "paris", 1.0),
        ("exact_match", "Paris", "Lyon", 0.0),
        ("exact_match", "<think>Lyon</think><answer>Paris</answer>", "Paris", 1.0),
        ("numeric", "So she pays $1,250 in all.", "Working.\n#### 1250", 1.0),
        ("numeric", r"\boxed{\frac{1}{2}}", "0.5", 1.0),
        ("numeric", "35%", "35", 1.0),
        ("numeric", "35%", "0.35", 1.0),
        ("numeric", "35%", "0.36", 0.0),
        ("numeric", "no number", "5", 0.0),
        ("math", r"Thus $x = \frac{2}{4}$.", "0.5", 1.0),
        ("math", r"\boxed{(x+1)^2}", "x^2+2x+1", 1.0),
        ("math", "I think it is 12.", "12", 1.0),
        ("math", "x < 5", "5", 1.0),  # prose around a number: the last one counts
    ],
)
def test_answers(name: str, response: str, reference: str, expected: float):
    assert score(name, response, item={"reference": reference}) == expected


def test_options_of_answers():
    item = {"reference": "Paris"}
    assert score("exact_match", "paris", item=item, ignore_case=False) == 0.0
    assert score("numeric", "35%", item={"reference": "35"}, percent="fraction") == 0.0
    assert score("numeric", "3.14", item={"reference": "3.14159"}, tolerance=0.01) == 1.0


def test_an_unreadable_reference_fails_whatever_the_response_says():
    for response in ("x < 5", "6"):
        found = score("math", response, item={"reference": r"\begin{pmatrix} a & b \end{pmatrix}"})
        assert isinstance(found, Failed)
        assert "pmatrix" in found.reason
    assert isinstance(score("numeric", "5", item={"reference": "five"}), Failed)


def test_regex_finds_and_gives_up_in_time():
    assert score("regex", "say aab", pattern="a+b$") == 1.0
    assert score("regex", "say AAB", pattern="a+b$") == 0.0
    start = time.process_time()
    found = score("regex", "a" * 5_000 + "!", pattern=r"(a|aa)+$")
    assert found == Failed("the pattern took longer than 1 s")
    assert time.process_time() - start < 2


def test_keywords():
    assert score("keywords", "Bread and BUTTER", words=["bread", "butter"]) == 1.0
    assert score("keywords", "Bread", words=["bread", "butter"]) == 0.0
    assert score("keywords", "Bread", words=["bread", "butter"], need="any") == 1.0
    assert score("keywords", "Bread", words=["bread", "butter"], need="share") == 0.5
    assert score("keywords", "Bread", words=["wine"], absent=True) == 1.0
    assert score("keywords", "<think>bread</think>wine", words=["bread"]) == 0.0
    row = {"columns": {"asked": ["bread"], "one": "wine", "bad": 3}}
    assert score("keywords", "Bread", item=row, column="asked") == 1.0
    assert score("keywords", "Bread", item=row, column="one") == 0.0
    assert isinstance(score("keywords", "Bread", item=row, column="bad"), Failed)
    assert isinstance(score("keywords", "Bread", item=row, column="none"), Failed)
    with pytest.raises(ConfigError, match="either words or the column"):
        score("keywords", "Bread")


def test_format():
    good = "<think>\nwhy\n</think>\n<answer>because</answer>"
    assert score("format", good) == 1.0
    assert score("format", good.removeprefix("<think>"), opened=True) == 1.0
    for bad in (
        "because",
        "Well: " + good,
        good + " Bye",
        good.replace("\n<answer>", " and <answer>"),
        good + good,
        "<answer>a</answer><think>b</think>",
        "<think>a<answer>b</think>c</answer>",
    ):
        assert score("format", bad) == 0.0
    assert score("format", "<think>a</think> b", partial=True) == 0.5
    assert score("format", "<plan>a</plan><do>b</do>", names=["plan", "do"]) == 1.0


@pytest.mark.parametrize(
    ("response", "expected"),
    [("好的，今天天气很好", 1.0), ("OK 好", 0.5), ("fine then", 0.0), ("42", 1.0), ("", 1.0)],
)
def test_language_is_a_share_of_words(response: str, expected: float):
    assert score("language", response, language="zh") == expected


def test_language_of_the_prompt_and_without_code():
    zh = {"prompt": (Message("system", "You help."), Message("user", "用 Python 怎么写排序？"))}
    text = "用 `sorted(x)`：\n```python\nresult = sorted(items)\n```\n见 $f(x)$ 和 \\alpha"
    assert score("language", text, item=zh) == 1.0
    assert score("language", "Like this", item=zh) == 0.0
    assert score("language", "Like this") == 1.0


def test_repetition_by_hand():
    """a b a b a: aba bab aba, of which one is there before: a third of -1."""
    assert score("repetition", "a b a b a") == pytest.approx(-1 / 3)
    assert score("repetition", "a b") == 0.0
    assert score("repetition", "a a a", ngram_size=1, max_penalty=-0.3) == pytest.approx(-0.2)
    assert score("repetition", "好好好好好") == pytest.approx(-2 / 3)


def test_length():
    def of(tokens: int, **options: Any) -> float | Failed:
        return score("length", "a b c", item={"tokens": tokens}, **options)

    assert [of(n, low=2, high=4) for n in (1, 2, 4, 5)] == [0, 1, 1, 0]
    assert [of(n, high=4, margin=3) for n in (4, 5, 6, 7, 8, 9)] == [1, 0.75, 0.5, 0.25, 0, 0]
    assert score("length", "a b c", high=3, unit="words") == 1.0
    assert isinstance(score("length", "a b c", high=3), Failed)
    with pytest.raises(ConfigError, match="low 5 above high 4"):
        of(1, low=5, high=4)


def test_soft_overlong_is_equation_13():
    """L_max 10, L_cache 4: free up to 6, (6 - n) / 4 up to 10, -1 beyond."""
    found = [
        score("soft_overlong", "", item={"tokens": n}, max_length=10, cache_length=4) for n in range(5, 13)
    ]
    assert found == [0, 0, -0.25, -0.5, -0.75, -1, -1, -1]
    assert isinstance(score("soft_overlong", ""), Failed)


def test_json_schema():
    schema = {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "integer"}}}
    assert score("json_schema", '{"answer": 5}', schema=schema) == 1.0
    assert score("json_schema", '```json\n{"answer": 5}\n```', schema=schema) == 1.0
    assert score("json_schema", '<think>so</think>{"answer": 5}', schema=schema) == 1.0
    for bad in ('{"answer": "5"}', '{"answer": 5} ok', "{}", "", "[" * 100_000, '{"answer": NaN}'):
        assert score("json_schema", bad, schema=schema) == 0.0
    row = {"columns": {"shape": json.dumps(schema), "bad": "{", "worse": {"type": "nothing"}, "number": 3}}
    assert score("json_schema", '{"answer": 5}', item=row, column="shape") == 1.0
    for column in ("bad", "worse", "number", "none"):
        assert isinstance(score("json_schema", "5", item=row, column=column), Failed)


def test_json_without_a_schema_and_schemas_that_are_none():
    assert score("json_schema", "[1]") == 1.0
    assert score("json_schema", "[1") == 0.0
    with pytest.raises(ConfigError, match="not a JSON Schema"):
        score("json_schema", "5", schema={"type": "nothing"})
    with pytest.raises(ConfigError, match="not both"):
        score("json_schema", "5", schema={}, column="shape")
    with pytest.raises(ConfigError, match="refers to what it does not hold"):
        score("json_schema", "5", schema={"$ref": "http://localhost:9/schema.json"})
