"""Weights in shards over two ranks: the scores and gradients of one process, and parts that make a whole."""

from itertools import product
from pathlib import Path

import torch

from truing.config.recipe import Lora
from truing.data.trees import Branch, Tree
from truing.models import checkpoint
from truing.models.load import add_adapter, trainable
from truing.models.passes import evened, passes_of, share_of, shared_numbers_of
from truing.models.reference import AdapterOff
from truing.models.scoring import Scorer
from truing.models.sharding import WholeCopy, is_part, replicated, shard, whole, whole_weights
from truing.models.world import World, apart

from ..tables import each
from ..two_ranks import Two

CPU = torch.device("cpu")


def scorer_of(tiny, *, tied: bool = False, lora: bool = False) -> Scorer:
    model = tiny("llama", tie_word_embeddings=tied).train()
    if lora:
        model = add_adapter(model, Lora(r=4), dropout=False, seed=1, trained=torch.float32)
        for one in trainable(model).values():
            one.data += 0.1
    return Scorer(model, layout="trees")


@each("tied, lora", list(product([False, True], repeat=2)))
def test_gradients_are_those_of_one_process(two: Two, tiny, pairs, tied: bool, lora: bool):
    trees = dict(enumerate(pairs))

    def work(here: World) -> object:
        plain = scorer_of(tiny, tied=tied, lora=lora)
        (one,) = passes_of(trees, plain, 1000)
        plain(one).logps.sum().backward()
        scorer = scorer_of(tiny, tied=tied, lora=lora)
        shard(scorer, CPU)
        own = passes_of(share_of(trees, "trees"), scorer, 30)
        for batch in evened(own, trees, scorer):
            (scorer(batch).logps.sum() * (not batch.blank)).backward()
        here.add_up(replicated(trainable(scorer).values()))
        wanted = trainable(plain)
        gaps = {
            name: float((whole(one.grad) - wanted[name].grad).norm() / wanted[name].grad.norm())
            for name, one in trainable(scorer).items()
        }
        return max(gaps.values()), len(gaps) == len(wanted)

    for gap, same in two(work):
        assert same and gap < 1e-5


def test_every_rank_gets_the_numbers_of_every_tree(two: Two, tiny, pairs):
    trees = dict(enumerate(pairs[:3]))

    def work(here: World) -> object:
        plain, scorer = scorer_of(tiny), scorer_of(tiny)
        shard(scorer, CPU)
        with torch.no_grad():
            found = shared_numbers_of(trees, scorer, 8, lambda batch: scorer(batch).logps)
            with apart():
                wanted = shared_numbers_of(trees, plain, 1000, lambda batch: plain(batch).logps)
        return max(float((found[item] - wanted[item]).abs().max()) for item in trees), list(found)

    for gap, items in two(work):
        assert gap < 1e-5 and items == [0, 1, 2]


def test_parts_on_disk_make_the_whole_for_any_number_of_ranks(two: Two, tiny, tmp_path: Path):
    def work(here: World) -> object:
        scorer = scorer_of(tiny)
        wanted = {name: one.detach().clone() for name, one in scorer.named_parameters()}
        shard(scorer, CPU)
        names = trainable(scorer)
        assert all(map(is_part, names.values()))
        tensors = {"model": names}
        folder = tmp_path / "parts"
        folder.mkdir(exist_ok=True)
        here.gather(None)
        checkpoint.write_part(folder, 1, tensors)
        here.gather(None)
        if here.main:
            checkpoint.save(tmp_path, 1, {}, {}, write=lambda aside: _moved(folder, aside))
        here.gather(None)
        saved = checkpoint.read(tmp_path / "step-000001").tensors["model"]
        same = all(torch.equal(saved[name], wanted[name]) for name in wanted)
        for one in names.values():
            one.detach().zero_()
        checkpoint.restore_parameters(names, saved)
        back = whole_weights(scorer)
        return same, all(torch.equal(back[name], wanted[name]) for name in back), len(back) > 0

    assert two(work) == [[True, True, True], [True, True, False]], "rank 0 alone gets the whole"


def _moved(folder: Path, aside: Path) -> None:
    for path in folder.iterdir():
        path.rename(aside / path.name)


@each("tied, lora", list(product([False, True], repeat=2)))
def test_a_whole_copy_is_the_model_and_lets_go_of_its_weights(two: Two, tiny, tied: bool, lora: bool):
    def work(here: World) -> object:
        plain, scorer = (scorer_of(tiny, tied=tied, lora=lora) for _ in range(2))
        wanted = dict(plain.model.named_parameters())
        copied = WholeCopy(scorer)
        shard(scorer, CPU)
        held = []
        for filled in (1, 2):
            with torch.no_grad():
                for one in [*trainable(scorer).values(), *trainable(plain).values()]:
                    one.mul_(filled)  # as a step would
            copied.fill(CPU, here=here.main or filled == 1)
            held.append(sum(one.numel() for one in copied.model.parameters()))
            if here.main or filled == 1:
                own = dict(copied.model.named_parameters())
                assert own.keys() == wanted.keys()
                assert all(torch.equal(own[name], wanted[name]) for name in own)
                (batch,) = passes_of({0: pairs_of_one()}, plain, 100)
                again = Scorer(copied.model, layout="trees")
                assert torch.equal(again(batch).logps, plain(batch).logps)
            copied.empty()
            held.append(sum(one.numel() for one in copied.model.parameters()))
        copied.fill(CPU, adapters_alone=True)
        held.append(sum(one.numel() for one in copied.model.parameters()))
        return held

    whole = sum(one.numel() for one in scorer_of(tiny, tied=tied, lora=lora).parameters())
    adapters = sum(one.numel() for one in trainable(scorer_of(tiny, lora=True)).values()) if lora else 0
    assert two(work) == [[whole, 0, whole, 0, adapters], [whole, 0, 0, 0, adapters]]


def pairs_of_one() -> Tree:
    return Tree([5, 6, 7], (Branch([8, 9], [True] * 2), Branch([9], [True])))


def test_states_and_divergence_are_those_of_one_process(two: Two, tiny, pairs):
    """Both use the weights outside of `forward`."""
    trees = dict(enumerate(pairs))

    def work(here: World) -> object:
        gradients = []
        for scorer in (scorer_of(tiny, lora=True), scorer_of(tiny, lora=True)):
            if gradients:
                shard(scorer, CPU)
            start = AdapterOff(scorer).states
            for batch in passes_of(trees, scorer, 1000):
                moved = scorer.divergence(batch, start(batch))
                moved.sum().backward()
            gradients.append([moved.detach(), *(one.grad for one in trainable(scorer).values())])
        return max(float((one - other).abs().max()) for one, other in zip(*gradients, strict=True))

    assert max(two(work)) < 1e-5


def test_the_bytes_of_a_pass_are_those_of_its_weights_and_gradients(two: Two, tiny, pairs):
    """Forward joins every weight, backward the layers again; each gradient is scattered once.

    Parts are of one size, so that an odd number of rows takes one more.
    """

    def work(here: World) -> object:
        scorer = scorer_of(tiny)
        sizes = {
            name: one.nbytes + one.nbytes // len(one) * (len(one) % 2)
            for name, one in scorer.named_parameters()
        }
        plain = sum(one.nbytes for one in scorer.parameters())
        layers = sum(size for name, size in sizes.items() if ".layers." in name)
        shard(scorer, CPU)
        here.taken()
        (batch,) = passes_of(dict(enumerate(pairs)), scorer, 1000)
        scorer(batch).logps.sum().backward()
        first = here.taken()
        list(map(whole, trainable(scorer).values()))
        again = here.taken()
        total = sum(sizes.values())
        return [first.gathered == total + layers, first.reduced == total, again[:2] == (0, plain)]

    assert two(work) == [[True] * 3] * 2
