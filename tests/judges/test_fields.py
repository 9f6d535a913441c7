"""The values that judges are asked for."""

import pytest

from truing.judges.fields import Verdict, as_verdict, as_yes, score_field
from truing.judges.opinions import NoVerdictError


def test_a_verdict_is_a_place_or_a_tie():
    assert [as_verdict(text) for text in ("A", "the response b", "\u56de\u7b54A", "Tie", "\u5e73\u5c40")] == [
        Verdict.FIRST, Verdict.SECOND, Verdict.FIRST, Verdict.TIE, Verdict.TIE,
    ]  # fmt: skip
    assert as_verdict("C") is None and as_verdict("both A and B") is None


def test_yes_and_no_have_many_words():
    assert all(as_yes(text) is True for text in ("yes", "MET", "\u662f", "\u2713"))
    assert all(as_yes(text) is False for text in ("no", "not met", "\u5426", "\u2717"))
    assert as_yes("perhaps") is None


def test_a_score_lies_on_its_scale():
    read = score_field("score", "score", 0, 10).value
    assert [read(text) for text in ("7", "7/10", "7.5 points", "8 out of 10")] == [7, 7, 7.5, 8]
    assert read("seven") is None and read("7/5") is None
    for text in ("11", "-1", "nan"):
        with pytest.raises(NoVerdictError, match="is not between 0 and 10"):
            read(text)
