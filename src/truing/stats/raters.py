"""Each person's votes: speed, position bias, gold accuracy, agreement with themselves and with the others.

Records are plain: what a person did with one item. `rater_reports` compares people with each other, so it
takes the votes of all of them.

    reports = rater_reports([RaterVote("ann", "q1", "first", seconds=4.2, shown_first=True), …])
    reports[0].position.estimate, reports[0].flags

A flag is a reason to talk with somebody, not a verdict: a fast person may be a good one.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy import stats  # pyright: ignore[reportMissingTypeStubs] - scipy has none

from truing.core.errors import DataError
from truing.core.messages import Sentence, message
from truing.stats.intervals import Interval, holm, wilson

ALPHA = 0.01  # of the test of a position bias, over all people by Holm's method
BIASED = 0.1  # the least distance from ½ that is worth a flag
GOLD = 0.7  # gold accuracy that a person should reach
STABLE = 0.7  # agreement with oneself that a person should reach
FAST = 1 / 3  # of the others' median time, below which a person is called fast
FEWEST_TIMES = 10  # votes with a time, below which nobody is called fast


@dataclass(frozen=True, slots=True)
class RaterVote:
    """A person's vote on an item. `answer` is anything that can be compared; None is not compared."""

    person: Hashable
    item: Hashable
    answer: Hashable | None
    seconds: float | None = None
    shown_first: bool | None = None  # whether the response shown first was chosen; None for no choice
    right: bool | None = None  # whether a gold item was answered as it is known to be; None for other items
    same: bool | None = None  # whether the second look gave the same answer; None where there was none

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 <= self.seconds < float("inf"):
            raise DataError(
                f"a vote of {self.person!r} took {self.seconds} seconds",
                hint="give the seconds from showing to voting, or None",
            )


@dataclass(frozen=True, slots=True)
class RaterReport:
    """A person's numbers, each None where nothing was measured, and what is worth a look."""

    person: Hashable
    votes: int
    seconds: float | None  # the median
    position: Interval | None  # share of choices that went to the response shown first; ½ without a bias
    position_p: float | None  # two-sided exact p of a share of ½, before the correction for many people
    gold: Interval | None  # share of gold items that were answered as is known
    self_agreement: Interval | None  # share of second looks with the same answer
    others: Interval | None  # share of items with the answer that most of the others gave
    flags: tuple[Sentence, ...]


def rater_reports(votes: Sequence[RaterVote], *, level: float = 0.95) -> list[RaterReport]:
    """Return the report of each person, in the order of their first votes.

    Intervals are Wilson's. The test of a position bias is the exact binomial test of ½, which holds where
    the order was drawn for each person and item, whatever the responses are. An item on which the others
    have no most frequent answer is left out of `others`.
    """
    by_person: dict[Hashable, list[RaterVote]] = defaultdict(list)
    by_item: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for vote in votes:
        by_person[vote.person].append(vote)
        by_item[vote.item][vote.answer] += 1
    tested = {person: _position_p(given) for person, given in by_person.items()}
    known = [person for person, p in tested.items() if p is not None]
    adjusted = dict(zip(known, holm([p for p in tested.values() if p is not None]), strict=True))
    times = {
        person: [v.seconds for v in given if v.seconds is not None] for person, given in by_person.items()
    }
    middles = {person: median(some) for person, some in times.items() if len(some) >= FEWEST_TIMES}
    reports: list[RaterReport] = []
    for person, given in by_person.items():
        position = _share([vote.shown_first for vote in given], level)
        gold = _share([vote.right for vote in given], level)
        again = _share([vote.same for vote in given], level)
        others = [middle for other, middle in middles.items() if other != person]
        flags = [
            _biased(position, adjusted.get(person)),
            _below(gold, GOLD, "known answers were met on {share} of {n} gold items"),
            _below(again, STABLE, "the second look agreed with the first on {share} of {n} items"),
            _fast(middles.get(person), others),
        ]
        reports.append(
            RaterReport(
                person,
                len(given),
                median(times[person]) if times[person] else None,
                position,
                tested[person],
                gold,
                again,
                _share([_with_others(vote, by_item[vote.item]) for vote in given], level),
                tuple(flag for flag in flags if flag is not None),
            )
        )
    return reports


def _share(found: Sequence[bool | None], level: float) -> Interval | None:
    """Return the share of True among what is known; None where nothing is."""
    known = [one for one in found if one is not None]
    return wilson(sum(known), len(known), level) if known else None


def _position_p(given: Sequence[RaterVote]) -> float | None:
    chosen = [vote.shown_first for vote in given if vote.shown_first is not None]
    if not chosen:
        return None
    return float(stats.binomtest(sum(chosen), len(chosen), 0.5).pvalue)  # pyright: ignore[reportUnknownMemberType]


def _with_others(vote: RaterVote, answers: Counter[Hashable]) -> bool | None:
    """Return whether a vote is the answer that most of the others gave; None where they have none."""
    if vote.answer is None:
        return None
    others = {answer: count - (answer == vote.answer) for answer, count in answers.items()}
    most = max(others.values())
    leading = [answer for answer, count in others.items() if count == most]
    return leading[0] == vote.answer if most and len(leading) == 1 else None


def _biased(position: Interval | None, p: float | None) -> Sentence | None:
    if position is None or p is None or p >= ALPHA or abs(position.estimate - 0.5) < BIASED:
        return None
    said = "the response shown first was chosen in {share} of {n} choices, half were expected"
    return message(said, share=f"{position.estimate:.0%}", n=position.n)


def _below(share: Interval | None, wanted: float, said: str) -> Sentence | None:
    """Tell of a share that lies below what is wanted even at the upper end of its interval."""
    if share is None or share.high >= wanted:
        return None
    return message(said, share=f"{share.estimate:.0%}", n=share.n)


def _fast(seconds: float | None, others: Sequence[float]) -> Sentence | None:
    if seconds is None or not others or seconds >= FAST * float(np.median(others)):
        return None
    said = "half of the votes took under {seconds:.1f} s; the others took {others:.1f} s"
    return message(said, seconds=seconds, others=float(np.median(others)))
