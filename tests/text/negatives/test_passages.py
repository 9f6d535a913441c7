import pytest

from truing.text.negatives.passages import Alteration, Draw, Edit, edited, read_passage

TEXT = "It rose 3,500 points, he said. Did it fall? 是的，下跌了5%。"


def test_clauses_hold_every_place_and_break_no_number():
    passage = read_passage(TEXT)
    assert passage.clause(TEXT.index("500")) == "It rose 3,500 points,"
    assert passage.clause(TEXT.index("5%")) == "下跌了5%。"
    assert "".join(passage.text[start:end] for start, end in passage.clauses) == TEXT


def test_questions_and_kept_parts_are_not_free():
    passage = read_passage(TEXT + " See `x = 5`.")
    fall, code = passage.text.index("fall"), passage.text.index("x = 5")
    assert not passage.free(fall, fall + 4)
    assert not passage.free(code, code + 5)
    assert passage.free(3, 7)


def test_edits_are_made_in_any_order():
    edits = [Edit(4, 5, "c", "C!"), Edit(0, 1, "a", "")]
    assert edited("a b c", edits) == " b C!"


@pytest.mark.parametrize("edits", [[Edit(0, 1, "x", "y")], [Edit(0, 3, "a b", ""), Edit(2, 3, "b", "")]])
def test_edits_that_do_not_fit_their_text_are_a_mistake_of_ours(edits: list[Edit]):
    with pytest.raises(AssertionError):
        edited("a b c", edits)


def test_an_alteration_changes_something():
    with pytest.raises(AssertionError):
        Alteration("numbers", (Edit(0, 1, "a", "a"),))


def test_a_draw_depends_on_its_place_alone():
    passage, other = read_passage(TEXT), read_passage(TEXT, "prompt")
    first = Draw(1).at(passage, "numbers", 3).random()
    assert Draw(1).at(passage, "numbers", 3).random() == first
    others = [Draw(2).at(passage, "numbers", 3).random(), Draw(1).at(other, "numbers", 3).random()]
    assert len({first, *others}) == 3
