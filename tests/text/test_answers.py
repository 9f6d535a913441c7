from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truing.text.answers import Answer, final_answer, find_number, normalised, spoken

from ..tables import each


@each(
    ("text", "answer", "marked"),
    [
        (r"first \boxed{1}, then \boxed{\frac{1}{2}}.", r"\frac{1}{2}", True),
        (r"\fbox{7}", "7", True),
        (r"so \boxed 7.", "7", True),
        (r"sets: \boxed{\{1, 2\}}", r"\{1, 2\}", True),
        ("2 + 2 = 4\n#### 4\n", "4", True),
        ("The answer is 35 apples.\nBye", "35 apples.", True),
        ("**Answer:** B", "B", True),
        ("最终答案是：42", "42", True),
        ("<think>\\boxed{1}</think>\\boxed{2}", "2", True),
        ("<think>1</think><answer> 3 </answer>", "3", True),
        ("<answer>\\boxed{3}</answer>", "3", True),
        ("just 12", "just 12", False),
        (r"it never closes \boxed{12", r"it never closes \boxed{12", False),
        ("The answer depends on x.", "The answer depends on x.", False),
    ],
)
def test_final_answer(text: str, answer: str, marked: bool):
    assert final_answer(text) == Answer(answer, marked)


@pytest.mark.parametrize("text", ["", "  \n", "<think>still 5", "<think>5</think>"])
def test_no_final_answer(text: str):
    assert final_answer(text) is None


def test_spoken_is_what_follows_the_thinking():
    assert spoken("<think>a</think> b") == " b"
    assert spoken("a</think>b") == "b"  # the template wrote the opening tag
    assert spoken("<think>a") is None
    assert spoken("</answer> x <answer>") == "</answer> x <answer>"


@each(
    ("text", "number"),
    [
        ("It costs $1,234.50 in all.", Fraction(2469, 2)),
        ("-$5", -5),
        ("5-3", 3),
        ("x = -5", -5),
        ("−7", -7),
        ("３．５", Fraction(7, 2)),
        ("3 1/2 cups", Fraction(7, 2)),
        ("3½ cups", Fraction(7, 2)),
        ("3/4.", Fraction(3, 4)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        (r"1{,}234", 1234),
        ("6.02e23", 602 * 10**21),
        ("6.02 × 10²³", 602 * 10**21),
        (r"6.02 \times 10^{23}", 602 * 10**21),
        ("35 m²", 35),
        ("35 m2", 35),
        (".5", Fraction(1, 2)),
        ("3.5万亿元", 35 * 10**11),
        ("1.2 Million", 1_200_000),
        ("共35个", 35),
        ("温度-5度", -5),
    ],
)
def test_find_number(text: str, number: Fraction):
    found = find_number(Answer(text, marked=False))
    assert found is not None
    assert found.value == number
    assert not found.percent


def test_a_percentage_keeps_its_sign():
    for text in ("35.5%", r"35.5\%", "35.5 percent", "35.5％"):
        found = find_number(Answer(text, marked=True))
        assert found is not None
        assert (found.value, found.shown, found.percent) == (Fraction(71, 200), Fraction(71, 2), True)


def test_the_first_number_of_a_marked_answer_and_the_last_of_another():
    assert find_number(Answer("35 of 40", marked=True)) == find_number(Answer("40, no: 35", marked=False))


@pytest.mark.parametrize("text", ["none", "", "1/0", "9" * 500, "1e99999", "1e-99999999999"])
def test_no_number(text: str):
    assert find_number(Answer(text, marked=False)) is None


@settings(deadline=None)
@given(st.integers(-(10**30), 10**30))
def test_whole_numbers_survive_every_way_of_writing(number: int):
    for text in (str(number), f"{number:,}", f"\\boxed{{{number}}}", f"#### {number:,}"):
        answer = final_answer(text)
        assert answer is not None
        found = find_number(answer)
        assert found is not None
        assert found.value == number


@settings(deadline=None)
@given(st.fractions(max_denominator=10**6))
def test_fractions_survive(number: Fraction):
    found = find_number(Answer(f"{number.numerator}/{number.denominator}", marked=True))
    assert found is not None
    assert found.value == number


@settings(deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="0123456789.,/%eE+-^ \\{}$boxed#", max_size=200))
def test_any_text_is_taken(text: str):
    answer = final_answer(text)
    found = find_number(answer) if answer is not None else None
    assert found is None or isinstance(found.value, Fraction)


def test_normalised_passes_over_width_case_space_and_what_stands_around():
    assert normalised("  “Ｐaris”。\n") == normalised("paris") == "paris"
    assert normalised("-5") == "-5"
    assert normalised("3.14") != normalised("314")
