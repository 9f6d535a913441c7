"""Log-probabilities of the token that states a value become probabilities of the values."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.core.records import user
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.pairwise import TEMPLATE, Comparison, Pairwise, Verdict, read_template
from truing.judges.pointwise import TEMPLATE as SCORING
from truing.judges.pointwise import Pointwise
from truing.judges.pointwise import read_template as read_scoring

from ..serving import Reply
from .said import said

MakeEndpoint = Callable[..., Endpoint]


def tokens(*words: str, **top: float) -> dict[str, Any]:
    """Log-probabilities of an answer in `words`; `top` are probabilities beside the last word but one."""
    content = [{"token": word, "logprob": -0.01, "top_logprobs": []} for word in words]
    chosen = content[-1]
    chosen["logprob"] = math.log(top[words[-1].strip()])
    chosen["top_logprobs"] = [{"token": " " + word, "logprob": math.log(p)} for word, p in top.items()]
    return {"content": content}


def weighed(*words: str, **top: float) -> Reply:
    return said("".join(words), logprobs=tokens(*words, **top))


def compare(judge: Judge) -> Comparison:
    (found,) = Pairwise(judge, "Be kind.", read_template(TEMPLATE))([(user("Why?"), "good", "bad")])
    return found


def test_a_verdict_is_as_sure_as_its_token_in_both_orders(server, endpoint: MakeEndpoint, tmp_path: Path):
    """a first: P(A) .6, a tie .2, of .8 that are values: .875. b first: P(A) .3, which is .7 for a."""

    def script(text: str, before: int) -> Reply:
        if "response A>>\ngood" in text:
            return weighed("A", " is kinder.\n", "VERDICT", ":", " A", A=0.6, T=0.2, The=0.2)
        return weighed("VERDICT", ":", " B", A=0.3, B=0.7)

    server.script = script
    cache = AnswerCache(tmp_path / "answers.sqlite")
    found = compare(Judge(endpoint(top_logprobs=5), cache))
    assert (found.a_first, found.b_first, found.opinion) == (Verdict.FIRST, Verdict.SECOND, 1.0)
    assert found.a_first_wins == pytest.approx((0.6 + 0.1) / 0.8)
    assert found.probability == pytest.approx((0.875 + 0.7) / 2)
    assert server.asked[0]["logprobs"] is True
    assert server.asked[0]["top_logprobs"] == 5
    assert compare(Judge(endpoint(top_logprobs=5), cache)) == found, "what was kept says as much"
    assert len(server.asked) == 2


def test_a_server_without_log_probabilities_gives_the_verdict_alone_and_that_is_said(
    server, endpoint: MakeEndpoint
):
    server.script = lambda text, before: said("VERDICT: A")
    judge = Judge(endpoint(top_logprobs=5))
    found = compare(judge)
    assert (found.a_first_wins, found.probability) == (None, 0.5)
    assert "gave no log-probabilities with 2 answers" in str(judge.notes())


@pytest.mark.parametrize(
    "logprobs",
    [
        {"content": [{"token": "VERDICT"}]},
        {"content": "none"},
        {"content": [{"token": "another text", "logprob": -1.0}]},
        [1, 2],
        {"tokens": ["VERDICT", ":", " A"], "token_logprobs": [0, 0, 0]},
    ],
)
def test_log_probabilities_in_another_form_are_none(server, endpoint: MakeEndpoint, logprobs: Any):
    server.script = lambda text, before: said("VERDICT: A", logprobs=logprobs)
    found = compare(Judge(endpoint(top_logprobs=5)))
    assert found == Comparison(Verdict.FIRST, Verdict.FIRST)


def test_a_token_that_is_no_choice_between_values_has_no_odds(server, endpoint: MakeEndpoint):
    server.script = lambda text, before: weighed("VERDICT", ":", " A", A=0.3, The=0.7)
    assert compare(Judge(endpoint(top_logprobs=5))).a_first_wins is None


def test_tokens_that_end_within_a_character_are_put_together(server, endpoint: MakeEndpoint):
    parts = [b"\xe7\xbb", b"\x93\xe8\xae\xba", "：".encode(), b"A"]
    content = [{"token": "?", "logprob": -0.1, "bytes": list(part)} for part in parts]
    content[-1] |= {"token": "A", "top_logprobs": [{"token": "A", "logprob": math.log(0.5)}]}
    content[-1]["top_logprobs"].append({"token": "B", "logprob": math.log(0.5)})
    content[-1]["logprob"] = math.log(0.5)
    server.script = lambda text, before: said("结论：A", logprobs={"content": content})
    assert compare(Judge(endpoint(top_logprobs=5))).a_first_wins == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("words", "top", "score"),
    [
        (("SCORE", ":", " 7"), {"7": 0.5, "9": 0.25, "8": 0.25}, 7.75),
        (("SCORE", ":", " 10"), {"10": 0.5, "1": 0.5}, 5.5),
        (("SCORE", ":", " 7"), {"7": 0.5, "99": 0.25, "x": 0.25}, 7.0),
    ],
)
def test_a_score_is_what_its_digits_expect(
    server, endpoint: MakeEndpoint, words: tuple[str, ...], top: dict[str, float], score: float
):
    server.script = lambda text, before: weighed(*words, **top)
    judge = Judge(endpoint(top_logprobs=5))
    (found,) = Pointwise(judge, "Be kind.", 1, 10, read_scoring(SCORING))([(user("Why?"), "So.")])
    assert found == pytest.approx((score - 1) / 9)
