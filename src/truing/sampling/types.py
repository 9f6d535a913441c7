"""The request to a sampler and its result: plain records, no torch.

Every sampler (local, http) takes a `Sampling` and returns `Sample`s, siblings next to each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from truing.core.errors import ConfigError, DivergedError

OnProgress = Callable[[int, int], None]  # of the number of things that are done, and their total


@dataclass(frozen=True, slots=True)
class Sampling:
    """The settings of drawing. Filters apply in the order of the fields; defaults leave them off."""

    max_new_tokens: int = 256
    repetition_penalty: float = 1.0  # on tokens of the prompt and the response so far
    temperature: float = 0.0  # 0: the most likely token
    top_k: int = 0  # 0: off
    top_p: float = 1.0
    min_p: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    logprobs: bool = True

    def __post_init__(self) -> None:
        bounds = {
            "max_new_tokens": (self.max_new_tokens >= 1, "at least 1"),
            "repetition_penalty": (self.repetition_penalty > 0, "above 0 (1 is off)"),
            "temperature": (self.temperature >= 0, "0 (greedy) or more"),
            "top_k": (self.top_k >= 0, "0 (off) or more"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1 (off)"),
            "min_p": (0 <= self.min_p <= 1, "between 0 (off) and 1"),
            "seed": (0 <= self.seed < 2**64, "between 0 and 2**64 - 1"),
            "stop": (all(self.stop), "strings of at least one character"),
        }
        for name, (holds, expected) in bounds.items():
            if not holds:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, expected {expected}")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0


class Finish(StrEnum):
    """The reason why a response ended."""

    STOP = "stop"  # the policy ended its turn with a stop token
    STOP_STRING = "stop_string"  # the text came to contain one of `Sampling.stop`
    LENGTH = "length"  # max_new_tokens or the model's context was used up


@dataclass(frozen=True, slots=True)
class Sample:
    """One response. `logprobs` is as long as `tokens`, or empty when they were not asked for.

    `logprobs` belong to the distribution the token was drawn from, after all filters. Greedy sampling would
    make them all 0: there they are the policy's own at temperature 1, after the penalty.
    """

    tokens: list[int]  # with the stop token, or up to the token that completes a stop string
    logprobs: list[float]
    text: str  # without special tokens, cut before the stop string
    finish: Finish
    prompt: int  # index among the prompts of the call
    k: int  # which sibling, from 0
    version: int | None = None  # the step of the weights that drew it; None: the sampler does not say

    def __post_init__(self) -> None:
        if self.logprobs and len(self.logprobs) != len(self.tokens):
            raise ValueError(f"{len(self.tokens)} tokens but {len(self.logprobs)} log-probabilities")


class NoLogitsError(DivergedError):
    """A model's logits are such that no token can be drawn. `named` adds the name of the prompt."""

    def __init__(self, prompt: int, written: int, first: str, *, name: str = "") -> None:
        self.prompt, self.written, self.first = prompt, written, first
        told = f"{name or f'prompt {prompt}'}: the model's logits are not finite after {written} tokens"
        hint = "the weights, or what the model makes of them, are no numbers: begin from others"
        super().__init__(f"{told}, first in {first}" if first else told, hint=hint)

    def named(self, name: str) -> "NoLogitsError":
        """Return this error with a name for the prompt."""
        return NoLogitsError(self.prompt, self.written, self.first, name=name)


class Sampler(Protocol):
    """The source of responses. Training calls `refresh` before it samples for a step."""

    def refresh(self, model: Any, step: int) -> None:
        """Draw from here on from `model`, a transformers or PEFT model, as it is now, after `step` steps."""
        ...

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        group_size: int = 1,
        step: int = 0,
        keys: Sequence[int] | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Sample]:
        """Draw `group_size` responses to each prompt of token ids: siblings together, in prompt order.

        Each response is keyed by (seed, step, key of the prompt, k); `keys` are the prompts' indices unless
        given. `on_progress` is called with the number of ended responses and their total.
        """
        ...
