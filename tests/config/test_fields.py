"""The kinds of values that options share accept their range and nothing else."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from truing.config.fields import Count, NonEmpty, Portion, Tokens

CASES: list[tuple[Any, list, list]] = [
    (NonEmpty, ["a"], ["", 3]),
    (Tokens, [1, 512], [0, -1]),
    (Count, [0, 7], [-1]),
    (Portion, [0, 0.5, 1], [-0.1, 1.1]),
]


def test_each_kind_has_its_range():
    for kind, good, bad in CASES:
        adapter = TypeAdapter(kind)
        assert [adapter.validate_python(one) for one in good] == good
        for one in bad:
            with pytest.raises(ValidationError):
                adapter.validate_python(one)
