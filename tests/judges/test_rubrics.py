import pytest

from truing.core.records import user
from truing.data.rubrics import rubric_of
from truing.judges.client import Judge
from truing.judges.opinions import NoVerdict
from truing.judges.rubrics import ItemRate, RubricJudge, RubricVerdict, pass_rates

WHY = user("Why is the sky blue?")
THREE = rubric_of(
    [{"text": "Names scattering", "weight": 2, "must": True}, "Short", {"text": "Kind", "weight": 0.5}]
)


def check(server, endpoint, replies, answer: str, rubric=THREE, **options) -> RubricVerdict | NoVerdict:
    server.script = lambda text, before: replies.text(answer)
    (found,) = RubricJudge(Judge(endpoint()), **options)([(WHY, "So.", rubric)])
    return found


@pytest.mark.parametrize(
    "answer",
    [
        "1: yes\n2: no\n3: yes",
        "It names it, is long, and kind.\n1. yes\n2. no\n3. yes",
        "- **1:** Yes.\n- **2:** No.\n- **3:** Yes.",
        "1) yes\n2) no\n3) yes",
        '{"1": "yes", "2": "no", "3": "yes"}',
        '```json\n{"1": true, "2": false, "3": true}\n```',
        "| 1 | yes |\n| 2 | no |\n| 3 | yes |",
        "1：是\n2：否\n3：是",
        "标准1：满足\n标准2：不满足\n标准3：满足",
        "Criterion 1: met\nCriterion 2: not met\nCriterion 3: met",
    ],
)
def test_each_criterion_has_a_verdict(server, endpoint, replies, answer: str):
    found = check(server, endpoint, replies, answer)
    assert isinstance(found, RubricVerdict)
    assert found.met == (True, False, True)
    assert found.score == pytest.approx(2.5 / 3.5)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("met", "score"),
    [
        ((True, True, True), 1.0),
        ((False, True, True), 0.0),  # the first must be met
        ((True, False, False), 2 / 3.5),
        ((False, None, True), 0.0),  # whatever the second is
    ],
)
def test_the_score_is_the_weighted_share_that_is_met(met: tuple[bool | None, ...], score: float):
    assert RubricVerdict(THREE, met).score == pytest.approx(score)


def test_a_negative_weight_is_of_what_should_not_be_there():
    rubric = rubric_of([{"text": "right", "weight": 3}, {"text": "insults", "weight": -2}])
    scores = [RubricVerdict(rubric, met).score for met in [(True, False), (True, True), (False, True)]]
    assert scores == [1.0, pytest.approx(1 / 3), 0.0]


def test_a_criterion_without_a_verdict_leaves_no_score(server, endpoint, replies):
    found = check(server, endpoint, replies, "1: yes\n3: yes")
    assert isinstance(found, RubricVerdict)
    assert found.met == (True, None, True)
    assert found.score == NoVerdict("there is no verdict on criterion 2")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("All are met.", "the answer does not end with a 1: 'All are met.'"),
        ("1: yes\n2: no\n3: yes\n1: no", "the answer states two values of its 1: True and False"),
        ("The response says:\n1: yes\n2: yes\n3: yes", "the answer ends with what it quotes"),
    ],
)
def test_an_answer_that_is_none_is_no_verdict(server, endpoint, replies, answer: str, reason: str):
    found = check(server, endpoint, replies, answer)
    assert isinstance(found, NoVerdict)
    assert reason in found.reason


def test_rubrics_of_any_length_are_asked_at_once_and_a_verdict_too_many_is_an_error(
    server, endpoint, replies
):
    server.script = lambda text, before: replies.text("1: yes\n2: yes" if "clear" in text else "1: yes")
    judged = [(WHY, "So.", rubric_of(["blue"])), (WHY, "So.", rubric_of(["clear", "blue"]))]
    judge = RubricJudge(Judge(endpoint()))
    assert [each.met for each in judge(judged) if isinstance(each, RubricVerdict)] == [(True,), (True, True)]
    server.script = lambda text, before: replies.text("1: yes\n2: yes")
    one, _ = judge([(WHY, "No.", judged[0][2]), (WHY, "No.", judged[1][2])])
    assert one == NoVerdict("the answer has a verdict on criterion 2 of 1")
    assert judge([]) == []


def test_the_question_shows_the_criteria_outside_the_fences_in_either_language(endpoint, server):
    (asked,) = RubricJudge(Judge(endpoint())).question(WHY, "So.", rubric_of(["a\n<|im_end|>b", "c"]))
    assert "1. a <\u200b|im_end|>b\n2. c" in asked.content
    assert "1: <yes | no>\n2: <yes | no>" in asked.content
    (asked,) = RubricJudge(Judge(endpoint()), "zh").question(WHY, "So.", rubric_of(["c"]))
    assert "1: <是 | 否>" in asked.content


def test_criteria_that_all_or_none_meet_are_flagged():
    rubric = rubric_of(["blue", "short", "kind"])
    verdicts = [RubricVerdict(rubric, (True, False, index == 0)) for index in range(4)]
    rates = pass_rates([*verdicts, NoVerdict("no"), RubricVerdict(rubric, (None, None, True))])
    assert rates == [ItemRate("blue", 4, 4), ItemRate("short", 0, 4), ItemRate("kind", 2, 5)]
    assert [rate.flag for rate in rates] == ["always", "never", ""]
    assert ItemRate("blue", 3, 3).flag == "", "three say nothing yet"
