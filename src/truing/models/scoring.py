"""Log-probabilities of a batch under a model: the only place that knows token t is predicted from t - 1.

`source` of a `PackedBatch` already points at the predicting state, so all later tensors are flat, [N], and
aligned with the targets.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.nn.functional import pad as pad_right
from transformers import PreTrainedModel

from truing.core.errors import ModelError
from truing.core.messages import message
from truing.data.packing import WORTH_SHARING, PackedBatch, pack, pad
from truing.data.trees import Branch, Tree
from truing.kernels.attention import takes_trees, using_trees
from truing.kernels.families import logit_rule
from truing.kernels.logprobs import GRAIN, Head, head_collision, head_divergence, head_entropy, head_logprobs
from truing.models.entry import Entry, only
from truing.models.room import Room

Policy = PreTrainedModel | PeftModel


@contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Put the model into eval mode in the block, and every module back into its old mode after it."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def unwrapped(model: nn.Module) -> PreTrainedModel:
    """Return the transformers model behind a PEFT wrapper; adapters stay active in its layers."""
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    assert isinstance(inner, PreTrainedModel)
    return inner


def head_of(model: PreTrainedModel) -> Head:
    """Return the output head of a causal language model, with its family's rule for logits."""
    layer = model.get_output_embeddings()
    if isinstance(layer, BaseTunerLayer):
        raise ModelError(
            "an adapter sits on the output head, and tokens are scored through the head alone",
            hint="leave the head out of lora.targets",
        )
    if not isinstance(layer, nn.Linear):
        raise ModelError(
            f"{type(model).__name__} has no linear output head; truing scores tokens through one",
            hint="use a causal language model (AutoModelForCausalLM)",
        )
    return Head(layer.weight, layer.bias, *logit_rule(model.config.get_text_config()))


@dataclass(frozen=True)
class Scores:
    """The results of a forward pass for the N targets of a batch."""

    logps: Tensor  # [N] f32
    entropy: Tensor | None = None  # [N] f32, without gradient
    collision: Tensor | None = None  # [N] f32, log of the summed squared probabilities, without gradient


class Trunk(nn.Module):
    """The base of every scorer: a model, with the layout of its batches and the format of its products.

    It is the root module of training, so that wrappers (DDP, FSDP) see all calls. `layout` is the one of
    `data.packing.LAYOUTS` that its batches need. Where `entry` holds all trees of a packed row, the pass
    begins at the layer whose incoming states `entry` holds.
    """

    def __init__(
        self, model: nn.Module, *, layout: str = "padded", autocast: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.layout = layout
        self.autocast = autocast
        self.entry: Entry | None = None
        self.room = Room()
        self.sharded = False  # whether its weights lie in shards over ranks, so that all run it together

    @property
    def inner(self) -> PreTrainedModel:
        return unwrapped(self.model)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def cast(self) -> torch.autocast:
        """Return a context that sets the format of matrix products, also inside another such context."""
        # cache_enabled=False: a bf16 cast of a weight kept across an optimiser step would be a stale weight.
        return torch.autocast(
            self.device.type, self.autocast or torch.bfloat16, self.autocast is not None, cache_enabled=False
        )

    def states(self, batch: PackedBatch) -> Tensor:
        """Return the states that predict the targets, [N, D]; called from outside of the scorer alone."""
        return self._states(batch)

    def _states(self, batch: PackedBatch) -> Tensor:
        inner = self.inner
        trunk = inner.base_model
        assert isinstance(trunk, nn.Module)
        packed = batch.spans is not None
        extra = {"spans": batch.spans} if packed else {"attention_mask": batch.valid}
        # A packed row is one row, so tokens added at its end move no index.
        tail = (0, -batch.tokens.shape[1] % GRAIN if packed else 0)
        tokens, positions = pad_right(batch.tokens, tail), pad_right(batch.positions, tail)
        entry, begun = self.entry, self.entry(batch) if self.entry and packed else None
        given = (
            {"input_ids": tokens}
            if begun is None
            else {"inputs_embeds": pad_right(begun, (0, 0, *tail))[None]}
        )
        above = nullcontext() if entry is None or begun is None else only(inner, slice(entry.depth, None))
        with self.cast(), above, using_trees(inner) if packed else nullcontext():
            out = trunk(**given, position_ids=positions, use_cache=False, **extra)
        return out.last_hidden_state.flatten(0, 1)[batch.source]


class Scorer(Trunk):
    """A scorer of batches under a policy; `choose_layout` finds its layout."""

    def forward(self, batch: PackedBatch, *, entropy: bool = False, collision: bool = False) -> Scores:
        states = self._states(batch)
        head = head_of(self.inner)
        logps = head_logprobs(states, batch.target, head)
        return Scores(
            logps,
            head_entropy(states, head) if entropy else None,
            head_collision(states, head) if collision else None,
        )

    def divergence(self, batch: PackedBatch, reference: Tensor) -> Tensor:
        """Return KL(reference || policy) at the targets, [N] f32, from the reference's states, [N, D]."""
        return head_divergence(self._states(batch), reference, head_of(self.inner))


def probe(vocabulary: int) -> list[Tree]:
    """Make three small trees with a common root that only a correct attention scores like plain rows."""
    generator = torch.Generator().manual_seed(0)

    def tokens(count: int) -> list[int]:
        return torch.randint(vocabulary, (count,), generator=generator).tolist()

    def branch(count: int) -> Branch:
        return Branch(tokens(count), [True] * count)

    root, shapes = tokens(WORTH_SHARING // 2), [(6, (3, 5)), (0, (4,)), (9, (2, 1, 3))]
    return [Tree(root + tokens(prompt), tuple(branch(n) for n in sizes)) for prompt, sizes in shapes]


def _own_logps(scorer: Scorer, batch: PackedBatch) -> Tensor:
    """Return the model's own log-probabilities of the targets of a padded batch, [N] f32."""
    with scorer.cast():
        logits = scorer.inner(input_ids=batch.tokens, attention_mask=batch.valid, use_cache=False).logits
    logps = logits.flatten(0, 1)[batch.source].float().log_softmax(-1)
    return logps.gather(1, batch.target[:, None])[:, 0]


@torch.no_grad()
def choose_layout(scorer: Scorer, asked: str = "auto", tolerance: float = 1e-3) -> tuple[str, str]:
    """Choose `trees` if the model scores packed rows like plain ones, else `padded`; say why.

    A wrong mask moves the mean log-probability of random tokens by more than 0.3; bf16 rounding by 0.05.
    Raises ModelError where even plain rows get other log-probabilities than the model's own.
    """
    inner = scorer.inner
    trees = probe(inner.config.get_text_config().vocab_size)
    batch = pad(trees).to(scorer.device)
    low = scorer.autocast is not None or inner.dtype in (torch.bfloat16, torch.float16)
    allowed = tolerance * (150 if low else 1)
    with without_dropout(scorer):
        plain = scorer(batch).logps
        if (gap := float((plain - _own_logps(scorer, batch)).abs().mean())) > allowed:
            raise ModelError(
                f"{type(inner).__name__} does something to its logits that truing does not know:"
                f" log-probabilities differ from the model's own by {gap:.2g}",
                hint="give its family a row in truing/kernels/families.py",
            )
        if asked == "padded":
            return "padded", message("asked for by the recipe")
        if not takes_trees(inner):
            return "padded", message("{model} does not take a tree mask", model=type(inner).__name__)
        try:
            packed = scorer(pack(trees).to(scorer.device)).logps
        except (TypeError, RuntimeError, ValueError) as error:
            cannot = "{model} cannot run packed trees ({error})"
            return "padded", message(cannot, model=type(inner).__name__, error=error)
    gap = float((plain - packed).abs().mean())
    if gap > allowed:
        return "padded", message("packed and plain log-probabilities differ by {gap:.2g}", gap=gap)
    return "trees", f"packed and plain log-probabilities agree to {gap:.1g}"
