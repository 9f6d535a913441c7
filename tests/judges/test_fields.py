import pytest

from truing.judges.fields import Verdict, as_verdict, as_yes, score_field
from truing.judges.opinions import NoVerdictError


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("a", Verdict.FIRST), ("Response B", Verdict.SECOND), ("回答B", Verdict.SECOND), ("a tie", Verdict.TIE),
     ("平手", Verdict.TIE), ("C", None), ("neither", None), ("A B", None), ("", None)],
)  # fmt: skip
def test_a_verdict(text: str, verdict: Verdict | None):
    assert as_verdict(text) is verdict


@pytest.mark.parametrize(
    ("text", "met"), [("Yes", True), ("是", True), ("not met", False), ("不满足", False), ("maybe", None)]
)
def test_a_yes(text: str, met: bool | None):
    assert as_yes(text) is met


def test_a_score_is_on_its_own_scale():
    field = score_field("kind", "kind", 1, 5)
    assert [field.value(text) for text in ("4", "4/5", "4 out of 5", "4/10", "four")] == [4, 4, 4, None, None]
    for text in ("0", "6", "nan"):
        with pytest.raises(NoVerdictError, match=r"the kind .* is not between 1 and 5"):
            field.value(text)
