"""Feedback end to end on a tiny model: every pair is counted, the same command goes on, rows train."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving import Scripted

from truing.config.feedback import FeedbackRecipe
from truing.core.errors import ConfigError, RewardError
from truing.core.files import read_jsonl
from truing.core.messages import Say
from truing.data.load import load_records
from truing.synthesis.choosing import COUNTS
from truing.synthesis.feedback import Feedback, as_json, make_feedback, require_answered

PROMPTS = ["one", "two three", "four"]


def responses_in(question: str) -> tuple[str, str]:
    first, second = re.findall(r"response [AB]>>\n(.*?)\n<<\w+ end>>", question, re.DOTALL)
    return first, second


def longer(question: str) -> str:
    first, second = responses_in(question)
    return f"VERDICT: {'A' if len(first) >= len(second) else 'B'}"


@pytest.fixture
def judge() -> Iterator[Scripted]:
    scripted = Scripted(longer)
    yield scripted
    scripted.server.close()


@pytest.fixture
def make(tmp_path: Path, model_folder: Path, judge: Scripted) -> Callable[..., Feedback]:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": one}) + "\n" for one in PROMPTS))

    def run(say: Say = lambda line: None, **changes: Any) -> Feedback:
        asked = {
            "prompts": [str(prompts)],
            "policies": [str(model_folder)],
            "judge": judge.spec,
            "k": 3,
            "max_new_tokens": 6,
            "output": str(tmp_path / "out"),
        }
        return make_feedback(FeedbackRecipe.model_validate(asked | changes), say, lambda *seen: None)

    return run


def test_every_pair_is_counted_once(make: Callable[..., Feedback]):
    done = make()
    pairs = as_json(done)["pairs"]
    assert pairs["compared"] == sum(pairs[name] for name in COUNTS)
    asked = sum(len(pool.verdicts) for pool in done.pools)
    assert pairs["compared"] == asked + pairs["equal"]
    assert asked == sum(len(pool.responses) * (len(pool.responses) - 1) // 2 for pool in done.pools)
    assert pairs["kept"] == len(done.rows) > 0


def test_the_judge_is_asked_in_both_orders_and_the_longer_wins(
    make: Callable[..., Feedback], judge: Scripted
):
    done = make(select="all_pairs", sure=0.5)
    asked = sum(len(pool.verdicts) for pool in done.pools)
    assert len(judge.requests) == 2 * asked
    lengths = [(len(row["chosen"]), len(row["rejected"])) for row in done.rows]
    assert all(chosen >= rejected for chosen, rejected in lengths)
    assert all(0.5 <= row["chosen_probability"] < 1 for row in done.rows)


def test_the_same_call_asks_nothing_again(make: Callable[..., Feedback], judge: Scripted):
    first = make()
    asked = len(judge.requests)
    assert make().rows == first.rows
    assert len(judge.requests) == asked


def test_rows_are_read_back_with_their_lineage(make: Callable[..., Feedback], model_folder: Path):
    done = make()
    records = load_records(done.path / "rows.jsonl").records
    assert len(records) == len(done.rows)
    lineage = done.rows[0]["lineage"]
    assert lineage["verb"] == "feedback"
    assert lineage["prompt"] == {"file": "p.jsonl", "row": 1, "sha256": lineage["prompt"]["sha256"]}
    assert [writer["model"] for writer in lineage["writers"]] == [str(model_folder)] * 2
    assert lineage["judge"]["model"] == "m"
    assert "key" not in json.dumps(lineage["judge"]).replace("api_key_env", "")


def test_a_constant_judge_makes_ties_and_no_rows(make: Callable[..., Feedback], judge: Scripted):
    judge.answer = lambda question: "VERDICT: A"
    done = make()
    pairs = as_json(done)["pairs"]
    assert done.rows == []
    assert pairs["ties"] == pairs["compared"] - pairs["equal"] > 0
    assert any("Position bias" in note for note in done.notes)


def test_answers_without_a_verdict_are_errors_and_the_rest_is_kept(
    make: Callable[..., Feedback], judge: Scripted
):
    judge.answer = lambda question: "Both are good."
    done = make()
    assert done.errors == 1
    with pytest.raises(RewardError, match="100% of the pairs have no verdict"):
        require_answered(done)
    assert read_jsonl(done.path / "comparisons.jsonl")[0]["first_is_better"] is None
    judge.answer = longer
    assert make().errors == 0, "the same command asks again what had no answer"


def test_pairs_without_a_verdict_bound_the_wins(
    make: Callable[..., Feedback], judge: Scripted, model_folder: Path, moved_folder: Path
):
    judge.answer = lambda question: "Both are good." if "two three" in question else longer(question)
    done = make(policies=[str(model_folder), str(moved_folder)], k=2)
    notes = [note for note in done.notes if "pairs of" in note]
    assert len(notes) == 2, done.notes
    ends = [[int(end) for end in re.findall(r"(\d+)%", note)] for note in notes]
    assert ends[0][0] < ends[0][1]
    assert abs(ends[0][0] + ends[1][1] - 100) <= 1, "what one loses at worst the other wins at best"


@pytest.mark.parametrize("how", ["swiss", "uncertain"])
def test_fewer_pairs_than_all(make: Callable[..., Feedback], how: str):
    done = make(compare=how, rounds=1, k=4)
    for pool in done.pools:
        assert len(pool.verdicts) <= max(1, len(pool.responses) // 2)
    assert as_json(done)["pairs"]["compared"] > 0


def test_best_of_n_has_a_matched_random_control(make: Callable[..., Feedback]):
    done = make(select="best_of_n")
    assert [row["prompt"] for row in done.rows] == [one.row["prompt"] for one in done.choice.control]
    assert all(one.strengths[0] == max(map(float, done.fits[one.pool].strengths)) for one in done.choice.rows)
    above = done.numbers["above_control"]
    assert above is not None
    assert above.estimate >= 0


def test_scores_of_a_reward_model_rank_all_prompts_together(
    make: Callable[..., Feedback], reward_folder: Path
):
    done = make(judge=str(reward_folder), select="best_of_n", across="all")
    scores = sorted((one.strengths[0] for one in done.choice.rows), reverse=True)
    assert len(scores) == len(PROMPTS)
    assert done.rows[0]["lineage"]["judge"]["contents"]["weights"]


def test_a_model_of_several_roles_is_loaded_once(
    make: Callable[..., Feedback],
    model_folder: Path,
    moved_folder: Path,
    reward_folder: Path,
    loads: list[str],
    tmp_path: Path,
):
    judge = {"name": "local", "path": str(model_folder), "max_new_tokens": 4}
    policies = [str(model_folder), str(moved_folder)]
    make(policies=policies, judge=judge, k=2, rounds=1, compare="swiss")
    assert sorted(loads) == sorted(policies)
    loads.clear()
    make(judge=str(reward_folder), output=str(tmp_path / "scored"))
    assert loads.count(str(reward_folder)) == 1, "what compares also ranks"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"k": 1}, "one response to a prompt"),
        ({"rounds": 2}, "compare: all has one round"),
        ({"across": "all"}, "select: best_worst takes pairs"),
        ({"temperature": 0}, "the same"),
    ],
)
def test_a_recipe_that_contradicts_itself(make: Callable[..., Feedback], changes: dict[str, Any], told: str):
    with pytest.raises(ValueError, match=told):
        make(**changes)


def test_across_all_needs_scores(make: Callable[..., Feedback]):
    with pytest.raises(ConfigError, match="only scores can"):
        make(select="best_of_n", across="all")
