import pytest
from hypothesis import given
from hypothesis import strategies as st

from truing.text.overlap import SHINGLE, Known, repeats, runs, spelled

QUESTION = "How tall is the tower of the old town hall in Fenwick, measured in the year it was built?"


@pytest.mark.parametrize(
    ("asked", "text", "found"),
    [
        (QUESTION, f"Tell me. {QUESTION.upper()}", True),
        (
            QUESTION,
            "How tall is the tower of the old town hall in Fenwick, measured today?",
            True,
        ),  # 13 words
        (QUESTION, "How tall is the tower of the town hall in Fenwick?", False),
        ("How do I bake bread?", "Please say: how do I bake bread", True),
        ("How do I bake bread?", "How do I bake rye bread?", False),
        ("Why?", "Why? Because it rains in the valley.", False),  # too short to know
        ("青石基金成立于哪一年", "请问青石基金成立于哪一年？", True),
        ("ＡＢ１２ one two three four", "ab12 one two three four five", True),
    ],
)
def test_a_known_text_is_found(asked: str, text: str, found: bool):
    assert Known([asked]).in_text(text) is found


def test_nothing_is_known_of_no_texts():
    assert not Known([]).in_text(QUESTION)


def test_near_repeats_point_to_the_first():
    texts = [QUESTION, "something else altogether here", QUESTION + " Say.", QUESTION]
    assert repeats(texts, 0.8) == {2: 0, 3: 0}
    assert repeats(texts, 1.0) == {3: 0}


def brute(texts: list[str], least: float) -> dict[int, int]:
    sets = [set(runs(spelled(text), SHINGLE)) or {tuple(spelled(text))} for text in texts]
    found: dict[int, int] = {}
    for place, own in enumerate(sets):
        for other in range(place):
            if other not in found and len(own & sets[other]) / len(own | sets[other]) >= least:
                found[place] = other
                break
    return found


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=9).map(" ".join), max_size=12),
    st.sampled_from([0.2, 0.5, 0.75, 1.0]),
)
def test_the_index_misses_no_pair(texts: list[str], least: float):
    assert repeats(texts, least) == brute(texts, least)
