"""The card of a classifier: how often it is right on labelled rows, in English and in Chinese apart.

    card = refusal_card("reading")                     on the rows that ship with truing
    card.whole.accuracy()                              an Interval
    card.difference                                    accuracy in Chinese - in English, with its interval

The rows of `labelled/` were written after the rules and weights of `text/refusal*.py` were frozen, and
nothing was changed for them. The families and weights were made with those of `labelled/seen/` in sight.
A label says what a response declines of its request: `refused`, `partial` or `answered`. A classifier is
asked for one thing: is the response a refusal as a whole? A part that is helped with is a success of an
attack, so `partial` is no refusal. PyRIT's rows count an answer to another question as a refusal; for
them an answer off topic counts as one.
"""

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from truing.core.errors import DataError
from truing.core.languages import LANGUAGES, Language
from truing.core.messages import message
from truing.data.load import load_records
from truing.judges.opinions import NoVerdict
from truing.judges.pairwise import JudgedPair, Pairwise
from truing.stats.error_rates import ErrorCounts
from truing.stats.intervals import Interval, wilson
from truing.text.refusal import is_refusal
from truing.text.refusal_levels import Level, refusal_level
from truing.text.refusal_reading import read_refusal

LABELS = ("refused", "partial", "answered")


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A response to a prompt, and whether people say that it refuses as a whole."""

    prompt: str
    response: str
    refused: bool
    language: Language


RefusalClassifier = Callable[[str, str], bool]  # (prompt, response) -> refuses as a whole


def _reading(prompt: str, response: str) -> bool:
    return read_refusal(response, prompt).level is Level.FULL


def _reading_or_off_topic(prompt: str, response: str) -> bool:
    return bool(read_refusal(response, prompt).declines)


CLASSIFIERS: dict[str, RefusalClassifier] = {
    "reading": _reading,  # what red teaming uses
    "reading_or_off_topic": _reading_or_off_topic,  # PyRIT's question: it declines, or answers another
    "levels": lambda prompt, response: refusal_level(response) is Level.FULL,
    "phrases": lambda prompt, response: is_refusal(response),
}


@dataclass(frozen=True)
class RefusalCard:
    """The verdicts of a classifier beside labels, whole and by language."""

    classifier: str
    rows: str  # where the rows come from
    whole: ErrorCounts
    languages: Mapping[Language, ErrorCounts]

    @property
    def difference(self) -> Interval | None:
        """Return accuracy in Chinese less accuracy in English; None where a language has no rows."""
        if any(language not in self.languages for language in LANGUAGES):
            return None
        en, zh = (self.languages[language].accuracy() for language in LANGUAGES)
        return _difference(en, zh)


def _difference(first: Interval, second: Interval) -> Interval:
    """Return the second rate less the first, of different rows, with the interval of squares and adds.

    Source: method 10 of Newcombe 1998, Statistics in Medicine 17:873.
    """
    low = math.hypot(second.estimate - second.low, first.high - first.estimate)
    high = math.hypot(second.high - second.estimate, first.estimate - first.low)
    gap = second.estimate - first.estimate
    return Interval(gap, gap - low, gap + high, first.n + second.n)


def refusal_card(
    classifier: str, rows: Sequence[LabelledRow] | None = None, *, source: str = "truing"
) -> RefusalCard:
    """Measure a row of CLASSIFIERS on labelled rows (default: those that ship with truing)."""
    labelled = own_rows() if rows is None else rows
    judge = CLASSIFIERS[classifier]
    verdicts = [judge(row.prompt, row.response) for row in labelled]

    def counts(language: Language | None) -> ErrorCounts:
        places = [i for i, row in enumerate(labelled) if language in (None, row.language)]
        return ErrorCounts.of([verdicts[i] for i in places], [labelled[i].refused for i in places])

    spoken: list[Language] = [one for one in LANGUAGES if any(row.language == one for row in labelled)]
    return RefusalCard(classifier, source, counts(None), {language: counts(language) for language in spoken})


def own_rows(languages: Sequence[Language] = LANGUAGES, *, seen: bool = False) -> list[LabelledRow]:
    """Return the labelled rows that ship with truing; `seen`: those that the rules were made with.

    Raises DataError for a bad line.
    """
    found: list[LabelledRow] = []
    for language in languages:
        name = f"labelled/seen/{language}.jsonl" if seen else f"labelled/{language}.jsonl"
        lines = resources.files("truing.redteam").joinpath(name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            row = json.loads(line)
            if row["label"] not in LABELS:
                raise DataError(f"{name}:{number}: the label is {row['label']!r}, one of {', '.join(LABELS)}")
            refused = row["label"] == "refused"
            found.append(LabelledRow(row["prompt"], row["response"], refused, language))
    return found


def read_pyrit_rows(path: Path) -> list[LabelledRow]:
    """Read a file of PyRIT's scorer evaluations, whose `human_score` is 1 for a refusal.

    Lines that begin with # are comments. Raises DataError for another file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(message("{path} cannot be read: {error}", path=path, error=error)) from error
    first = next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))
    rows = list(csv.DictReader(lines[first:]))
    needed = {"objective", "assistant_response", "human_score"}
    if not rows or not needed <= set(rows[0]):
        raise DataError(
            message("{path} has no rows with {columns}", path=path, columns=", ".join(sorted(needed))),
            hint=message("give a file of PyRIT's scorer_evals, such as refusal.csv"),
        )
    return [
        LabelledRow(row["objective"], row["assistant_response"], float(row["human_score"]) >= 0.5, "en")
        for row in rows
    ]


@dataclass(frozen=True)
class RankingCard:
    """The share of people's preferences for the less harmful response that a judge shares."""

    agrees: Interval | None  # a tie counts for half; None without a verdict
    ties: int
    errors: int  # pairs without a verdict in both orders


def rank_pairs(judge: Pairwise, pairs: Sequence[JudgedPair]) -> RankingCard:
    """Ask a judge for each (prompt, preferred, other) in both orders."""
    opinions = [found.opinion for found in judge(pairs)]
    values = [one for one in opinions if not isinstance(one, NoVerdict)]
    agrees = wilson(sum(values), len(values)) if values else None
    return RankingCard(agrees, values.count(0.5), len(opinions) - len(values))


def read_preference_pairs(path: str) -> list[JudgedPair]:
    """Read (prompt, preferred, other) from preference rows in any format, such as HH-RLHF's."""
    records = [one for one in load_records([path]).records if len(one.responses) > 1]
    if not records:
        raise DataError(message("{path} has no row with a preferred and another response", path=path))
    return [(one.prompt, one.chosen.text, one.rejected.text) for one in records]
