"""Rows lost to their length or to the chat template stop a run above one in a hundred."""

from collections import Counter

import pytest

from truing.core.errors import DataError
from truing.data.limits import Rendered, require_most, require_written
from truing.data.refusals import Refusal, RefusedRowError, TurnsError


def rendered(lengths: list[int], **counts: int) -> Rendered:
    return Rendered(
        lengths=lengths, counts=Counter({name.replace("_", "-"): n for name, n in counts.items()})
    )


def test_one_in_a_hundred_may_go():
    require_most("rows.jsonl", rendered(list(range(1, 601)), too_long=6), 594)
    require_most("rows.jsonl", rendered([5] * 10, prompt_cut=10), 4)
    with pytest.raises(DataError, match="7 of 600 rows are lost"):
        require_most("rows.jsonl", rendered(list(range(1, 601)), too_long=7), 593)


def test_more_stops_with_the_length_that_keeps_99_percent():
    """Of 600 rows with 1 to 600 tokens, 594 have at most 594."""
    with pytest.raises(DataError) as caught:
        require_most("rows.jsonl", rendered(list(range(1, 601)), too_long=598), 2)
    assert str(caught.value) == (
        "rows.jsonl: 598 of 600 rows are lost with data.max_tokens 2, more than 1 % (598 too-long); "
        "the longest has 600 tokens"
    )
    assert "data.max_tokens: 594 keeps 99 %" in caught.value.hint
    assert "--bad-rows skip" in caught.value.hint


def test_rows_that_a_cut_made_equal_are_lost_and_room_for_responses_counts():
    with pytest.raises(
        DataError, match=r"2 of 4 rows .* \(2 same-after-cut\); the longest has 108"
    ) as caught:
        require_most("rows.jsonl", rendered([3, 3, 8, 8], same_after_cut=2), 104, beside=100)
    assert "data.max_tokens: 108 keeps 99 %" in caught.value.hint


def refused(lost: int, of: int) -> Rendered:
    error = TurnsError(Refusal.REFUSED, "there is no system turn in this template")
    places = [f"rows.jsonl:{number}" for number in range(1, lost + 1)]
    return Rendered(
        lengths=[5] * (of - lost), refused=[RefusedRowError(one, "chat", error) for one in places]
    )


def test_rows_that_the_template_refuses_stop_in_its_words_and_never_for_their_length():
    require_written("rows.jsonl", refused(1, of=100))
    require_written("rows.jsonl", refused(2, of=6), all_of_them=True)
    with pytest.raises(DataError) as caught:
        require_written("rows.jsonl", refused(2, of=6))
    assert str(caught.value) == (
        "rows.jsonl: the chat template cannot write 2 of 6 rows. The first:\n"
        "  rows.jsonl:1: refused: there is no system turn in this template\n"
        "  rows.jsonl:2: refused: there is no system turn in this template"
    )
    assert "system turn's words" in caught.value.hint and "--bad-rows skip" in caught.value.hint
    assert "max_tokens" not in str(caught.value) + caught.value.hint
    with pytest.raises(DataError, match="6 of 6 rows"):
        require_written("rows.jsonl", refused(6, of=6), all_of_them=True)
    assert refused(2, of=6).aside == {"refused": 2}
