"""A model with the renderer, sampler and scorer to talk to it and to score its responses."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from truing.core.records import Message, Record, user
from truing.data.chat import Renderer, make_renderer
from truing.data.trees import Branch, Tree
from truing.kernels.fused import fuse
from truing.models.contents import contents_of_source
from truing.models.precision import pick_precision
from truing.models.scoring import Policy, Scorer, choose_layout
from truing.models.trained import Trained, load_trained
from truing.sampling.local import IN_FLIGHT, LocalSampler
from truing.sampling.types import NoLogitsError, Sample, Sampler, Sampling

Askable = Sequence[Message] | str | Record  # turns, one user turn, or the prompt of a row


@dataclass(frozen=True)
class Responder:
    """One policy that can be sampled from, here or on servers."""

    renderer: Renderer
    sampler: Sampler

    def prompt_ids(self, asked: Askable) -> list[int]:
        """Return a prompt's token ids. Raises RefusedRowError for turns that the template cannot write."""
        if isinstance(asked, Record):
            return self.renderer.prompt(asked.prompt, asked.given, asked.place or "prompt")
        return self.renderer.prompt(user(asked) if isinstance(asked, str) else tuple(asked))

    def answer(
        self,
        prompts: Sequence[Askable],
        sampling: Sampling,
        *,
        group_size: int = 1,
        keys: Sequence[int] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[Sample]:
        """Draw `group_size` responses to each prompt, siblings next to each other; `keys` as in `Sampler`."""
        ids = [self.prompt_ids(prompt) for prompt in prompts]
        how = {"group_size": group_size, "keys": keys, "on_progress": on_progress}
        try:
            return self.sampler.sample(ids, sampling, **how)
        except NoLogitsError as error:
            asked = prompts[error.prompt]
            turns = asked.prompt if isinstance(asked, Record) else asked
            text = turns if isinstance(turns, str) else turns[-1].content
            raise error.named(f"asked {text[:60]!r}") from error


@dataclass(frozen=True)
class Speaker(Responder):
    """One policy on this machine, which can be sampled from and scored."""

    sampler: LocalSampler
    model: Policy
    tokenizer: Any
    scorer: Scorer

    @classmethod
    def of(
        cls, trained: Trained, template: str | None = None, *, tokens_in_flight: int = IN_FLIGHT
    ) -> "Speaker":
        """Make a speaker of a model; a `template` of None stands for the one it was trained with."""
        renderer = make_renderer(trained.tokenizer, template or trained.template, ends=trained.ends)
        device = next(trained.model.parameters()).device
        precision = pick_precision("auto", device, adapter=True)
        fuse(trained.model)
        scorer = Scorer(trained.model, autocast=precision.autocast)
        scorer.layout, _ = choose_layout(scorer)
        how = {"stop_ids": renderer.stop_ids, "tokens_in_flight": tokens_in_flight}
        sampler = LocalSampler(trained.model, trained.tokenizer, **how)
        return cls(renderer, sampler, trained.model, trained.tokenizer, scorer)

    def batches(
        self, prompts: Sequence[Askable], sampling: Sampling, *, group_size: int = 1
    ) -> list[list[int]]:
        """Return the indices of the prompts that `answer` reads together; see `LocalSampler.batches`."""
        ids = [self.prompt_ids(prompt) for prompt in prompts]
        return self.sampler.batches(ids, sampling, group_size=group_size)

    def trees(self, prompts: Sequence[Askable], samples: Sequence[Sample]) -> list[Tree]:
        """Make a tree of one branch from each response, for scoring."""
        return [
            Tree(self.prompt_ids(prompts[s.prompt]), (Branch(s.tokens, [True] * len(s.tokens)),))
            for s in samples
        ]


_HELD: WeakValueDictionary[str, Speaker] = WeakValueDictionary()  # the speakers that somebody holds


def shared_speaker(source: str, opened: Trained | None = None, template: str | None = None) -> Speaker:
    """Open a model of a name; while somebody holds its speaker, that one is returned.

    So roles that name one model have its weights in memory once. Files that have changed are another model,
    and so is each `opened` one.
    """
    contents = contents_of_source(source) if opened is None else id(opened.model)
    key = json.dumps([source, contents, template])
    found = _HELD.get(key)
    if found is None:
        found = _HELD[key] = Speaker.of(opened or load_trained(source), template)
    return found
