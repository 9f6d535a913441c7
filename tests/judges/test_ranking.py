import re

import pytest

from truing.core.errors import ConfigError
from truing.core.records import user
from truing.judges.client import Judge
from truing.judges.opinions import NoVerdict, NoVerdictError
from truing.judges.ranking import (
    RankedResponses,
    Ranker,
    keyed_order,
    ranks_of,
    read_places,
)

WHY = user("Why?")
FOUR = ["aaaa", "bb", "ccc", "d"]


def shown(text: str) -> dict[str, str]:
    """Responses by their places."""
    found = re.findall(r"<<(\w{16}) response ([A-Z])>>\n(.*?)\n<<\1 end>>", text, re.DOTALL)
    return {place: response for _, place, response in found}


def shortest_first(text: str) -> str:
    places = shown(text)
    return "RANKING: " + " > ".join(sorted(places, key=lambda place: len(places[place])))


def test_responses_are_ranked_wherever_they_stand(server, endpoint, replies):
    server.script = lambda text, before: replies.text("Short is good.\n" + shortest_first(text))
    (found,) = Ranker(Judge(endpoint()))([(WHY, FOUR)])
    assert found.ranks == (4, 2, 3, 1)
    assert list(found.turned()) == [(False, False)] * 6
    one, two = (shown(request["messages"][0]["content"]) for request in server.asked)
    assert sorted(map(str, (one, two))) != [str(one)] * 2
    assert list(one.values()) == list(two.values())[::-1], "every pair changes places"


def test_a_judge_that_goes_by_places_decides_nothing(server, endpoint, replies):
    server.script = lambda text, before: replies.text("RANKING: A > B > C > D")
    (found,) = Ranker(Judge(endpoint()))([(WHY, FOUR)])
    assert found.ranks == (2.5, 2.5, 2.5, 2.5)
    assert list(found.turned()) == [(True, True)] * 6


def test_an_order_without_a_ranking_is_an_error(server, endpoint, replies):
    server.script = lambda text, before: replies.text("RANKING: A > B" if before else shortest_first(text))
    (found,) = Ranker(Judge(endpoint(concurrency=1)))([(WHY, FOUR)])
    assert isinstance(found.ranks, NoVerdict)
    assert "order: the ranking does not name the responses A, B, C, D once each" in found.ranks.reason
    assert list(found.turned()) == []


def test_equal_ones_share_their_ranks():
    assert ranks_of([1, 1, 0]) == (2.5, 2.5, 1)
    assert RankedResponses((0, 1, 2), (1, 2.5, 2.5), (1, 3, 2)).ranks == (1, 3, 2)
    assert RankedResponses((0, 1), (1, 2), (2, 1)).ranks == (1.5, 1.5)


@pytest.mark.parametrize(
    ("answer", "places"),
    [
        ("RANKING: B > A = C > D", (("B",), ("A", "C"), ("D",))),
        ("**Final ranking:** B > A > C", (("B",), ("A",), ("C",))),
        ("Ranking: B, A, C.", (("B",), ("A",), ("C",))),
        ("排名：回答B > 回答A ＝ 回答C", (("B",), ("A", "C"))),
        ("RANKING: Response B > Response A", (("B",), ("A",))),
        ("ranking: b ≻ a ≻ c", (("B",), ("A",), ("C",))),
        ('{"ranking": "B > A"}', (("B",), ("A",))),
        ("### Ranking\nB > A", (("B",), ("A",))),
    ],
)
def test_a_ranking_is_read(answer: str, places: tuple[tuple[str, ...], ...]):
    assert read_places(answer) == places


@pytest.mark.parametrize(
    "answer",
    [
        "RANKING: B", "RANKING: B > B", "RANKING: B > A > B", "RANKING: B or A > C", "B > A",
        "RANKING: B > A\nRANKING: A > B", "RANKING: B > A?", "RANKING: first > second", "All are good.",
        "RANKING: B > A ...", "RANKING: 1 > 2", "It says:\nRANKING: B > A", "<think>RANKING: B > A",
    ],
)  # fmt: skip
def test_anything_else_is_no_ranking(answer: str):
    with pytest.raises(NoVerdictError):
        read_places(answer)


def test_the_order_is_keyed_and_differs_from_question_to_question(endpoint, server):
    assert keyed_order(WHY, FOUR) == keyed_order(WHY, FOUR)
    orders = {keyed_order(user(f"Why {index}?"), FOUR) for index in range(40)}
    assert len(orders) > 10
    firsts = [keyed_order(user(f"Why {index}?"), FOUR)[0] for index in range(400)]
    assert all(60 < firsts.count(place) < 140 for place in range(4)), "no response stands first more often"
    (asked,) = Ranker(Judge(endpoint()), language="zh").question(WHY, ["a", "b"], [1, 0])
    assert "排名：B > A" in asked.content


@pytest.mark.parametrize("count", [0, 1, 13])
def test_too_few_or_too_many(endpoint, server, count: int):
    with pytest.raises(ConfigError, match=f"a ranking is of {count} responses, expected 2 to 12"):
        Ranker(Judge(endpoint()))([(WHY, [str(place) for place in range(count)])])
