from truing.judges.opinions import NoVerdict, NoVerdictError, PassingError


def test_a_passing_error_is_of_one_question_and_says_how_long_to_wait():
    error = PassingError("429 slow down", 3.0)
    assert isinstance(error, NoVerdictError)
    assert (str(error), error.wait) == ("429 slow down", 3.0)


def test_reasons_that_are_equal_are_one():
    assert NoVerdict("the answer is empty") == NoVerdict("the answer is empty")
