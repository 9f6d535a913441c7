"""Numbers of a reward model: every expected one derived here by hand."""

import json
import math

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from truing.core.errors import DataError, ModelError
from truing.core.records import Record, Response, reply, user
from truing.data.trees import Branch, Tree
from truing.evals.reward_summary import Correlation, MarginBars, RewardSummary
from truing.evals.rewards import ScoredRecord, ranks_of, score_records, summarise
from truing.models.reward import RewardScorer


def row(scores: list[float], *responses: Response, category: str | None = None) -> ScoredRecord:
    responses = responses or tuple(reply(f"answer {place}") for place in range(len(scores)))
    record = Record(user("Question?"), responses, category=category, place="rows.jsonl:1")
    return ScoredRecord(record, tuple(scores), tuple(range(1, len(scores) + 1)))


RANKED = [reply("best", rank=0), reply("one", rank=1), reply("other", rank=1)]
ROWS = [
    row([2.0, 1.0], category="help"),  # margin 1
    row([0.0, 3.0], category="help"),  # margin -3: the wrong way round
    row([1.0, 1.0], category="harm"),  # margin 0: a tie
    row([3.0, 1.0, 2.0], *RANKED),  # margins 2 and 1; equal ranks are no pair
    row([0.5], category="neither"),  # no opinion, no pair
]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_pairs_of_mixed_rows():
    found = summarise(ROWS)
    assert (found.rows, found.responses, found.pairs, found.ties) == (5, 10, 5, 1)
    assert found.mean_score == pytest.approx((2 + 1 + 0 + 3 + 1 + 1 + 3 + 1 + 2 + 0.5) / 10)
    assert found.mean_margin == pytest.approx((1 - 3 + 0 + 2 + 1) / 5)
    assert found.accuracy is not None
    assert found.accuracy.estimate == pytest.approx(3.5 / 5)  # three right, one tie
    # Wilson: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), p = 0.7, n = 5, z = 1.959964
    # = (0.7 + 0.384146 -+ 1.959964 sqrt(0.042 + 0.038415)) / 1.768292
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((0.298786, 0.927408), abs=1e-5)
    assert found.row_score is None


def test_calibration_and_histogram():
    found = summarise(ROWS)
    # Confidence in (0.7, 0.8]: margins 1 and 1, both right; above 0.9: the wrong one; 0.8 to 0.9: margin 2,
    # right; the tie says 1/2 and counts 1/2.
    excess = 2 * (1 - sigmoid(1)) + sigmoid(3) + (1 - sigmoid(2)) + 0
    assert found.ece == pytest.approx(excess / 5)
    # The tie, then 1 and 1, 2, and -3: how sure on average, how many of how many are right.
    told = [(of.confidence, of.accuracy.estimate, of.accuracy.n) for of in found.reliability]
    sure = [(0.5, 0.5, 1), (sigmoid(1), 1.0, 2), (sigmoid(2), 1.0, 1), (sigmoid(3), 0.0, 1)]
    assert told == [pytest.approx(row) for row in sure]
    assert sum(n * abs(of - right) for of, right, n in told) / 5 == pytest.approx(found.ece)
    bars = found.margin_histogram
    # Twenty bars of width 0.3 from -3 to 3: -3 in the first, 0 in the 11th, 1 twice in the 14th, which begins
    # at 0.9, and 2 in the 17th, which begins at 1.8.
    assert bars.counts == (1, *[0] * 9, 1, 0, 0, 2, 0, 0, 1, 0, 0, 0)
    assert np.allclose(bars.edges, np.linspace(-3, 3, 21))


def test_what_a_run_logs_of_held_out_rows():
    logged = summarise(ROWS).metrics()
    assert logged.keys() == {"accuracy", "margin", "ece", "length_correlation"}
    assert (logged["accuracy"], logged["margin"]) == pytest.approx((3.5 / 5, 0.2))
    lone = ROWS[4].record
    unordered = [ScoredRecord(lone, (score,), (length,)) for score, length in ((1.0, 3), (2.0, 9))]
    assert summarise(unordered).metrics() == {"length_correlation": pytest.approx(1.0)}


def test_categories_are_those_of_pairs_alone():
    found = summarise(ROWS).categories
    assert {name: (of.estimate, of.n) for name, of in found.items()} == {"harm": (0.5, 1), "help": (0.5, 2)}


def test_correlation_with_length():
    scored = [ScoredRecord(ROWS[0].record, (0.0, 1.0), (1, 2)), ScoredRecord(ROWS[4].record, (2.0,), (9,))]
    # Deviations (-1, 0, 1) and (-3, -2, 5): 8 / sqrt(2 * 38); the ranks agree.
    assert summarise(scored).length == Correlation(pytest.approx(8 / math.sqrt(76)), pytest.approx(1.0))


def test_rows_without_order_have_no_pairs_but_may_have_scores_of_their_own():
    own = [row([score], reply("yes", score=-score)) for score in (1.0, 2.0, 4.0)]
    found = summarise([*own, row([7.0], reply("no", label=False))])
    assert (found.pairs, found.accuracy, found.mean_margin, found.ece, found.categories) == (
        0,
        None,
        None,
        None,
        {},
    )
    assert found.row_score == Correlation(pytest.approx(-1.0), pytest.approx(-1.0))
    assert found.length == Correlation(None, None), "every response is one token long"
    assert "Pearson -1.00, Spearman -1.00" in found.headline()
    assert found.lines()[1:] == ["score and length: no correlation, one of them does not vary"]


def test_lines_for_people():
    lines = summarise([*ROWS, row([1.0, 0.0], category="a\x1b[31mb")]).lines()
    # Wilson of 4.5 / 6: (0.75 + 0.320122 -+ 1.959964 sqrt(0.03125 + 0.026677)) / 1.640243
    assert lines[0] == "12 responses of 6 rows, accuracy 75.0% (36.5% to 94.0%, n 6), mean score 1.29"
    assert lines[1].startswith("6 pairs, 1 ties, mean margin 0.333, calibration error (ECE) 0.")
    # Wilson of 3 / 3: 1 / (1 + z^2/3)
    assert lines[3] == "73% sure, right 100.0% (43.9% to 100.0%, n 3)"
    assert lines[6] == f"   -3.00 {'█' * 10} 1"
    assert lines[12] == f"   +0.60 {'█' * 30} 3"
    assert lines[16].startswith("ab: 100.0% ("), "what rows write cannot steer a terminal"


def test_json_holds_every_number():
    found = json.loads(json.dumps(summarise(ROWS).as_json()))
    assert found.keys() == set(RewardSummary.__dataclass_fields__)
    assert found["accuracy"].keys() == {"estimate", "low", "high", "n"}
    assert found["reliability"][0].keys() == {"confidence", "accuracy"}
    assert len(found["margin_histogram"]["edges"]) == len(found["margin_histogram"]["counts"]) + 1
    assert found["length"].keys() == {"pearson", "spearman"}


@pytest.mark.parametrize("rows", [ROWS, ROWS[4:]], ids=["pairs", "no-pairs"])
def test_what_is_written_is_read_back_the_same(rows, tmp_path):
    path = tmp_path / "reward.json"
    path.write_text(json.dumps(summarise(rows).as_json()))
    read = RewardSummary.read(path)
    assert read.as_json() == json.loads(path.read_text())
    assert read.lines() == summarise(rows).lines()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ece": None}, "accuracy, mean_margin, ece and reliability are of pairs"),
        ({"reliability": []}, "and 5 pairs are given"),
        ({"mean_score": math.nan}, "mean_score: "),
        ({"categories": {"a": {"estimate": 0.5, "low": 0.9, "high": 0.1, "n": 1}}}, "categories.a: "),
        ({"margin_histogram": {"counts": [1, 2], "edges": [0, 1]}}, "margin_histogram: "),
        ({"reliability": "none"}, "reliability: "),
    ],
)
def test_a_file_that_is_no_summary_is_told_with_its_place(change, told, tmp_path):
    path = tmp_path / "reward.json"
    path.write_text(json.dumps(summarise(ROWS).as_json() | change))
    with pytest.raises(DataError, match=f"reward.json is no summary of a reward model: .*{told}") as error:
        RewardSummary.read(path)
    assert "truing train" in error.value.hint


def test_bars_stand_about_zero():
    with pytest.raises(ValueError, match="4 edges do not enclose 3 bars"):
        MarginBars((1, 2, 3), (-1.0, 0.0, 1.0, 2.0))


def test_ranks_are_the_rows_own_or_their_order():
    assert ranks_of(ROWS[0].record) == [0, 1]
    assert ranks_of(ROWS[3].record) == [0, 1, 1]
    assert ranks_of(ROWS[4].record) == []


SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "pad_token_id": 0,
    "num_labels": 1,
    "initializer_range": 0.3,
}


@pytest.mark.parametrize("layout", ["trees", "padded"])
@pytest.mark.parametrize("tokens_per_pass", [12, 1000])
def test_records_are_scored_as_the_model_scores_them_alone(trees, layout, tokens_per_pass):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("llama", **SIZES)).train()
    records = [
        Record(user(str(at)), tuple(reply(str(b)) for b in range(len(tree.branches))))
        for at, tree in enumerate(trees)
    ]
    seen: list[int] = []
    found = score_records(RewardScorer(model, layout=layout), records, trees, tokens_per_pass, seen.append)
    assert seen[-1] == len(trees)
    assert model.training
    for tree, record, got in zip(trees, records, found, strict=True):
        rows = [torch.tensor([[*tree.prompt, *branch.tokens]]) for branch in tree.branches]
        with torch.no_grad():
            wanted = [model(row).logits.item() for row in rows]
        assert got.record is record
        assert got.scores == pytest.approx(wanted, abs=1e-5)
        assert got.lengths == tuple(len(branch) for branch in tree.branches)


def test_a_score_that_is_no_number_is_an_error_with_its_place():
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("llama", **SIZES))
    model.score.weight.data.fill_(math.nan)
    tree = Tree([1], (Branch([2], [True]),))
    with pytest.raises(ModelError, match=r"rows\.jsonl:1: the reward model gives \[nan\]"):
        score_records(RewardScorer(model), [row([0.0]).record], [tree], 100)
