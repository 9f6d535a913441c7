import pytest

from truing.judges.dress import boxed, plain, unwrapped


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("## **Verdict**：A", "Verdict:A"),
        ("- `SCORE`:  7 ", "SCORE: 7"),
        ("| Score | 7/10 |", "Score: 7/10"),
        ("＿Ａ＿", "A"),
        ("snake_case: A", "snake_case: A"),
        ("> A", "> A"),
        ("~~A~~", "~~A~~"),
    ],
)
def test_a_line_without_markdown(line: str, bare: str):
    assert plain(line) == bare


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        ("A.", "A"),
        ("「A」。", "A"),
        (r"$\boxed{\text{A}}$", "A"),
        ("[[A]]", "A"),
        ("<b>A</b>!", "A"),
        ("A...", "A..."),
        ("A?", "A?"),
        ("[A] or [B]", "A] or [B"),
    ],
)
def test_a_value_without_what_stands_around_it(value: str, bare: str):
    assert unwrapped(value) == bare


@pytest.mark.parametrize(
    ("line", "inside"),
    [("[[A]]", "A"), (r"\boxed{A}.", "A"), ("<answer> A </answer>", "A"), ("so [[A]]", None), ("A", None)],
)
def test_a_box_is_a_line_of_its_own(line: str, inside: str | None):
    assert boxed(line) == inside
