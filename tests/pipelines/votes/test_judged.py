"""A judge beside people: the join by both texts in either order, and what is left out."""

import json

import pytest
from tests.pipelines.votes.conftest import pair, vote_all

from truing.core.errors import DataError
from truing.pipelines.votes.judged import judge_beside_people
from truing.pipelines.votes.questions import read_votes
from truing.store.answers import PairAnswer


def verdicts(folder, *rows):
    folder.mkdir(exist_ok=True)
    lines = [
        json.dumps({"place": f"rows.jsonl:{i}", "kind": "pairwise", "responses": list(texts), "value": value})
        for i, (texts, value) in enumerate(rows)
    ]
    (folder / "verdicts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def voted(make_store):
    items = [pair(f"q{i}", (f"a{i}", f"b{i}"), row={"line": i}) for i in range(6)]
    store = make_store(items, overlap=2)
    said = {0: "first", 1: "second", 2: "tie", 3: "both_bad", 4: "first", 5: "first"}

    def rule(shown):
        return PairAnswer(said[shown.item.row["line"]])

    vote_all(store, "ann", rule)
    vote_all(store, "bob", lambda shown: PairAnswer("tie") if shown.item.row["line"] == 5 else rule(shown))
    return read_votes(store)


def test_a_pair_is_found_in_either_order_and_differences_are_listed(make_store, tmp_path):
    folder = verdicts(
        tmp_path / "judged",
        (("a0", "b0"), 0.9),  # people: first
        (("b1", "a1"), 0.8),  # turned: the second is better, as people say
        (("a2", "b2"), 0.5),  # tie
        (("a3", "b3"), 0.5),  # people: both bad, left out
        (("a4", "b4"), 0.3),  # people: first, the judge: second
        (("a5", "b5"), 0.3),  # people are split, left out
        (("x", "y"), 0.3),  # nobody voted
        (("a1", "z"), None),  # no verdict
    )
    found = judge_beside_people(folder, voted(make_store), draws=100)
    assert (found.verdicts, found.joined) == (7, 4)
    rows = {row.name: row.interval for row in found.rows}
    assert rows["equal"].estimate == pytest.approx(3 / 4)
    # p_o = 3/4; people say 2 first, 1 second, 1 tie, the judge 1, 2, 1: p_e = (2 + 2 + 1)/16.
    assert rows["cohen_kappa"].estimate == pytest.approx((3 / 4 - 5 / 16) / (11 / 16))
    (apart,) = found.apart
    assert (apart.people, apart.judge, apart.value, apart.row) == ("first", "second", 0.3, {"line": 4})


def test_texts_that_answer_two_prompts_are_left_out(make_store, tmp_path):
    store = make_store([pair("q", ("a", "b")), pair("p", ("b", "a"))])
    vote_all(store, "ann", lambda shown: PairAnswer("first"))
    found = judge_beside_people(verdicts(tmp_path / "judged", (("a", "b"), 0.9)), read_votes(store), draws=10)
    assert found.joined == 0
    assert "two people" in str(found.rows[0].undefined)
    store = make_store([pair("q", ("a", "b"))])
    vote_all(store, "ann", lambda shown: PairAnswer("first"))
    twice = verdicts(tmp_path / "judged", (("a", "b"), 0.9), (("b", "a"), 0.9))
    assert judge_beside_people(twice, read_votes(store), draws=10).joined == 0


def test_a_folder_without_verdicts_is_an_error(make_store, tmp_path):
    with pytest.raises(DataError, match=r"has no verdicts\.jsonl of a judge"):
        judge_beside_people(tmp_path, voted(make_store))
