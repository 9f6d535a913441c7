"""The format of a file is that of most rows, and the one that needs most keys."""

import pytest

from truing.core.errors import DataError
from truing.data.detect import detect

PAIR = {"prompt": "a", "chosen": "b", "rejected": "c"}


def test_a_few_rows_without_a_key_do_not_change_the_format():
    whole = detect([PAIR] * 3)
    assert detect([PAIR, PAIR, {"prompt": "a", "chosen": "b"}]) is whole
    assert detect([{"prompt": "a"}] * 2) is not whole


def test_rows_of_no_format_are_told_with_the_nearest():
    with pytest.raises(DataError, match="rows have `prompt` and `chosen` but no `rejected`") as caught:
        detect([{"prompt": "a", "chosen": "b", "note": 1}] * 2)
    assert "the nearest format is" in caught.value.hint
    with pytest.raises(DataError, match="most rows have the keys colour"):
        detect([{"colour": "red"}] * 2)
