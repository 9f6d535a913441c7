"""The self-test of a run of many ranks, in about a second before it begins.

    require_sums        the backend adds up, and averages
    require_gradients   two layers of the model's configuration learn alike over ranks and in one process

A gradient that is not summed over ranks leaves no trace in the loss: it still falls, only elsewhere. So a
fault here ends the run with exit code 2 and the name of the parameter.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from truing.config.recipe import Recipe
from truing.core.doing import doing
from truing.core.errors import ModelError
from truing.core.messages import message
from truing.data.packing import PackedBatch
from truing.data.trees import Branch, Tree
from truing.models.passes import evened, passes_of, share_of
from truing.models.precision import Precision
from truing.models.reward import RewardScorer
from truing.models.scoring import Scorer, Trunk
from truing.models.sharding import replicated, shard, whole
from truing.models.world import apart, world
from truing.runs.policies import prepared
from truing.training.step import Objective, Outcome, Tally, Totals, accumulate

LAYERS, VOCABULARY = 2, 256
TOLERANCE = 1e-2  # of the largest entry of a gradient; one that is not summed is off by about all of it
ROOM = 4096  # tokens of a pass


def rehearse(scorer: Scorer | RewardScorer, recipe: Recipe) -> None:
    """Test the backend and the layout of a run that `scorer` is for; nothing of the run changes.

    All ranks call this. Raises ModelError that names what is wrong. Does nothing in a run of one process.
    """
    if world().alone:
        return
    with doing(message("testing the ranks")):
        require_sums(scorer.device)
        require_gradients(scorer, recipe)
    world().taken()


def require_sums(device: torch.device) -> None:
    """Raise ModelError where the backend does not add up numbers of the ranks, or average them."""
    here = world()
    wanted = here.size * (here.size + 1) / 2
    for operation, right in ((dist.ReduceOp.SUM, wanted), (dist.ReduceOp.AVG, wanted / here.size)):
        found = torch.full((3,), here.rank + 1.0, device=device)
        dist.all_reduce(found, operation)
        if any(abs(one - right) > 1e-4 * right for one in found.tolist()):
            said = "the {name} of 1 … {size} over the ranks is {found:g} instead of {right:g}"
            name = "sum" if operation == dist.ReduceOp.SUM else "mean"
            raise ModelError(
                message(said, name=name, size=here.size, found=float(found[0]), right=right),
                hint=message("use the version of PyTorch that docs/scale.md names"),
            )


@dataclass(frozen=True)
class _Values:
    """The mean of all that a scorer returns for its targets or its branches."""

    scorer: Trunk

    def prepare(self, passes: Sequence[PackedBatch]) -> tuple[Objective, Sequence[PackedBatch]]:
        return self, passes

    def count(self, batch: PackedBatch) -> Totals:
        return Counter({"token": len(batch.target), "response": batch.branches})

    def __call__(self, batch: PackedBatch) -> Outcome:
        found = self.scorer(batch)
        if isinstance(found, Tensor):
            return Outcome([Tally(found, "response")], {})
        return Outcome([Tally(found.logps, "token")], {})


def require_gradients(scorer: Scorer | RewardScorer, recipe: Recipe) -> None:
    """Raise ModelError that names a parameter whose gradient over ranks is not that of one process."""
    trees = _trees(2 * world().size + 1)
    with apart():
        plain = _copy_of(scorer, recipe)
        accumulate(passes_of(trees, plain, ROOM), _Values(plain))
    copied = _copy_of(scorer, recipe)
    if scorer.sharded:
        shard(copied, scorer.device)
    own = passes_of(share_of(trees, copied.layout), copied, ROOM)
    accumulate(evened(own, trees, copied), _Values(copied))
    world().add_up(replicated(one for one in copied.parameters() if one.requires_grad))
    wanted = dict(plain.named_parameters())
    for name, one in copied.named_parameters():
        if (right := wanted[name].grad) is not None:
            found = None if one.grad is None else whole(one.grad)
            most = float(right.abs().max())
            if found is None or not float((found - right).abs().max()) <= TOLERANCE * most + 1e-6:
                said = "the gradient of {name} is missing or not summed over the ranks"
                raise ModelError(
                    message(said, name=name.removeprefix("model.")),
                    hint=message("train in one process, or without ranks.shard, and report this"),
                )


def _copy_of(scorer: Scorer | RewardScorer, recipe: Recipe) -> Scorer | RewardScorer:
    """Make a small copy of a scorer with random weights, the same on all ranks, ready to train."""
    task = "SEQ_CLS" if isinstance(scorer, RewardScorer) else "CAUSAL_LM"
    single = Precision(torch.float32, torch.float32, None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        base = type(scorer.inner)(_small(scorer.inner))
        model = prepared(base, recipe, single, task, dropout=False)
        for one in model.parameters():
            if one.requires_grad:  # an adapter begins with zeros, which no gradient gets through
                one.data += 0.02 * torch.randn(one.shape)
    return type(scorer)(model.to(scorer.device), layout=scorer.layout)


def _small(model: PreTrainedModel) -> PreTrainedConfig:
    """Return the configuration of a model with few layers and few tokens."""
    config = copy.deepcopy(model.config)
    text = config.get_text_config()
    layers = text.num_hidden_layers
    text.num_hidden_layers = min(LAYERS, layers)
    for name, value in vars(text).items():
        if isinstance(value, list) and len(value) == layers:  # what each layer is
            setattr(text, name, value[:LAYERS])
    text.vocab_size = VOCABULARY
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        if getattr(text, name, None) is not None:
            setattr(text, name, 0)
    return config


def _trees(count: int) -> dict[int, Tree]:
    """Make trees of two branches and unlike lengths."""
    draw = torch.Generator().manual_seed(0)

    def tokens(most: int) -> list[int]:
        length = int(torch.randint(2, most, (1,), generator=draw))
        return torch.randint(3, VOCABULARY, (length,), generator=draw).tolist()

    def branch() -> Branch:
        drawn = tokens(12)
        return Branch(drawn, [True] * len(drawn))

    return {item: Tree(tokens(9), (branch(), branch())) for item in range(count)}
