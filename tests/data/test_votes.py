import json
from pathlib import Path

import pytest

from truing.core.errors import DataError, UsageError
from truing.core.records import Message, user
from truing.data.load import load_records, require_files
from truing.data.votes import LEVEL, VoteChoice, read_choice, rows_of_votes
from truing.store.answers import EditAnswer, PairAnswer, RankingAnswer, SafetyAnswer, VoteAnswer
from truing.store.combining import Combining
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.votes import NewVote

from ..voted import pairs, project


def test_votes_are_read_as_preferences_with_their_doubt(tmp_path: Path):
    """Items: 1 is 2 of 3 for a; 2 is 3 of 3 for b; 3 is level; 4 is bad. Two rows are left."""
    project(tmp_path, pairs("12tb"), pairs("122b"), pairs("221b")).close()
    loaded = load_records(f"annotate:{tmp_path}/project.db")
    assert [record.prompt for record in loaded.records] == [user("q1"), user("q2")]
    assert [(r.chosen.text, r.rejected.text) for r in loaded.records] == [("1a", "1b"), ("2b", "2a")]
    assert [record.probability for record in loaded.records] == [pytest.approx(2 / 3), 1.0]
    [source] = loaded.sources
    assert (source.read, source.kept, source.unread) == (2, 2, ("annotation",))
    origin = loaded.records[0].columns["annotation"]
    assert isinstance(origin, dict)
    item = origin.pop("item")
    assert len(item) == 64
    assert origin == {
        "people": [1, 2, 3],
        "agree": 2,
        "of": 3,
        "models": ["model a", "model b"],
        "combined": "majority",
        "row": {"place": "f:1", "category": "c"},
    }
    assert loaded.records[0].category == "c"


def test_hard_labels_have_no_doubt_and_people_are_named_where_asked(tmp_path: Path):
    with project(tmp_path, pairs("1"), pairs("1"), pairs("2")) as store:
        [row], _ = rows_of_votes(store, VoteChoice("", hard=True, named=True))
    assert "chosen_probability" not in row
    assert row["annotation"]["people"] == ["person 1", "person 2", "person 3"]
    assert load_records(f"annotate:{tmp_path}/project.db#labels=hard").records[0].probability is None


def test_a_settled_item_is_certain_and_says_so(tmp_path: Path):
    with project(tmp_path, pairs("1"), pairs("2")) as store:
        judge = store.add_person("judge", PersonRole.ADJUDICATOR)
        store.adjudicate(NewVote(judge.id, 1, PairAnswer("second"), "settle"))
        [row], lost = rows_of_votes(store, VoteChoice(""))
    assert (row["chosen"], row["rejected"], row["chosen_probability"]) == ("1b", "1a", 1.0)
    assert (row["annotation"]["combined"], row["annotation"]["agree"]) == ("settled", 1)
    assert not lost


def test_a_ranking_gives_its_pairs_its_ranks_and_its_sort(tmp_path: Path):
    """One person says b > a = c, the other b > c > a: a and c have mean ranks 1.5 and 1."""
    votes: list[list[VoteAnswer]] = [[RankingAnswer(((1,), (0, 2)))], [RankingAnswer(((1,), (2,), (0,)))]]
    with project(tmp_path, *votes, k=3) as store:
        rows, _ = rows_of_votes(store, VoteChoice(""))
        found = [(row["chosen"], row["rejected"], row["chosen_probability"]) for row in rows]
        assert found == [("1b", "1a", 1.0), ("1c", "1a", 0.75), ("1b", "1c", 1.0)]
        [row], _ = rows_of_votes(store, VoteChoice("", "ranking"))
        assert (row["responses"], row["ranks"]) == (["1b", "1c", "1a"], [0, 1, 2])
        [row], _ = rows_of_votes(store, VoteChoice("", "sort"))
        assert (row["src"], row["response"], row["sort"]) == (["q1"], ["1b", "1c", "1a"], [2, 1, 0])
        rows, _ = rows_of_votes(store, VoteChoice("", "kto"))
        assert [(row["completion"], row["label"]) for row in rows] == [("1b", True), ("1a", False)]


def test_kto_takes_both_responses_of_a_bad_pair(tmp_path: Path):
    with project(tmp_path, pairs("1bt")) as store:
        rows, lost = rows_of_votes(store, VoteChoice("", "kto"))
    assert [(row["completion"], row["label"]) for row in rows] == [
        ("1a", True),
        ("1b", False),
        ("2a", False),
        ("2b", False),
    ]
    assert lost == {LEVEL: 1}


def test_kto_takes_labels_of_safety(tmp_path: Path):
    with project(tmp_path, [SafetyAnswer(("safe", "unsafe", "unsure"))], k=3) as store:
        rows, _ = rows_of_votes(store, VoteChoice("", "kto"))
        assert [(row["completion"], row["label"]) for row in rows] == [("1a", True), ("1b", False)]
        with pytest.raises(DataError, match="give no preference row: 1 whose question compares no responses"):
            rows_of_votes(store, VoteChoice(""))


def test_an_edited_text_is_better_than_what_was_edited(tmp_path: Path):
    with project(tmp_path, [PairAnswer("first", edited="1a, but better")]) as store:
        rows, _ = rows_of_votes(store, VoteChoice(""))
    assert [(row["chosen"], row["rejected"]) for row in rows] == [("1a", "1b"), ("1a, but better", "1a")]
    (tmp_path / "edits").mkdir()
    with project(tmp_path / "edits", [EditAnswer(1, "mended")]) as store:
        [row], _ = rows_of_votes(store, VoteChoice(""))
    assert (row["chosen"], row["rejected"]) == ("mended", "1b")


def test_a_prompt_of_several_turns_keeps_them(tmp_path: Path):
    prompt = (*user("q"), Message("assistant", "a"), *user("why?"))
    with project(tmp_path) as store:
        store.add_items([NewItem(prompt, (Candidate("x"), Candidate("y")))])
        ada = store.add_person("Ada", PersonRole.ADMIN)
        store.save(NewVote(ada.id, store.next_items(ada.id)[0].item.id, PairAnswer("second"), "key"))
    [record] = load_records(f"annotate:{tmp_path}/project.db").records
    assert (record.prompt, record.chosen.text) == (prompt, "y")


def test_a_project_without_votes_or_without_pairs_says_so(tmp_path: Path):
    project(tmp_path).close()
    source = f"annotate:{tmp_path}/project.db"
    for read in (load_records, lambda name: require_files([name])):
        with pytest.raises(DataError, match="has no votes yet") as caught:
            read(source)
        assert "truing annotate" in caught.value.hint
    (tmp_path / "level").mkdir()
    project(tmp_path / "level", pairs("tb")).close()
    with pytest.raises(DataError, match="the votes on 2 items give no preference row") as caught:
        load_records(f"annotate:{tmp_path}/level/project.db")
    assert "1 with equal votes" in str(caught.value)
    assert "1 with both responses bad" in str(caught.value)


def test_a_project_that_is_not_there_is_not_made(tmp_path: Path):
    with pytest.raises(UsageError, match="no project at"):
        require_files([f"annotate:{tmp_path}/project.db"])
    assert list(tmp_path.iterdir()) == []


def test_the_way_into_rows_is_read_from_the_name():
    found = read_choice("annotate:my#project.db#combine=dawid_skene,labels=hard,format=kto")
    assert found == VoteChoice("my#project.db", "kto", Combining.DAWID_SKENE, hard=True)
    assert read_choice("annotate:my#project.db") == VoteChoice("my#project.db")


@pytest.mark.parametrize("tail", ["combine=mean", "labels=", "colour=red", "format=csv"])
def test_another_way_is_refused(tail: str):
    with pytest.raises(UsageError, match="is unknown") as caught:
        read_choice(f"annotate:project.db#{tail}")
    assert "combine=majority|dawid_skene" in caught.value.hint


def test_a_password_is_not_taken_into_a_recipe():
    with pytest.raises(UsageError, match="has a password") as caught:
        read_choice("annotate:postgresql://me:secret@host/name")
    assert "secret" not in str(caught.value)
    assert "PGPASSWORD" in caught.value.hint


def test_data_show_and_check_read_votes(truing, tmp_path: Path):
    project(tmp_path, pairs("1"), pairs("1"), pairs("2")).close()
    done = truing("data", "show", f"annotate:{tmp_path}/project.db")
    assert done.returncode == 0, done.stderr
    assert "preference  p 0.666667" in done.stdout
    assert "→ 1: 1a" in done.stdout
    done = truing("data", "check", f"annotate:{tmp_path}/project.db", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1/1 rows" in done.stderr
    assert json.loads(truing("data", "stats", f"annotate:{tmp_path}/project.db").stdout)
