"""A judge that is a model on this machine, in the place of a server.

    messages -> cache, or `answer` -> text -> `read` -> an opinion, or `NoVerdict`

The caller draws the answers, since this package imports no sampler. With a sampler:

    def answer(questions: list[Question]) -> list[str | None]:
        samples = ...  # one for each question, drawn greedily
        return [None if sample.finish is Finish.LENGTH else sample.text for sample in samples]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from truing.core.errors import ConfigError
from truing.core.records import Turns
from truing.judges.budget import Estimate, Used
from truing.judges.cache import AnswerCache, key_of
from truing.judges.opinions import CountOne, NoVerdict, NoVerdictError, Opinion, uncounted

Respond = Callable[[list[Turns]], Sequence[str | None]]
TOO_LONG = "\0too long"  # kept for a question without a text: another try would end in the same way


@dataclass(frozen=True)
class LocalJudge:
    """A judge that asks `answer`, which returns a text for each question.

    `answer` returns None where the question or the answer is too long.

    `identity` names everything that decides an answer beside the question, so that a cache may be shared: the
    model (best by a hash of its weights, since a folder may come to hold another model) and the sampling.
    Raises ConfigError where it is empty.
    """

    identity: str
    answer: Respond
    cache: AnswerCache | None = None
    at_once: int = 8  # questions in one call of `answer`; its answers are kept before the next

    def __post_init__(self) -> None:
        if not self.identity:
            raise ConfigError("a local judge has no identity, which tells its answers from another's")
        if self.at_once < 1:
            raise ConfigError(f"at_once is {self.at_once}, expected at least 1 question in a call")

    def ask(
        self, questions: Sequence[Turns], read: Callable[[str], Opinion], tick: CountOne = uncounted
    ) -> list[Opinion | NoVerdict]:
        """Return the opinion that `read` finds in each question's answer, in order; ask equal ones once.

        `read` raises NoVerdictError on an answer that gives no opinion. Every answer is kept. `tick` is
        called as `opinions.TickingAsker` says.
        """
        kept = {question: self._kept(question) for question in dict.fromkeys(questions)}
        found = {question: _opinion(text, read) for question, text in kept.items() if text is not None}
        asked = [question for question, text in kept.items() if text is None]
        for _ in range(len(questions) - len(asked)):
            tick()
        for start in range(0, len(asked), self.at_once):
            part = asked[start : start + self.at_once]
            for question, text in zip(part, self.answer(part), strict=True):
                found[question] = _opinion(text, read)
                if self.cache:  # drawn greedily: another try would be the same
                    self.cache.put(self._key(question), TOO_LONG if text is None else text)
                tick()
        return [found[question] for question in questions]

    def kept(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        """Return what the cache answers; nothing is asked."""
        return [
            NoVerdict("not in the cache") if (text := self._kept(question)) is None else _opinion(text, read)
            for question in questions
        ]

    def estimate(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> Estimate:
        """Return how many questions there are and are kept; on this machine tokens cost nothing."""
        different = list(dict.fromkeys(questions))
        kept = sum(not isinstance(each, NoVerdict) for each in self.kept(different, read))
        return Estimate(len(different), kept, Used(), None)

    def _kept(self, question: Turns) -> str | None:
        return self.cache.get(self._key(question)) if self.cache else None

    def _key(self, question: Turns) -> str:
        messages = [{"role": turn.role, "content": turn.content} for turn in question]
        return key_of({"local": self.identity, "messages": messages})


def _opinion(text: str | None, read: Callable[[str], Opinion]) -> Opinion | NoVerdict:
    if text is None or text == TOO_LONG:
        return NoVerdict("the question or its answer is too long")
    if not text.strip():
        return NoVerdict("the answer is empty")
    try:
        return read(text)
    except NoVerdictError as error:
        return NoVerdict(str(error))
