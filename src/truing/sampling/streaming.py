"""Responses that are read while they are written, from models on this machine and from servers.

    streamer = LocalStreamer("runs/mine", Shelf(8e9), WorkInTurns())
    said = await streamer.speak(user("How do I bake bread?"), Sampling(), print)

`speak` hands over the text piece by piece, in whole characters, and returns the text and the reason of its
end. Cancel its task to stop it. To add a kind of source, write a class with `speak`.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import Turns, key_of
from truing.sampling.decode import context_of
from truing.sampling.endings import Endings
from truing.sampling.shelf import Shelf
from truing.sampling.speaker import Speaker
from truing.sampling.turns import WorkInTurns
from truing.sampling.types import Finish, Sampling

TakePiece = Callable[[str], None]
UNREAD = "\ufffd"  # what bytes that are no whole character are decoded to


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A whole response and the reason of its end."""

    text: str
    finish: Finish


class Streamer(Protocol):
    """A source of responses that come piece by piece."""

    async def speak(self, turns: Turns, sampling: Sampling, take: TakePiece) -> SpokenText:
        """Have the next response written; `take` gets each new piece of its text. Raises TruingError."""
        ...


class TextPieces:
    """The text of a growing response in pieces that end with whole characters.

    A Chinese character is often three tokens, none of which is text by itself. Joined, the pieces are the
    text that the tokenizer decodes from all tokens.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._given: list[str] = []
        self._start = self._end = (
            0  # tokens: those before `_end` are given, those from `_start` are read again
        )

    def add(self, tokens: Sequence[int]) -> str:
        """Return the new text of `tokens`, all of the response so far; empty within a character."""
        before = self._decoded(tokens[self._start : self._end])
        now = self._decoded(tokens[self._start :])
        if now.endswith(UNREAD) or len(now) <= len(before):
            return ""
        self._start, self._end = self._end, len(tokens)
        self._given.append(now[len(before) :])
        return self._given[-1]

    def rest(self, text: str) -> str:
        """Return what is missing of the whole `text` of the response."""
        given = "".join(self._given)
        return text[len(given) :] if text.startswith(given) else ""

    def _decoded(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))


@dataclass(frozen=True)
class LocalStreamer:
    """A model on this machine, opened when it is first asked."""

    source: str
    shelf: Shelf
    turns: WorkInTurns

    async def speak(self, turns: Turns, sampling: Sampling, take: TakePiece) -> SpokenText:
        """Write the next response in turns with the other models of this machine."""
        said: list[SpokenText] = []

        def took(step: str | SpokenText) -> None:
            if isinstance(step, SpokenText):
                said.append(step)
            elif step:
                take(step)

        await self.turns.run(self._steps(turns, sampling), took)
        return said[0]

    def _steps(self, turns: Turns, sampling: Sampling) -> Generator[str | SpokenText]:
        """Yield a piece of text for each token, which may be empty, and the whole at the end."""
        with self.shelf.using(self.source) as speaker:
            prompt = speaker.prompt_ids(turns)
            _require_room(speaker, len(prompt))
            pieces, sampler = TextPieces(speaker.tokenizer), speaker.sampler
            endings = Endings(speaker.tokenizer, sampler.stop_ids, sampling.stop)
            for row in sampler.follow(prompt, sampling, key=key_of(turns)):
                if row.finish is None:
                    yield pieces.add(row.tokens)
                    continue
                text = endings.text(row.tokens, row.finish)
                yield pieces.rest(text)
                yield SpokenText(text, row.finish)


def _require_room(speaker: Speaker, length: int) -> None:
    context = context_of(speaker.model)
    if context is not None and length >= context:
        raise DataError(
            message("the conversation has {n} tokens, and the model reads {most}", n=length, most=context),
            hint=message("begin a new conversation"),
        )
