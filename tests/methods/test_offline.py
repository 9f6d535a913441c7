"""The table of offline methods: what each learns from, and what a recipe can get wrong."""

from dataclasses import replace

import pytest

from truing.core.errors import ConfigError
from truing.core.records import Kind, Record, reply, user
from truing.data.packing import pad
from truing.data.trees import Branch, Tree
from truing.losses.likelihood import nll
from truing.losses.preference import PAIR_LOSSES, dpo
from truing.methods.offline import OFFLINE, choose
from truing.models.scoring import Scorer
from truing.objectives.binding import defaults_of
from truing.objectives.offline import LikelihoodObjective, PairObjective
from truing.objectives.shapes import unpaired

from ..tables import each

BEST, MIDDLE, WORST = reply("best", score=3.0), reply("middle", score=2.0), reply("worst", score=1.0)
RECORDS = {
    "prompt": Record(user("q")),
    "demonstration": Record(user("q"), (reply("best"),)),
    "rated": Record(user("q"), (BEST,)),
    "preference": Record(user("q"), (reply("best"), reply("worst")), margin=0.5),
    "ranking": Record(user("q"), (BEST, MIDDLE, WORST)),
    "desirable": Record(user("q"), (reply("best", label=True),)),
    "undesirable": Record(user("q"), (reply("worst", label=False),)),
}
EITHER = {"desirable": ["best"], "undesirable": ["worst"]}
FIRST_AND_LAST = {"preference": ["best", "worst"], "ranking": ["best", "worst"]}
METHODS = ", ".join(sorted(OFFLINE))
LOSSES = ", ".join(sorted(OFFLINE["dpo"].losses))
TAUGHT = {
    "nll": {
        "demonstration": ["best"],
        "rated": ["best"],
        "preference": ["best"],
        "ranking": ["best"],
        "desirable": ["best"],
    },
    **dict.fromkeys(["dpo", "cpo", "simpo", "orpo", "bradley_terry"], FIRST_AND_LAST),
    **dict.fromkeys(["kto", "bco"], EITHER),
    "plackett_luce": {"preference": ["best", "worst"], "ranking": ["best", "middle", "worst"]},
    "squared_error": {"rated": ["best"], "ranking": ["best", "middle", "worst"]},
}
METHOD_OF = {loss: next(name for name, m in OFFLINE.items() if loss in m.losses) for loss in TAUGHT}


@each("loss", TAUGHT)
@each("kind", RECORDS)
def test_what_each_shape_of_loss_learns_from_each_kind_of_record(loss: str, kind: str):
    part = OFFLINE[METHOD_OF[loss]].shape_of(loss).teaches(RECORDS[kind])
    taught = None if part is None else [response.text for response in part.responses]
    assert taught == TAUGHT[loss].get(kind)
    if part is not None:
        assert part.prompt == RECORDS[kind].prompt


def test_every_shape_of_the_table_is_among_them():
    shapes = {id(shape) for method in OFFLINE.values() for shape, _ in method.tables}
    assert {id(OFFLINE[METHOD_OF[loss]].shape_of(loss)) for loss in TAUGHT} == shapes


@each(
    ("loss", "record", "labels"),
    [
        ("dpo", RECORDS["preference"], (0.0, 0.0)),
        ("dpo", replace(RECORDS["preference"], probability=0.75), (0.0, 0.25)),
        ("kto", RECORDS["desirable"], (1.0,)),
        ("kto", RECORDS["undesirable"], (0.0,)),
        ("bradley_terry", RECORDS["preference"], (0.5, 0.0)),
        ("bradley_terry", replace(RECORDS["preference"], probability=0.25), (0.5, 0.75)),
        ("bradley_terry", RECORDS["ranking"], (0.0, 0.0)),
        ("plackett_luce", RECORDS["ranking"], (0.0, 1.0, 2.0)),
        ("plackett_luce", Record(user("q"), (reply("a", rank=0), reply("b", rank=0))), (0.0, 0.0)),
        ("squared_error", RECORDS["ranking"], (3.0, 2.0, 1.0)),
    ],
)
def test_what_the_row_says_of_each_branch(loss: str, record: Record, labels: tuple[float, ...]):
    shape = OFFLINE[METHOD_OF[loss]].shape_of(loss)
    part = shape.teaches(record)
    assert part is not None
    one = Branch([5], [True])
    assert shape.labelled(Tree([1], (one,) * len(part.responses)), part).labels == labels


def test_a_pair_as_two_rows():
    good, bad = unpaired(RECORDS["preference"])
    assert [(r.chosen.text, r.chosen.label, r.margin) for r in (good, bad)] == [
        ("best", True, None),
        ("worst", False, None),
    ]
    assert good.kind is Kind.UNPAIRED
    assert unpaired(RECORDS["desirable"]) == [RECORDS["desirable"]]
    assert [r.chosen.text for r in unpaired(RECORDS["ranking"])] == ["best", "worst"]


def test_the_kinds_here_are_all_there_are():
    assert {record.kind.value for record in RECORDS.values()} == {
        "prompt",
        "demonstration",
        "preference",
        "ranking",
        "unpaired",
    }


@each("name", OFFLINE)
def test_every_row_is_complete(name: str):
    method = OFFLINE[name]
    assert method.name == name
    assert method.loss in method.losses
    assert 0 < method.full_rate < method.adapter_rate < 1e-3, "an adapter takes a higher rate"
    losses = [loss for _, table in method.tables for loss in table]
    assert len(losses) == len(set(losses)), "a name says which shape its rows have"
    chosen = choose(name, None, {})
    assert chosen.hyper == defaults_of(chosen.loss)


def test_dropout_may_act_where_no_two_passes_are_compared():
    assert [name for name, method in OFFLINE.items() if method.dropout] == ["sft"]


def test_defaults_are_filled_in():
    chosen = choose("dpo", None, {"label_smoothing": 0.2, "sft_weight": 1})
    assert chosen.loss is dpo
    assert chosen.hyper == {
        "beta": 0.1,
        "label_smoothing": 0.2,
        "divergence": "reverse_kl",
        "divergence_alpha": 0.5,
    }
    assert chosen.options == {"sft_weight": 1, "sft_on": "response", "ld_alpha": 1.0}
    assert chosen.needs_reference
    assert not choose("sft", "nll", {}).needs_reference


@pytest.mark.parametrize(
    ("method", "hyper", "whole", "mismatched"),
    [
        ("orpo", {}, False, False),
        ("orpo", {"sft_on": "sequence"}, True, False),
        ("orpo", {"sft_on": "sequence", "sft_weight": 0}, False, False),
        ("kto", {}, False, True),
        ("bco", {}, False, False),
        ("sft", {}, False, False),
    ],
)
def test_the_passes_a_method_needs_beside_its_rows(method: str, hyper: dict, whole: bool, mismatched: bool):
    chosen = choose(method, None, hyper)
    assert (chosen.needs_whole, chosen.needs_mismatched) == (whole, mismatched)


@each("loss", PAIR_LOSSES)
def test_every_loss_of_the_table_can_be_chosen_by_name(loss: str):
    assert choose("dpo", loss, {}).loss is PAIR_LOSSES[loss]


@each(
    ("method", "loss", "hyper", "message"),
    [
        ("dop", None, {}, f"no method 'dop'; known: {METHODS}; did you mean 'dpo'?"),
        ("reinforce", None, {}, f"no method 'reinforce'; known: {METHODS}"),
        ("sft", "dpo", {}, "no loss 'dpo' for this method; known: nll"),
        (
            "dpo",
            "dpo_postive",
            {},
            f"no loss 'dpo_postive' for this method; known: {LOSSES}; did you mean 'dpo_positive'?",
        ),
        (
            "dpo",
            None,
            {"betta": 0.1},
            "dpo takes ['beta', 'divergence', 'divergence_alpha', 'label_smoothing', 'ld_alpha', 'sft_on', "
            "'sft_weight'], not 'betta'; did you mean 'beta'?",
        ),
        ("dpo", None, {"sft_weight": "much"}, "loss.sft_weight is 'much': expected a number"),
        ("dpo", None, {"sft_weight": True}, "loss.sft_weight is True: expected a number"),
        ("dpo", None, {"beta": "0.1"}, "loss.beta is '0.1': expected a number"),
        ("orpo", None, {"sft_on": 1}, "loss.sft_on is 1: expected a word"),
        (
            "kto",
            None,
            {"sft_on": "sequence"},
            "kto takes ['beta', 'desirable_weight', 'undesirable_weight'], not 'sft_on'",
        ),
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
