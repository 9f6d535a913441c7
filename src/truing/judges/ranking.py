"""Several responses at a time: a judge ranks them, and is asked again with their order turned round.

    prompt, [w, x, y, z] -> a keyed order of places, and its reverse -> RANKING: B > A = D > C -> ranks

The order of the first question is drawn from a hash of the texts, so that the same question is asked again as
the same text. In the second every pair of responses changes places, so that a judge that goes by places
contradicts itself in every pair; the mean of both ranks is then a tie.
"""

import hashlib
import json
import random
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from truing.core.errors import ConfigError
from truing.core.languages import Language
from truing.core.messages import message
from truing.core.records import Message, Turns
from truing.judges.opinions import Asker, NoVerdict
from truing.judges.question import prompt_file, prompt_text, question_of, template_of
from truing.judges.reading import StatedField, read_field

FILLED = ("mark", "rubric", "example", "conversation", "response")
LABEL = "ranking|rank|order|排名|名次|排序"
MOST = 12  # responses in one question
PLACES = string.ascii_uppercase

Ranks = tuple[float, ...]  # of responses: 1 is the best, equal ones share the mean of their ranks


@dataclass(frozen=True, slots=True)
class RankedResponses:
    """The ranks that both orders gave to responses, in the order in which the responses were given."""

    first: tuple[int, ...]  # responses by their place in the first question; reversed in the second
    there: Ranks | NoVerdict
    back: Ranks | NoVerdict

    @property
    def ranks(self) -> Ranks | NoVerdict:
        """Return the ranks by the mean of both orders, ties included, or why there are none."""
        if isinstance(self.there, NoVerdict) or isinstance(self.back, NoVerdict):
            orders = {"first": self.there, "second": self.back}
            failed = [
                f"in the {name} order: {o.reason}" for name, o in orders.items() if isinstance(o, NoVerdict)
            ]
            return NoVerdict("; ".join(failed))
        return ranks_of([a + b for a, b in zip(self.there, self.back, strict=True)])

    def turned(self) -> Iterator[tuple[bool, bool]]:
        """Yield of each pair whether its orders contradict, and whether the earlier place won both times.

        Nothing is yielded where an order has no ranking.
        """
        if isinstance(self.there, NoVerdict) or isinstance(self.back, NoVerdict):
            return
        for i, j in combinations(self.first, 2):  # i stands before j in the first question
            there, back = self.there[j] - self.there[i], self.back[j] - self.back[i]
            yield there * back < 0, there > 0 > back


def ranks_of(values: Sequence[float]) -> Ranks:
    """Return the rank of each value, 1 for the least; equal values share the mean of their ranks."""
    return tuple(
        sum(other < value for other in values) + (1 + sum(other == value for other in values)) / 2
        for value in values
    )


@dataclass(frozen=True)
class Ranker:
    """A judge that ranks two to twelve responses at a time."""

    judge: Asker
    rubric: str = ""  # empty: the one in `prompts/`
    language: Language = "en"

    def __call__(self, judged: Sequence[tuple[Sequence[Message], Sequence[str]]]) -> list[RankedResponses]:
        """Rank the responses of each (prompt, responses). Raises ConfigError for too few or too many."""
        orders = [keyed_order(prompt, responses) for prompt, responses in judged]
        told = self.judge.ask(self.questions(judged), read_places)
        there, back = told[: len(judged)], told[len(judged) :]
        return [
            RankedResponses(order, _of_responses(one, order), _of_responses(two, order[::-1]))
            for order, one, two in zip(orders, there, back, strict=True)
        ]

    def questions(self, judged: Sequence[tuple[Sequence[Message], Sequence[str]]]) -> list[Turns]:
        """Return all questions in the first order, then all in the second."""
        orders = [keyed_order(prompt, responses) for prompt, responses in judged]
        there = [self.question(*each, order) for each, order in zip(judged, orders, strict=True)]
        return there + [self.question(*each, order[::-1]) for each, order in zip(judged, orders, strict=True)]

    def question(self, prompt: Sequence[Message], responses: Sequence[str], order: Sequence[int]) -> Turns:
        places = PLACES[: len(order)]
        return question_of(
            template_of(prompt_file("ranking", self.language), FILLED),
            prompt,
            [(f"response {place}", responses[at]) for place, at in zip(places, order, strict=True)],
            rubric=(self.rubric or prompt_text("rubric", self.language)).strip(),
            example=_example(places),
        )


def _example(places: str) -> str:
    """Return a ranking that shows both signs and follows no order of places."""
    between = f" > {' = '.join(places[2:])}" if len(places) > 2 else ""
    return f"{places[1]}{between} > {places[0]}"


def keyed_order(prompt: Sequence[Message], responses: Sequence[str]) -> tuple[int, ...]:
    """Return an order of responses that is a function of the texts. Raises ConfigError."""
    if not 2 <= len(responses) <= MOST:
        raise ConfigError(
            message(
                "a ranking is of {count} responses, expected 2 to {most}", count=len(responses), most=MOST
            )
        )
    texts = [part for turn in prompt for part in (turn.role, turn.content)] + list(responses)
    digest = hashlib.sha256(json.dumps(texts).encode()).digest()
    order = list(range(len(responses)))
    random.Random(digest).shuffle(order)
    return tuple(order)


def as_places(text: str) -> tuple[tuple[str, ...], ...] | None:
    """Return the places that a ranking names, the best first, equal ones together; None for another text."""
    signs = re.sub(r"[≻≥,、]|->|→", ">", text.upper().translate({0x2248: "=", 0xFF1D: "="}))
    groups = [re.split(r"\s*=\s*", group.strip()) for group in signs.split(">")]
    names = [re.sub(r"^(?:RESPONSE|回答)\s*", "", name) for group in groups for name in group]
    if len(names) < 2 or any(name not in PLACES or len(name) != 1 for name in names):
        return None
    if len(set(names)) < len(names):
        return None
    found = iter(names)
    return tuple(tuple(next(found) for _ in group) for group in groups)


FIELD = StatedField("ranking", LABEL, as_places)


def read_places(text: str) -> tuple[tuple[str, ...], ...]:
    """Read the ranking of places that an answer states."""
    return read_field(text, FIELD)


def _of_responses(said: tuple[tuple[str, ...], ...] | NoVerdict, order: Sequence[int]) -> Ranks | NoVerdict:
    """Return the ranks of the responses that stood in `order`."""
    if isinstance(said, NoVerdict):
        return said
    step = {place: number for number, group in enumerate(said) for place in group}
    places = PLACES[: len(order)]
    if set(step) != set(places):
        told = "the ranking does not name the responses {places} once each"
        return NoVerdict(message(told, places=", ".join(places)))
    worth = {response: float(step[place]) for place, response in zip(places, order, strict=True)}
    return ranks_of([worth[response] for response in range(len(order))])
