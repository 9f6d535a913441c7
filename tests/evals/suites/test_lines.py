"""Lines of the shipped data files: checked one by one, each with its place."""

from dataclasses import dataclass

import pytest

from truing.core.errors import DataError
from truing.evals.suites.lines import parse_lines, read_lines, refuse_repeats


@dataclass
class Pair:
    """A record of two texts."""

    one: str
    two: str


def test_every_line_becomes_a_record():
    assert parse_lines(['{"one": "a", "two": "b"}'], "x.jsonl", Pair, "a pair") == [Pair("a", "b")]
    assert len(read_lines("ordinary.jsonl")) > 10


@pytest.mark.parametrize("line", ['{"one": "a"}', '{"one": "a", "two": "b", "three": "c"}', "{broken", "[1]"])
def test_a_bad_line_is_told_with_its_place_and_keys(line: str):
    with pytest.raises(DataError, match=r"^x\.jsonl:2: ") as caught:
        parse_lines(['{"one": "a", "two": "b"}', line], "x.jsonl", Pair, "a pair")
    assert caught.value.hint == "a pair is a JSON object of one, two"


def test_texts_that_differ_in_case_alone_are_one():
    refuse_repeats(["a b", "a c"], "prompt", "x.jsonl")
    with pytest.raises(DataError, match=r"x\.jsonl: the prompt 'A  b' is there twice"):
        refuse_repeats(["a b", "A  b"], "prompt", "x.jsonl")
