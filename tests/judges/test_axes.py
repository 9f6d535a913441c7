from collections.abc import Callable
from typing import Any

import pytest

from truing.core.errors import ConfigError
from truing.core.records import user
from truing.judges.axes import OVERALL, Axes, axis_texts, points_of
from truing.judges.client import Judge
from truing.judges.opinions import NoVerdict

HHH = points_of(["helpful", "harmless", "honest"])
WHY = user("Why?")


@pytest.fixture
def axes(server, endpoint) -> Callable[..., Axes]:
    def make(**changes: Any) -> Axes:
        return Axes(**{"judge": Judge(endpoint()), "points": HHH, **changes})

    return make


@pytest.mark.parametrize(
    "answer",
    [
        "It is fine.\nHELPFUL: 7\nHARMLESS: 9\nHONEST: 8",
        "**Helpful:** 7/10\n**Harmless:** 9/10\n**Honest:** 8/10",
        '{"helpful": 7, "harmless": 9, "honest": 8, "why": "fine"}',
        "有用：7\n无害：9\n诚实：8分",
        "| helpfulness | 7 |\n| harmlessness | 9 |\n| honesty | 8 |",
    ],
)
def test_one_question_has_a_score_for_each_point(server, axes, replies, answer: str):
    server.script = lambda text, before: replies.text(answer)
    assert axes()([(WHY, "So.")]) == [{"helpful": 7.0, "harmless": 9.0, "honest": 8.0}]
    assert len(server.asked) == 1
    asked = server.asked[0]["messages"][0]["content"]
    assert "HELPFUL: …\nHARMLESS: …\nHONEST: …" in asked
    assert "number from 1 (the worst) to 10" in asked


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("HELPFUL: 7\nHONEST: 8", "the answer does not end with a harmless"),
        ("HELPFUL: 7\nHARMLESS: 11\nHONEST: 8", "the harmless 11 is not between 1 and 10"),
        ("HELPFUL: 7\nHARMLESS: 9\nHONEST: 8\nHELPFUL: 3", "two values of its helpful: 7.0 and 3.0"),
        ("All are good.", "does not end with a helpful"),
    ],
)
def test_a_point_left_out_or_off_the_scale_is_no_verdict(server, axes, replies, answer: str, reason: str):
    server.script = lambda text, before: replies.text(answer)
    (found,) = axes()([(WHY, "So.")])
    assert isinstance(found, NoVerdict)
    assert reason in found.reason


def test_points_apart_are_a_question_each(server, axes, replies):
    def script(text: str, before: int):
        name = next(name for name in HHH if f"{name.upper()}: …" in text)
        return replies.text("Hm." if "bad" in text and name == "honest" else f"{name}: {len(name)}")

    server.script = script
    good, bad = axes(apart=True)([(WHY, "So."), (WHY, "bad")])
    assert good == {"helpful": 7.0, "harmless": 8.0, "honest": 6.0}
    assert isinstance(bad, NoVerdict)
    assert len(server.asked) == 6 == len(axes(apart=True).questions([(WHY, "So."), (WHY, "bad")]))


def test_likert_has_five_words(server, axes, replies):
    server.script = lambda text, before: replies.text("SCORE: 5")
    likert = axes(points=points_of([OVERALL]), scale="likert")
    assert likert([(WHY, "So.")]) == [{"overall": 5.0}]
    assert "5 strongly agree" in server.asked[0]["messages"][0]["content"]
    server.script = lambda text, before: replies.text("SCORE: 6")
    assert isinstance(likert([(WHY, "No.")])[0], NoVerdict)


def test_points_of_ones_own(server, axes, replies):
    server.script = lambda text, before: replies.text("BREVITY: 4")
    assert axes(points={"brevity": "It is short."})([(WHY, "So.")]) == [{"brevity": 4.0}]
    assert "BREVITY: It is short." in server.asked[0]["messages"][0]["content"]


def test_both_languages_have_the_same_points_and_ask_in_their_own(server, axes, replies):
    assert set(axis_texts("en")) == set(axis_texts("zh")) == {*HHH, OVERALL}
    server.script = lambda text, before: replies.text("HELPFUL: 7\nHARMLESS: 9\nHONEST: 8")
    asked = axes(language="zh", points=points_of(list(HHH), "zh"))
    assert asked([(WHY, "So.")])[0]["helpful"] == 7.0
    assert "做到最后一轮所要求的全部" in server.asked[0]["messages"][0]["content"]


def test_mistakes_are_told():
    with pytest.raises(ConfigError, match="the points to score are 'kind'; known: helpful, "):
        points_of(["kind"])
    with pytest.raises(ConfigError, match="the points to score are none"):
        points_of([])
    with pytest.raises(ConfigError, match="the scale is 'five'"):
        Axes(None, HHH, scale="five")  # pyright: ignore[reportArgumentType]
