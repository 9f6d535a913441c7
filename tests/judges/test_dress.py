"""A line without its dress, and what changes the meaning stays."""

from truing.judges.dress import boxed, folded, plain, unwrapped


def test_markdown_and_full_width_signs_are_dress():
    for line in (
        "## **Verdict**: A",
        "- Verdict: A",
        "| Verdict | A |",
        "\uff36erdict\uff1a A",
        "`Verdict: A`",
    ):
        assert plain(line) == "Verdict: A", line
    assert folded("\u200bA\u3000B") == "A B"


def test_brackets_and_one_full_stop_are_dress():
    for value in ('"A"', "\u300cA\u300d", "[[A]]", "(A).", "$\\boxed{A}$", "<b>A</b>"):
        assert unwrapped(value) == "A", value


def test_what_changes_the_meaning_stays():
    for value in ("~~A~~", "A?", "A\u2026", "> A"):
        assert unwrapped(plain(value)) != "A", value


def test_a_box_is_the_whole_line():
    assert boxed("[[A]].") == boxed("<answer> A </answer>") == "A"
    assert boxed("so [[A]]") is None
