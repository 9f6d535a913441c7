"""Rows tell where they come from, and hold one form of prompt in a file."""

from tests.synthesis.constitution.cases import ALL, INITIAL, REVISION

from truing.core.records import Message, Record, user
from truing.synthesis.constitution.revising import CaseEnd
from truing.synthesis.constitution.rows import NewRow, mixed, preference, transcript, with_responses, written


class Origins:
    """Origins without files."""

    def __init__(self) -> None:
        self.roles = {"policy": {"model": "m", "contents": {"weights": "abc"}}}

    def of(self, record, **facts):
        return {"lineage": facts}


def test_a_transcript_holds_what_was_said_in_its_order():
    found = transcript(ALL[0], Origins())
    assert list(found)[:3] == ["prompt", "initial", "rounds"]
    assert list(found["rounds"][0])[:3] == ["critique", "revision", "principle"]
    assert (found["initial"], found["rounds"][0]["revision"]) == (INITIAL, REVISION)
    assert found["models"]["policy"]["contents"] == {"weights": "abc"}
    assert found["outcome"] is CaseEnd.REVISED


def test_a_pair_has_a_probability_where_there_is_one():
    record = Record(user("Hello"), category="violence")
    rows = [preference(record, "good", "poor", {"lineage": {}}, chance) for chance in (0.75, None)]
    soft, hard = written(rows, "preference")
    assert (soft["chosen"], soft["rejected"], soft["chosen_probability"]) == ("good", "poor", 0.75)
    assert "chosen_probability" not in hard
    assert soft["category"] == "violence"


def test_a_file_with_a_conversation_has_messages_in_all_rows():
    long = Record((Message("user", "a"), Message("assistant", "b"), Message("user", "c")))
    rows = [NewRow(with_responses(one, "yes"), {}) for one in (long, Record(user("Hello")))]
    assert {type(row["prompt"]) for row in written(rows, "prompt-completion")} == {list}


def test_the_order_of_a_mix_follows_from_the_seed():
    rows = [NewRow(Record(user(str(n))), {}) for n in range(8)]
    assert mixed(rows[:4], rows[4:], 1) == mixed(rows[:4], rows[4:], 1) != [*rows]
    assert sorted(mixed(rows[:4], rows[4:], 1), key=str) == sorted(rows, key=str)
