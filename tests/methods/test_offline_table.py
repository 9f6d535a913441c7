"""The table of offline methods: what each learns from, and what a recipe can get wrong."""

import pytest

from truing.core.errors import ConfigError
from truing.core.records import Record, reply, user
from truing.data.packing import pad
from truing.losses.likelihood import nll
from truing.losses.preference import PAIR_LOSSES, dpo
from truing.methods.binding import defaults_of
from truing.methods.objectives import LikelihoodObjective, PairObjective
from truing.methods.offline import OFFLINE, choose
from truing.models.scoring import Scorer

BEST, MIDDLE, WORST = reply("best", score=3.0), reply("middle", score=2.0), reply("worst", score=1.0)
RECORDS = {
    "prompt": Record(user("q")),
    "demonstration": Record(user("q"), (BEST,)),
    "preference": Record(user("q"), (BEST, WORST)),
    "ranking": Record(user("q"), (BEST, MIDDLE, WORST)),
    "desirable": Record(user("q"), (reply("best", label=True),)),
    "undesirable": Record(user("q"), (reply("worst", label=False),)),
}
TAUGHT = {
    "sft": {
        "demonstration": ["best"],
        "preference": ["best"],
        "ranking": ["best"],
        "desirable": ["best"],
    },
    "dpo": {"preference": ["best", "worst"], "ranking": ["best", "worst"]},
}


@pytest.mark.parametrize("method", OFFLINE)
@pytest.mark.parametrize("kind", RECORDS)
def test_what_each_method_learns_from_each_kind_of_record(method: str, kind: str):
    part = OFFLINE[method].teaches(RECORDS[kind])
    taught = None if part is None else [response.text for response in part.responses]
    assert taught == TAUGHT[method].get(kind)
    if part is not None:
        assert part.prompt == RECORDS[kind].prompt


def test_the_kinds_here_are_all_there_are():
    assert {record.kind.value for record in RECORDS.values()} == {
        "prompt",
        "demonstration",
        "preference",
        "ranking",
        "unpaired",
    }


@pytest.mark.parametrize("name", OFFLINE)
def test_every_row_is_complete(name: str):
    method = OFFLINE[name]
    assert method.name == name
    assert method.loss in method.losses
    assert 0 < method.full_rate < method.adapter_rate < 1e-3, "an adapter takes a higher rate"
    chosen = choose(name, None, {})
    assert chosen.hyper == defaults_of(chosen.loss)


def test_methods_that_compare_two_passes_switch_dropout_off():
    assert OFFLINE["sft"].dropout
    for name in OFFLINE:
        assert OFFLINE[name].dropout != choose(name, None, {}).needs_reference


def test_defaults_are_filled_in():
    chosen = choose("dpo", None, {"label_smoothing": 0.2, "sft_weight": 1})
    assert chosen.loss is dpo
    assert chosen.hyper == {"beta": 0.1, "label_smoothing": 0.2}
    assert chosen.extras == {"sft_weight": 1}
    assert chosen.needs_reference
    assert not choose("sft", "nll", {}).needs_reference


@pytest.mark.parametrize("loss", PAIR_LOSSES)
def test_every_loss_of_the_table_can_be_chosen_by_name(loss: str):
    assert choose("dpo", loss, {}).loss is PAIR_LOSSES[loss]


@pytest.mark.parametrize(
    ("method", "loss", "hyper", "message"),
    [
        ("dop", None, {}, "no method 'dop'; known: dpo, sft; did you mean 'dpo'?"),
        ("reinforce", None, {}, "no method 'reinforce'; known: dpo, sft"),
        ("sft", "dpo", {}, "no loss 'dpo' for this method; known: nll"),
        (
            "dpo",
            "dpo_postive",
            {},
            "no loss 'dpo_postive' for this method; known: dpo, dpo_positive; did you mean 'dpo_positive'?",
        ),
        (
            "dpo",
            None,
            {"betta": 0.1},
            "dpo takes ['beta', 'label_smoothing', 'sft_weight'], not 'betta'; did you mean 'beta'?",
        ),
        ("dpo", None, {"sft_weight": "much"}, "loss.sft_weight is 'much': expected a number"),
        ("dpo", None, {"sft_weight": True}, "loss.sft_weight is True: expected a number"),
        ("dpo", None, {"beta": "0.1"}, "loss.beta is '0.1': expected a number"),
        ("sft", None, {"sft_weight": 1.0}, "nll takes [], not 'sft_weight'"),
    ],
)
def test_mistakes_name_what_exists(method: str, loss: str | None, hyper: dict, message: str):
    with pytest.raises(ConfigError) as caught:
        choose(method, loss, hyper)
    assert str(caught.value) == message


def test_the_objective_is_bound_to_what_was_chosen(tiny, pairs):
    scorer, batch = Scorer(tiny()), pad(pairs)
    sft = choose("sft", None, {}).objective(scorer, None)
    assert isinstance(sft, LikelihoodObjective)
    assert (sft.scorer, sft.loss) == (scorer, nll)
    pair = choose("dpo", "dpo_positive", {"penalty": 5.0, "sft_weight": 0.5}).objective(
        scorer, lambda b: b.target * 0.0
    )
    assert isinstance(pair, PairObjective)
    assert (pair.hyper, pair.sft_weight) == ({"beta": 0.1, "penalty": 5.0}, 0.5)
    assert [tally.unit for tally in pair(batch).losses] == ["pair", "chosen_token"]
    assert set(pair.count(batch)) == {"pair", "chosen_token"}
