"""The lineage of a row that models made."""

from types import SimpleNamespace

from truing.core.records import Record, user
from truing.core.version import __version__
from truing.synthesis.lineage import lineage

PROMPTS = SimpleNamespace(origin=lambda record: {"file": "p.jsonl", "row": 1})


def test_a_row_says_who_made_it_and_of_what():
    found = lineage("feedback", PROMPTS, Record(user("a")), seed=3, judge={"model": "m"})  # pyright: ignore
    assert found == {
        "verb": "feedback",
        "version": __version__,
        "prompt": {"file": "p.jsonl", "row": 1},
        "seed": 3,
        "judge": {"model": "m"},
    }


def test_the_lineage_of_the_prompts_row_is_kept():
    earlier = {"verb": "negatives"}
    record = Record(user("a"), columns={"lineage": earlier})
    assert lineage("feedback", PROMPTS, record)["from"] == earlier  # pyright: ignore
