"""Reward models: one score for every branch of a batch, which is the model's logit of that branch alone.

    linear head    a decoder with a linear `score` on one state per row; packed trees or padded rows
    other models   encoders, with pooling and classifier of their own; padded rows

A linear head reads the last token that is not `config.pad_token_id`. This is transformers' own rule, so other
toolkits get the same score from the folder. `reward_folder` opens and writes such folders, and gives a new
head a pad token that no text ends in, so that the head reads the last token of the branch.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from truing.core.errors import ModelError
from truing.data.packing import PackedBatch, pack, pad
from truing.data.trees import Tree
from truing.kernels.attention import takes_trees
from truing.kernels.families import LINEAR_SCORE
from truing.models.scoring import Trunk, probe, without_dropout


def linear_head(model: PreTrainedModel) -> nn.Module | None:
    """Return the linear `score` of a decoder, perhaps wrapped by PEFT; None for any other head."""
    return getattr(model, LINEAR_SCORE, None)


def pad_token(model: PreTrainedModel) -> int | None:
    """Return the token that the model's own pooling skips."""
    return model.config.get_text_config().pad_token_id


def last_tokens(batch: PackedBatch, pad_id: int | None) -> Tensor:
    """Find every branch's last token that is not `pad_id`, as a flat index into [R * L], [B] int64.

    For a branch of pad tokens alone this is a token of its prompt; for a prompt of pad tokens, the first one.
    """
    tokens = batch.tokens
    index = torch.arange(tokens.shape[1], device=tokens.device)
    counts = tokens != pad_id if pad_id is not None else torch.ones_like(tokens, dtype=torch.bool)
    if batch.spans is None:
        assert batch.valid is not None
        last = (index * (counts & batch.valid)).argmax(1)
        return last + tokens.shape[1] * torch.arange(len(tokens), device=tokens.device)
    bounds = [(s.start, s.prompt_end, *branch) for s in batch.spans for branch in s.branches]
    first, prompt_end, start, end = torch.tensor(bounds, device=tokens.device).unbind(1)
    latest = torch.where(counts[0], index, -1).cummax(0).values  # the last one that counts, up to each token
    in_branch, in_prompt = latest[end - 1], latest[prompt_end - 1]
    root = batch.spans[0].root
    before = latest[root - 1].clamp(min=0) if root else first  # where the tree's own prompt has none
    in_prompt = torch.where((in_prompt >= first) & (prompt_end > first), in_prompt, before)
    return torch.where(in_branch >= start, in_branch, in_prompt)


class RewardScorer(Trunk):
    """A scorer of branches; `choose_reward_layout` finds its layout.

    Raises ModelError for a model with more than one label.
    """

    def __init__(
        self, model: nn.Module, *, layout: str = "padded", autocast: torch.dtype | None = None
    ) -> None:
        super().__init__(model, layout=layout, autocast=autocast)
        if self.inner.config.num_labels != 1:
            raise ModelError(
                f"{type(self.inner).__name__} has {self.inner.config.num_labels} labels,"
                " and a reward model gives one score",
                hint="open it with `load_reward`",
            )

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the score of every branch, [B] f32."""
        head = linear_head(self.inner)
        if head is None:
            return self._pooled(batch)
        last = last_tokens(batch, pad_token(self.inner))
        states = self._states(replace(batch, source=last))
        # Outside autocast: a score of 12.3 rounded to bfloat16 is off by as much as many pairs differ.
        with torch.autocast(states.device.type, enabled=False):
            scores: Tensor = head(states.to(head.get_parameter("weight").dtype))
        return scores[:, 0].float()

    def _pooled(self, batch: PackedBatch) -> Tensor:
        """Return the scores of right-padded rows by a model with its own pooling, [R] f32."""
        assert batch.valid is not None, "choose_reward_layout gives such a model padded rows"
        # Some families (CTRL) tell padding by its token, whatever the mask says.
        tokens = batch.tokens.masked_fill(~batch.valid, pad_token(self.inner) or 0)
        with self.cast():
            logits = self.inner(input_ids=tokens, attention_mask=batch.valid.long()).logits
        return logits[:, 0].float()


def _own_scores(scorer: RewardScorer, trees: Sequence[Tree]) -> Tensor:
    """Return the model's own logit of every branch, each in a row of its own without padding, [B] f32."""
    found = []
    for tree in trees:
        for branch in tree.branches:
            row = torch.tensor([[*tree.prompt, *branch.tokens]], device=scorer.device)
            with scorer.cast():
                found.append(scorer.inner(input_ids=row, attention_mask=torch.ones_like(row)).logits[0, 0])
    return torch.stack(found).float()


@torch.no_grad()
def choose_reward_layout(
    scorer: RewardScorer, asked: str = "auto", tolerance: float = 1e-3
) -> tuple[str, str]:
    """Choose `trees` if the model gives packed branches the logits of plain rows, else `padded`; say why.

    The difference is the mean absolute one over the spread of the scores, or over a fifth of their size if
    that is larger: a wrong mask gives about 1, bfloat16 rounding 0.05. Raises ModelError where even padded
    rows differ from plain ones.
    """
    inner = scorer.inner
    trees = probe(inner.config.get_text_config().vocab_size)
    low = scorer.autocast is not None or inner.dtype in (torch.bfloat16, torch.float16)
    allowed = tolerance * (150 if low else 1)
    with without_dropout(scorer):
        own = _own_scores(scorer, trees)
        spread = float(torch.maximum(own.std(), own.square().mean().sqrt() / 5)) or 1.0
        padded = scorer(pad(trees).to(scorer.device))
        gap = float((padded - own).abs().mean()) / spread
        if not gap <= allowed:  # nan is not either
            raise ModelError(
                f"{type(inner).__name__} scores a padded row otherwise than the row alone:"
                f" its scores differ by {gap:.2g} of their spread",
                hint="use a decoder that transformers pools at its last token, or an encoder",
            )
        if asked == "padded":
            return "padded", "asked for by the recipe"
        if linear_head(inner) is None:
            return "padded", f"{type(inner).__name__} pools its rows itself"
        if not takes_trees(inner):
            return "padded", f"{type(inner).__name__} does not take a tree mask"
        try:
            packed = scorer(pack(trees).to(scorer.device))
        except (TypeError, RuntimeError, ValueError) as error:
            return "padded", f"{type(inner).__name__} cannot run packed trees ({error})"
    gap = float((packed - own).abs().mean()) / spread
    if gap > allowed:
        return "padded", f"packed and plain scores differ by {gap:.2g} of their spread"
    return "trees", f"packed and plain scores agree to {gap:.1g} of their spread"
