"""The end of a response, and the part of the response that is text."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from truing.sampling.types import Finish

# Tokens decoded beyond the stop string's bytes: a decoder may drop a leading space, or a token be empty.
SLACK = 8


@dataclass(frozen=True)
class Endings:
    """The stop tokens and stop strings that end a response before its length is used up."""

    tokenizer: PreTrainedTokenizerBase
    stop_ids: frozenset[int]
    stop: tuple[str, ...]

    def met(self, tokens: Sequence[int]) -> Finish | None:
        """Return the finish if the newest of `tokens` ends the response, else None; called at every token."""
        if tokens[-1] in self.stop_ids:
            return Finish.STOP
        if not self.stop:
            return None
        # A token is a byte at least, so the newest one can only complete a string within this many.
        reach = max(len(stop.encode()) for stop in self.stop) + SLACK
        if self._cut(tokens[-reach:]) is None or self._cut(tokens) is None:
            return None
        return Finish.STOP_STRING

    def text(self, tokens: Sequence[int], finish: Finish) -> str:
        """Return the text without special tokens and the stop token, cut before the first stop string."""
        if finish is Finish.STOP:
            tokens = tokens[:-1]
        text = self._decoded(tokens)
        return text[: self._cut(tokens)] if finish is Finish.STOP_STRING else text

    def _cut(self, tokens: Sequence[int]) -> int | None:
        """Find the place in the text where the earliest stop string begins; None when there is none."""
        text = self._decoded(tokens)
        return min((at for stop in self.stop if (at := text.find(stop)) >= 0), default=None)

    def _decoded(self, tokens: Sequence[int]) -> str:
        text = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        assert isinstance(text, str)
        return text
