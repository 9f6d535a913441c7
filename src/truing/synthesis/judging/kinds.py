"""The kinds of questions that `truing judge` asks, and the one that fits a row.

    rubric      a row with a rubric: each response against it
    pairwise    two responses: the better one, in both orders
    ranking     three responses or more: ranks, in two orders
    axes        one response: a score for each point

To add a kind, write a `JudgingKind` and a row in `KINDS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from truing.config.judging import JudgingRecipe
from truing.core.records import Record, Response, Turns
from truing.judges.axes import SCALES, Axes, AxisScores, points_of
from truing.judges.opinions import Asker, NoVerdict
from truing.judges.pairwise import Comparison, Pairwise, read_template, read_weighed
from truing.judges.question import prompt_file, prompt_text
from truing.judges.ranking import RankedResponses, Ranker, read_places
from truing.judges.reading import read_stated
from truing.judges.rubrics import RubricJudge, RubricVerdict, item_field


@dataclass(frozen=True)
class JudgedItem:
    """The part of a row that one question, or one pair of questions, is about."""

    kind: str
    record: Record
    responses: tuple[Response, ...]

    @property
    def prompt(self) -> str:
        """The turns of the prompt, which items of one prompt share."""
        return "\n".join(turn.content for turn in self.record.prompt)

    @property
    def texts(self) -> list[str]:
        return [response.text for response in self.responses]


JudgeFinding = Comparison | AxisScores | RubricVerdict | RankedResponses | NoVerdict
Read = Callable[[str], Any]


class JudgingKind(Protocol):
    """A kind of question; all methods are of one recipe."""

    def questions(self, judge: Asker, items: Sequence[JudgedItem]) -> tuple[list[Turns], Read]:
        """Return the questions of the items and the function that reads an answer."""
        ...

    def ask(self, judge: Asker, items: Sequence[JudgedItem]) -> Sequence[JudgeFinding]:
        """Return what the judge finds of each item."""
        ...

    def value(self, found: JudgeFinding) -> float | NoVerdict:
        """Return the opinion as a number from 0 to 1; of a pair the probability that its first is better."""
        ...

    def detail(self, found: JudgeFinding) -> Mapping[str, Any]:
        """Return the verdict as a row keeps it."""
        ...


@dataclass(frozen=True)
class PairKind:
    """Two responses in both orders."""

    recipe: JudgingRecipe

    def _compare(self, judge: Asker) -> Pairwise:
        language = self.recipe.language
        rubric = self.recipe.rubric or prompt_text("rubric", language)
        return Pairwise(judge, rubric, read_template(prompt_file("pairwise", language)))

    def questions(self, judge: Asker, items: Sequence[JudgedItem]) -> tuple[list[Turns], Read]:
        return self._compare(judge).questions([(i.record.prompt, *_two(i)) for i in items]), read_weighed

    def ask(self, judge: Asker, items: Sequence[JudgedItem]) -> Sequence[JudgeFinding]:
        return self._compare(judge)([(item.record.prompt, *_two(item)) for item in items])

    def value(self, found: JudgeFinding) -> float | NoVerdict:
        assert isinstance(found, Comparison)
        return found.probability

    def detail(self, found: JudgeFinding) -> Mapping[str, Any]:
        assert isinstance(found, Comparison)
        orders = {"first": found.a_first, "swapped": found.b_first}
        said = {name: None if isinstance(one, NoVerdict) else str(one) for name, one in orders.items()}
        return {**said, "agree": found.consistent, "probability": _number(found.probability)}


def _two(item: JudgedItem) -> tuple[str, str]:
    first, second = item.texts
    return first, second


@dataclass(frozen=True)
class AxesKind:
    """One response on several points."""

    recipe: JudgingRecipe

    def _axes(self, judge: Asker) -> Axes:
        recipe = self.recipe
        points = points_of(recipe.axes, recipe.language)
        return Axes(judge, points, recipe.scale, recipe.apart, recipe.language)

    def questions(self, judge: Asker, items: Sequence[JudgedItem]) -> tuple[list[Turns], Read]:
        axes = self._axes(judge)
        fields = [axes.field(name) for name in self.recipe.axes]
        return axes.questions(_single(items)), lambda text: read_stated(text, fields)

    def ask(self, judge: Asker, items: Sequence[JudgedItem]) -> Sequence[JudgeFinding]:
        return self._axes(judge)(_single(items))

    def value(self, found: JudgeFinding) -> float | NoVerdict:
        if isinstance(found, NoVerdict):
            return found
        assert isinstance(found, Mapping)
        low, high = SCALES[self.recipe.scale]
        return sum((score - low) / (high - low) for score in found.values()) / len(found)

    def detail(self, found: JudgeFinding) -> Mapping[str, Any]:
        return {"axes": dict(found)} if isinstance(found, Mapping) else {"axes": None}


@dataclass(frozen=True)
class RubricKind:
    """One response against the rubric of its row."""

    recipe: JudgingRecipe

    def questions(self, judge: Asker, items: Sequence[JudgedItem]) -> tuple[list[Turns], Read]:
        most = max((len(item.record.rubric) for item in items), default=0)
        fields = [item_field(place) for place in range(1, most + 1)]
        return RubricJudge(judge, self.recipe.language).questions(_checked(items)), lambda text: read_stated(
            text, fields
        )

    def ask(self, judge: Asker, items: Sequence[JudgedItem]) -> Sequence[JudgeFinding]:
        return RubricJudge(judge, self.recipe.language)(_checked(items))

    def value(self, found: JudgeFinding) -> float | NoVerdict:
        assert isinstance(found, RubricVerdict | NoVerdict)
        return found if isinstance(found, NoVerdict) else found.score

    def detail(self, found: JudgeFinding) -> Mapping[str, Any]:
        if not isinstance(found, RubricVerdict):
            return {"met": None}
        return {"met": list(found.met), "score": _number(found.score)}


@dataclass(frozen=True)
class RankingKind:
    """Several responses in two orders; its value is that the first response is the best."""

    recipe: JudgingRecipe

    def _ranker(self, judge: Asker) -> Ranker:
        return Ranker(judge, self.recipe.rubric or "", self.recipe.language)

    def questions(self, judge: Asker, items: Sequence[JudgedItem]) -> tuple[list[Turns], Read]:
        return self._ranker(judge).questions([(i.record.prompt, i.texts) for i in items]), read_places

    def ask(self, judge: Asker, items: Sequence[JudgedItem]) -> Sequence[JudgeFinding]:
        return self._ranker(judge)([(item.record.prompt, item.texts) for item in items])

    def value(self, found: JudgeFinding) -> float | NoVerdict:
        assert isinstance(found, RankedResponses)
        ranks = found.ranks
        if isinstance(ranks, NoVerdict):
            return ranks
        return sum(0.5 if rank == ranks[0] else float(rank > ranks[0]) for rank in ranks[1:]) / len(ranks[1:])

    def detail(self, found: JudgeFinding) -> Mapping[str, Any]:
        assert isinstance(found, RankedResponses)
        return {
            "first": _listed(found.there),
            "swapped": _listed(found.back),
            "ranks": _listed(found.ranks),
        }


def _single(items: Sequence[JudgedItem]) -> list[tuple[Turns, str]]:
    return [(item.record.prompt, item.texts[0]) for item in items]


def _checked(items: Sequence[JudgedItem]) -> list[tuple[Turns, str, Any]]:
    return [(item.record.prompt, item.texts[0], item.record.rubric) for item in items]


def _number(value: float | NoVerdict) -> float | None:
    return None if isinstance(value, NoVerdict) else value


def _listed(value: Sequence[float] | NoVerdict) -> list[float] | None:
    return None if isinstance(value, NoVerdict) else list(value)


KINDS: dict[str, Callable[[JudgingRecipe], JudgingKind]] = {
    "rubric": RubricKind,
    "pairwise": PairKind,
    "ranking": RankingKind,
    "axes": AxesKind,
}


def items_of(record: Record, kind: str) -> list[JudgedItem]:
    """Return the items of a row for a kind, `auto` included; none where the row does not fit it."""
    responses = record.responses
    chosen = _fitting(record) if kind == "auto" else kind
    if chosen == "pairwise":
        return [JudgedItem(chosen, record, responses)] if len(responses) == 2 else []
    if chosen == "ranking":
        return [JudgedItem(chosen, record, responses)] if len(responses) > 2 else []
    if chosen == "rubric" and not record.rubric:
        return []
    return [JudgedItem(chosen, record, (response,)) for response in responses]


def _fitting(record: Record) -> str:
    if record.rubric:
        return "rubric"
    return {1: "axes", 2: "pairwise"}.get(len(record.responses), "ranking")
