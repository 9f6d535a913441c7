"""The statement at the end of a judge's answer."""

import re

import pytest

from truing.judges.client import NoVerdictError
from truing.judges.reading import stated

LINE = re.compile(r"Score: (\d)")


def read(text: str):
    return stated(text, LINE, "score", lambda value: isinstance(value, float))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Good.\nScore: 4", "4"),
        ("Score: 4  \n", "4"),
        ('{"score": 4}', 4.0),
        ('Well.\n{"score": 4}', 4.0),
        ('Well.\n```json\n{"score": 4}\n```', 4.0),
        ("Well.\n```\nScore: 4\n```", "4"),
    ],
)
def test_the_last_line_block_or_object_counts(text: str, value: object):
    assert read(text) == value


@pytest.mark.parametrize(
    "text", ["", "Score: 4\nOr not.", '{"score": "4"}', '{"other": 4}', "[4]", "Score: 44", "[" * 99_999]
)
def test_anything_else_is_no_verdict_and_is_shown_short(text: str):
    with pytest.raises(NoVerdictError, match="does not end with a score") as caught:
        read(text)
    assert len(str(caught.value)) < 140
