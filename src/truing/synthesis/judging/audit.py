"""An audit of judges: agreement with the labels in the rows, and biases beside those of the people.

A file puts the better of two responses first, so people would be a rater that always says "the first". Both
raters therefore rate a pair in an order that is drawn from its texts. A bias is told as the judge's share,
the people's share of the same pairs, and the difference with its interval.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from truing.core.messages import Sentence, message
from truing.judges.axes import SCALES
from truing.judges.fence import mark_of
from truing.judges.opinions import NoVerdict
from truing.judges.pairwise import TURNED, Comparison
from truing.judges.panel import side_of
from truing.judges.ranking import RankedResponses
from truing.stats.agreement import cohen_kappa, krippendorff_alpha
from truing.stats.calibration import spearman
from truing.stats.clusters import clustered_mean, clustered_rate
from truing.stats.intervals import Interval, bootstrap_ends
from truing.stats.ratings import RaterAgreement
from truing.synthesis.judging.kinds import JudgedItem, JudgeFinding
from truing.synthesis.judging.run import JudgedRows

FEW = 2  # prompts, below which no interval is given


@dataclass(frozen=True, slots=True)
class AuditNumber:
    """A number of an audit. `people` is the same number of the labels in the rows, where they have one."""

    name: str
    interval: Interval
    people: Interval | None = None
    difference: Interval | None = None


@dataclass(frozen=True, slots=True)
class JudgeAudit:
    """The audit of one judge, or of the panel."""

    judge: str
    numbers: tuple[AuditNumber, ...]
    flags: tuple[Sentence, ...]
    unmeasured: tuple[Sentence, ...]

    def number(self, name: str) -> AuditNumber | None:
        return next((each for each in self.numbers if each.name == name), None)


@dataclass(frozen=True, slots=True)
class PairLabel:
    """A pair with the opinions of people and of a judge on its first response, 0 to 1."""

    prompt: str
    people: float
    judge: float
    gap: int  # characters of the first minus those of the second
    swapped: bool  # for raters: the second response goes by the name of the first
    own: int  # 1: the first is the judge's own model's, -1: the second is, 0: neither or both

    @property
    def ratings(self) -> tuple[float, float]:
        """Return how people and the judge rate the pair, in the drawn order: 1, 0, or ½ for a tie."""
        rated = [side_of(each) for each in (self.people, self.judge)]
        people, judge = [1 - each for each in rated] if self.swapped else rated
        return people, judge


def audit(done: JudgedRows) -> list[JudgeAudit]:
    """Return the audit of every judge, and of the panel where there are several."""
    found = [_of_judge(done, place, role.title) for place, role in enumerate(done.roles)]
    return [*found, _of_judge(done, None, "panel")] if len(done.roles) > 1 else found


def _of_judge(done: JudgedRows, place: int | None, title: str) -> JudgeAudit:
    """Return the audit of the judge at a place, None for the panel."""
    pairs = list(pair_labels(done, place, title))
    numbers: list[AuditNumber] = []
    flags: list[Sentence] = []
    unmeasured: list[Sentence] = []
    if pairs:
        prompts, ratings = [each.prompt for each in pairs], [each.ratings for each in pairs]
        found = cohen_kappa([people for people, _ in ratings], [judge for _, judge in ratings], prompts)
        alpha = krippendorff_alpha(ratings, prompts, scale="ordinal")
        numbers += [AuditNumber("kappa", found.coefficient), AuditNumber("agreement", found.raw)]
        numbers.append(AuditNumber("alpha_ordinal", alpha.coefficient))
        flags += _constant(found, title)
        _add(numbers, flags, _length(pairs, title))
        _add(numbers, flags, _own(pairs, title))
        if all(pair.own == 0 for pair in pairs):
            unmeasured.append(
                message(
                    "self-preference: no row says that {judge} wrote one of its two responses", judge=title
                )
            )
    if place is not None:
        _add(numbers, flags, _places(done, place, title))
    scores = list(score_labels(done, place))
    if scores:
        _add(numbers, flags, _of_scores(done, scores, title))
    if not pairs and not scores:
        unmeasured.append(message("agreement: the rows have no labels to hold {judge} against", judge=title))
    return JudgeAudit(title, tuple(numbers), tuple(flags), tuple(unmeasured))


AuditPart = tuple[list[AuditNumber], list[Sentence]]


def _add(numbers: list[AuditNumber], flags: list[Sentence], part: AuditPart) -> None:
    numbers += part[0]
    flags += part[1]


def _constant(found: RaterAgreement, title: str) -> list[Sentence]:
    if 1 not in found.constant:
        return []
    told = "{judge} gives every pair the same verdict: its agreement beyond chance is 0"
    return [message(told, judge=title)]


def _places(done: JudgedRows, place: int, title: str) -> AuditPart:
    """Return the share of verdicts that change when two responses change places."""
    turned: list[float] = []
    prompts: list[str] = []
    earlier = 0
    for verdict in done.verdicts:
        for contradicts, first in _orders(verdict.found[place]):
            turned.append(float(contradicts))
            prompts.append(verdict.item.prompt)
            earlier += contradicts and first
    if not turned:
        return [], []
    share = clustered_rate(turned, prompts)
    if share.estimate < TURNED:
        return [AuditNumber("position", share)], []
    told = (
        "{judge} goes by places: {n} of {all} verdicts change with them, {first} of them for the first place"
    )
    flag = message(told, judge=title, n=int(sum(turned)), all=len(turned), first=earlier)
    return [AuditNumber("position", share)], [flag]


def _orders(found: JudgeFinding) -> Iterator[tuple[bool, bool]]:
    """Yield of each pair: whether the orders contradict, and whether the first place won both times."""
    if isinstance(found, Comparison) and found.asked and found.consistent is not None:
        yield not found.consistent, found.a_first == found.b_first == "A"
    if isinstance(found, RankedResponses):
        yield from found.turned()


def _length(pairs: Sequence[PairLabel], title: str) -> AuditPart:
    """Return how often the longer response wins, for the judge and for people."""
    decided = [each for each in pairs if each.gap and each.judge != 0.5 and each.people != 0.5]
    if not decided:
        return [], []
    prompts = [each.prompt for each in decided]
    judge = [float((each.judge > 0.5) == (each.gap > 0)) for each in decided]
    people = [float((each.people > 0.5) == (each.gap > 0)) for each in decided]
    number = _beside("length", judge, people, prompts)
    leans = number.interval.low > 0.5 and number.difference is not None and number.difference.low > 0
    if not leans:
        return [number], []
    told = "{judge} favours length: the longer response wins {share:.0%} of pairs, {people:.0%} by the labels"
    share, theirs = number.interval.estimate, sum(people) / len(people)
    return [number], [message(told, judge=title, share=share, people=theirs)]


def _own(pairs: Sequence[PairLabel], title: str) -> AuditPart:
    """Return how often the judge's own model wins, for the judge and for people."""
    own = [each for each in pairs if each.own]
    if not own:
        return [], []
    judge = [each.judge if each.own > 0 else 1 - each.judge for each in own]
    people = [each.people if each.own > 0 else 1 - each.people for each in own]
    number = _beside("self_preference", judge, people, [each.prompt for each in own])
    if number.difference is None or number.difference.low <= 0:
        return [number], []
    told = "{judge} favours its own model: it wins {share:.0%} of pairs, {people:.0%} by the labels"
    share, theirs = number.interval.estimate, sum(people) / len(people)
    return [number], [message(told, judge=title, share=share, people=theirs)]


def _beside(name: str, judge: list[float], people: list[float], prompts: list[str]) -> AuditNumber:
    gaps = [ours - theirs for ours, theirs in zip(judge, people, strict=True)]
    difference = clustered_mean(gaps, prompts) if len(set(prompts)) >= FEW else None
    return AuditNumber(name, clustered_rate(judge, prompts), clustered_rate(people, prompts), difference)


def pair_labels(done: JudgedRows, place: int | None, title: str) -> Iterator[PairLabel]:
    """Yield every pair that people and the judge have an opinion on; a ranking has a pair for each two."""
    for verdict in done.verdicts:
        item = verdict.item
        if item.kind == "pairwise":
            opinion = verdict.value if place is None else verdict.values[place]
            if not isinstance(opinion, NoVerdict):
                people = item.record.probability
                yield _label(item, (0, 1), 1.0 if people is None else people, opinion, title)
        elif item.kind == "ranking" and place is not None:
            found = verdict.found[place]
            ranks = found.ranks if isinstance(found, RankedResponses) else None
            if ranks is None or isinstance(ranks, NoVerdict):
                continue
            for i, j in combinations(range(len(ranks)), 2):
                people = _better(_rank(item, i), _rank(item, j))
                if people is not None:
                    yield _label(item, (i, j), people, _better(ranks[i], ranks[j]) or 0.0, title)


def _rank(item: JudgedItem, place: int) -> float | None:
    response = item.responses[place]
    return response.rank if response.rank is not None else None if response.score is None else -response.score


def _better(one: float | None, other: float | None) -> float | None:
    """Return 1 where the first rank is better, 0 where the second is, ½ where they are equal."""
    if one is None or other is None:
        return None
    return 0.5 if one == other else float(one < other)


def _label(item: JudgedItem, two: tuple[int, int], people: float, judge: float, title: str) -> PairLabel:
    texts = [item.responses[place].text for place in two]
    own = [int(_writer(item, place) == title) for place in two]
    return PairLabel(
        item.prompt,
        people,
        judge,
        len(texts[0]) - len(texts[1]),
        swapped=int(mark_of(sorted(texts)), 16) % 2 == int(texts[0] < texts[1]),
        own=own[0] - own[1],
    )


def _writer(item: JudgedItem, place: int) -> str | None:
    """Return the model that wrote a response, where the row says so."""
    side = "chosen" if place == 0 else "rejected"
    columns = item.record.columns
    named = columns.get(f"{side}_model") or columns.get(f"{side}-model")
    return item.responses[place].source or (named if isinstance(named, str) else None)


@dataclass(frozen=True, slots=True)
class ScoreLabel:
    """A response with its score by people, or their label, and by a judge from 0 to 1."""

    prompt: str
    score: float | None
    label: bool | None
    judge: float
    length: int


def score_labels(done: JudgedRows, place: int | None) -> Iterator[ScoreLabel]:
    for verdict in done.verdicts:
        item = verdict.item
        opinion = verdict.value if place is None else verdict.values[place]
        if item.kind not in ("axes", "rubric") or isinstance(opinion, NoVerdict):
            continue
        response = item.responses[0]
        if response.score is not None or response.label is not None:
            yield ScoreLabel(item.prompt, response.score, response.label, opinion, len(response.text))


def _of_scores(done: JudgedRows, scores: Sequence[ScoreLabel], title: str) -> AuditPart:
    numbers: list[AuditNumber] = []
    flags: list[Sentence] = []
    labelled = [each for each in scores if each.label is not None]
    if labelled:
        ratings = ([each.label for each in labelled], [each.judge >= 0.5 for each in labelled])
        found = cohen_kappa(*ratings, clusters=[each.prompt for each in labelled])
        numbers += [AuditNumber("label_kappa", found.coefficient), AuditNumber("label_agreement", found.raw)]
        flags += _constant(found, title)
    low, high = SCALES[done.recipe.scale]
    scored = [(each.score, each) for each in scores if each.score is not None and low <= each.score <= high]
    if len(scored) > FEW:
        pairs = [[score, low + each.judge * (high - low)] for score, each in scored]
        for scale in ("ordinal", "interval"):
            found = krippendorff_alpha(pairs, [each.prompt for _, each in scored], scale=scale)
            numbers.append(AuditNumber(f"score_alpha_{scale}", found.coefficient))
    if len(scores) > FEW:
        lengths = np.array([each.length for each in scores], dtype=float)
        judge = np.array([each.judge for each in scores])
        taste = _correlation(judge, lengths)
        numbers += [AuditNumber("score_length", taste)] if taste is not None else []
        if taste is not None and taste.low > 0.3:
            told = "{judge} favours length: its scores and the lengths of responses correlate at {value:.2f}"
            flags.append(message(told, judge=title, value=taste.estimate))
    return numbers, flags


def _correlation(one: np.ndarray, other: np.ndarray) -> Interval | None:
    estimate = spearman(one, other)
    if estimate is None:
        return None
    low, high = bootstrap_ends(
        (one, other), lambda x, y: spearman(x, y) or 0.0, seed=0, level=0.95, draws=500
    )
    return Interval(estimate, min(low, estimate), max(high, estimate), len(one))
