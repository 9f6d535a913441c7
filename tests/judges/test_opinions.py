from truing.core.records import user
from truing.judges.opinions import NoVerdict, NoVerdictError, PassingError, counted


def test_a_passing_error_is_of_one_question_and_says_how_long_to_wait():
    error = PassingError("429 slow down", 3.0)
    assert isinstance(error, NoVerdictError)
    assert (str(error), error.wait) == ("429 slow down", 3.0)


def test_reasons_that_are_equal_are_one():
    assert NoVerdict("the answer is empty") == NoVerdict("the answer is empty")


def test_a_counted_asker_tells_of_each_question_that_ends():
    class Echo:
        def ask(self, questions, read, tick):
            return [(tick(), read(question[0].content))[1] for question in questions]

    seen: list[tuple[int, int]] = []
    asker = counted(Echo(), lambda *told: seen.append(told), 3)
    assert asker.ask([user("a"), user("b")], str.upper) == ["A", "B"]
    assert asker.ask([user("c")], str.upper) == ["C"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
