"""JSON in a text against a schema: what is allowed, what is no JSON, and what is no schema."""

import pytest

from truing.text.json_schema import BadSchemaError, matches_schema

PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def test_a_text_is_held_against_its_schema():
    for text in ('{"age": 3}', '```json\n{"age": 3}\n```', '```\n{"age": 3}\n```\n'):
        assert matches_schema(text, PERSON) and matches_schema(text, '{"type": "object"}')
    for text in ('{"age": "3"}', "{}", "[3]", 'I say: {"age": 3}', '{"age": NaN}', "", "[" * 100_000):
        assert not matches_schema(text, PERSON)


def test_without_a_schema_any_json_will_do():
    assert matches_schema("3", None) and not matches_schema("three", None)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("{broken", "is not JSON"),
        ([1], "a schema is an object, this is list"),
        ({"type": "persn"}, "not a JSON Schema"),
        ({"$ref": "https://example.org/x.json"}, "refers to what it does not hold"),
    ],
)
def test_what_is_no_schema_is_told_and_nothing_is_fetched(schema: object, said: str):
    with pytest.raises(BadSchemaError, match=said):
        matches_schema("{}", schema)
