"""The self-test before a run of many ranks: it passes where gradients add up, and names one that does not."""

from collections.abc import Callable

import pytest
import torch

from truing.config.recipe import Lora, Recipe
from truing.core.errors import ModelError
from truing.models.load import add_adapter
from truing.models.scoring import Scorer
from truing.models.world import World
from truing.runs import rehearsal
from truing.runs.rehearsal import rehearse, require_gradients, require_sums

from ..tables import each
from ..two_ranks import Two

RECIPE = Recipe.model_validate({"method": "sft", "policy": "p", "data": {"train": "t"}})
ADAPTED = RECIPE.model_copy(update={"lora": Lora(r=4)})


def scorer_of(model: torch.nn.Module, recipe: Recipe) -> Scorer:
    if recipe.lora:
        model = add_adapter(model, recipe.lora, dropout=False, seed=0, trained=torch.float32)
    return Scorer(model, layout="trees")


def test_one_process_has_nothing_to_test(tiny, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rehearsal, "require_sums", None)  # which would fail where it is called
    rehearse(scorer_of(tiny(), RECIPE), RECIPE)


@each("adapted", [False, True])
def test_two_sound_ranks_pass(two: Two, tiny, adapted: bool):
    recipe = ADAPTED if adapted else RECIPE

    def work(here: World) -> object:
        scorer = scorer_of(tiny("qwen3"), recipe)
        before = [one.clone() for one in scorer.parameters()]
        rehearse(scorer, recipe)
        same = all(map(torch.equal, scorer.parameters(), before))
        return same and all(one.grad is None for one in scorer.parameters())

    assert two(work) == [True, True], "nothing of the run has changed"


def broken(work: Callable[[], object]) -> str:
    try:
        work()
    except ModelError as error:
        return str(error)
    return "passed"


def test_a_gradient_that_is_not_summed_is_named(two: Two, tiny):
    def work(here: World) -> object:
        whole = World.add_up
        World.add_up = lambda self, some: whole(self, [one for one in some if one.ndim > 1])  # norms are not
        return broken(lambda: require_gradients(scorer_of(tiny(), RECIPE), RECIPE))

    said = "the gradient of model.layers.0.input_layernorm.weight is missing or not summed over the ranks"
    assert two(work) == [said, said]


def test_a_backend_that_averages_wrongly_is_told(two: Two, monkeypatch: pytest.MonkeyPatch):
    def work(here: World) -> object:
        reduce = torch.distributed.all_reduce
        torch.distributed.all_reduce = lambda tensor, operation: reduce(tensor)  # a sum, as old gloo did
        return broken(lambda: require_sums(torch.device("cpu")))

    said = "the mean of 1 … 2 over the ranks is 3 instead of 1.5"
    assert two(work) == [said, said]
