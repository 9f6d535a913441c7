"""A policy on held-out pairs: how likely it finds the two answers, and what it answers itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from make_pairs import NUMBER

from truing.core.errors import DataError
from truing.core.files import read_jsonl
from truing.data.chat import Renderer
from truing.data.differing import only_differing
from truing.data.limits import render_all
from truing.data.load import load_records
from truing.data.trees import Tree
from truing.models.reference import score_all
from truing.models.scoring import Scorer, without_dropout
from truing.runs.session import Session
from truing.sampling.local import LocalSampler
from truing.sampling.types import Finish, Sample, Sampling
from truing.stats.intervals import Interval, bootstrap_mean, wilson
from truing.text.degeneration import longest_digit_run, repeated_characters, repeated_words
from truing.text.refusal import is_refusal

LONGEST = 80  # tokens of a sampled answer; the reference answers have 17 to 49
DRAWN = {
    "greedy": Sampling(max_new_tokens=LONGEST, logprobs=False),
    "temperature 1": Sampling(max_new_tokens=LONGEST, temperature=1.0, logprobs=False),
}


@dataclass(frozen=True)
class HeldOut:
    """The held-out pairs as rows and as trees, chosen first."""

    rows: list[dict[str, str]]
    trees: list[Tree]
    differs: list[np.ndarray]  # of each pair's chosen tokens, whether the rejected answer has another

    @classmethod
    def of(cls, path: Path, renderer: Renderer) -> "HeldOut":
        """The pairs of a file, as the policy's template writes them."""
        rows = read_jsonl(path)
        trees = render_all(load_records([str(path)]).records, renderer, max_tokens=2048).trees
        if len(trees) != len(rows):
            raise DataError(f"{path}: {len(rows) - len(trees)} of {len(rows)} pairs do not fit 2048 tokens")
        differs = []
        for tree in trees:
            mark, scored = only_differing(tree).branches[0].scored, tree.branches[0].scored
            differs.append(np.array(mark)[np.array(scored)])
        return cls(rows, trees, differs)


@dataclass(frozen=True)
class Likelihood:
    """Log-probabilities of the held-out answers, token by token."""

    chosen: list[np.ndarray]  # per pair, [tokens] f32
    rejected: list[np.ndarray]

    def summary(self, start: "Likelihood | None", held: HeldOut, beta: float) -> dict[str, float]:
        """Means over tokens in nats per token, and how the pairs stand.

        Margin and accuracy are of DPO's implicit reward against `start` (None: against itself); `likelier` is
        the share of pairs whose chosen answer has the larger log-probability, whatever the start.
        """
        start = start or self
        tokens, differs = np.concatenate(self.chosen), np.concatenate(held.differs)
        own, theirs = (np.array([row.sum() for row in side]) for side in (self.chosen, self.rejected))
        chosen, rejected = (np.array([row.sum() for row in side]) for side in (start.chosen, start.rejected))
        margins = beta * ((own - chosen) - (theirs - rejected))
        return {
            "chosen": float(tokens.mean()),
            "rejected": float(np.concatenate(self.rejected).mean()),
            "chosen_differing": float(tokens[differs].mean()),
            "chosen_shared": float(tokens[~differs].mean()),
            "chosen_change": float(tokens.mean() - np.concatenate(start.chosen).mean()),
            "margin": float(margins.mean()),
            "accuracy": float((margins > 0).mean()),
            "likelier": float((own > theirs).mean()),
        }


@torch.no_grad()
def likelihood(session: Session, held: HeldOut) -> Likelihood:
    """Log-probabilities of both answers of every pair under the session's policy."""
    scorer = session.scorer
    assert isinstance(scorer, Scorer), "a preference loss trains a policy"
    with without_dropout(scorer):
        found = score_all(scorer, held.trees, session.tokens_per_pass)
    sizes = [[branch.count for branch in tree.branches] for tree in held.trees]
    pairs = [found[i].split(size) for i, size in enumerate(sizes)]
    return Likelihood([one.numpy() for one, _ in pairs], [other.numpy() for _, other in pairs])


def answer(session: Session, held: HeldOut, sampling: Sampling) -> list[Sample]:
    """The policy's own answer to every held-out prompt."""
    sampler = LocalSampler(session.model, session.tokenizer, stop_ids=session.renderer.stop_ids)
    return sampler.sample([tree.prompt for tree in held.trees], sampling)


def numbers(text: str) -> set[str]:
    """The numbers of a text, without separators and closing zeros: 1,204.50 is 1204.5."""
    plain = (found.replace(",", "") for found in NUMBER.findall(text))
    return {number.rstrip("0").rstrip(".") if "." in number else number for number in plain}


def right(text: str, known: str) -> bool:
    """Return whether a text has numbers, and all of them are those of `known`."""
    return bool(numbers(text)) and numbers(text) <= numbers(known)


def judge(samples: Sequence[Sample], rows: Sequence[dict[str, str]]) -> dict[str, Interval]:
    """Shares and means over answers, each with its 95 % interval: Wilson for shares, bootstrap for means."""
    texts = [sample.text for sample in samples]

    def share(flags: list[bool]) -> Interval:
        return wilson(sum(flags), len(flags))

    pairs = list(zip(texts, rows, strict=True))
    return {
        "repeated_words": bootstrap_mean([repeated_words(text) for text in texts]),
        "repeated_characters": bootstrap_mean([repeated_characters(text) for text in texts]),
        "digit_run": bootstrap_mean([longest_digit_run(text) for text in texts]),
        "correct": share([right(text, row["chosen"]) for text, row in pairs]),
        "in_report": share([right(text, row["prompt"]) for text, row in pairs]),
        "empty": share([not text.strip() for text in texts]),
        "cut": share([sample.finish is Finish.LENGTH for sample in samples]),
        "refused": share([is_refusal(text) for text in texts]),
    }
