"""Judges of a pair of responses: a reward model, a language model behind an address, or one on this machine.

A function of one's own is named `module:function`. To add a judge, write a function of the folder in which
the judge may keep its answers, with its options as keyword-only arguments, and add a row to `JUDGES`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from truing.config.fields import NonEmpty, Tokens
from truing.config.imports import is_import
from truing.config.options import keyword_options
from truing.config.tables import bound
from truing.core.messages import message
from truing.core.records import Record
from truing.evals.bench import Marks
from truing.evals.notes import WEIGHED
from truing.evals.own_judge import own_judge
from truing.evals.sides import SampledResponse
from truing.judges.cache import ANSWERS, AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.opinions import NoVerdict, TickingAsker, counted
from truing.judges.pairwise import TEMPLATE, TURNED, Agreement, Pairwise, agreement, read_template
from truing.judges.pointwise import RUBRIC
from truing.judges.suspicion import suspicion_notes, suspicions
from truing.rewards import types
from truing.rewards.model import ModelReward, model_reward
from truing.sampling.roles import LocalRole, unseen
from truing.sampling.types import OnProgress
from truing.stats.intervals import wilson_bounds

AUTO = "auto"
LEANING = 0.65  # share of wins of the longer response above which a bias is reported, with the whole interval


@dataclass(frozen=True)
class Opinions:
    """A verdict for each pair: 1 for the model, 0 for the other model, 0.5 for a tie, None for no verdict."""

    preferences: list[float | None]
    reasons: list[str]
    notes: list[str]

    @property
    def first_reason(self) -> str:
        """The reason of the first pair that has no verdict."""
        pairs = zip(self.preferences, self.reasons, strict=True)
        return next((reason for preference, reason in pairs if preference is None), "")


class Compare(Protocol):
    """A judge of pairs: the responses of the model, those of the other model, in the same order."""

    def __call__(
        self,
        ours: Sequence[SampledResponse],
        theirs: Sequence[SampledResponse],
        progress: OnProgress = unseen,
    ) -> Opinions:
        """Return a verdict for each pair; `progress` is told of the answers so far and of all of them."""
        ...


@dataclass(frozen=True)
class RewardJudge:
    """A reward model as a judge: the higher score wins."""

    reward: ModelReward

    def __call__(
        self,
        ours: Sequence[SampledResponse],
        theirs: Sequence[SampledResponse],
        progress: OnProgress = unseen,
    ) -> Opinions:
        pairs = list(zip(scores_of(self.reward, ours), scores_of(self.reward, theirs), strict=True))
        preferences = [_preferred(a.values["reward"], b.values["reward"]) for a, b in pairs]
        reasons = [a.note or b.note or message(WEIGHED, ours=_shown(a), theirs=_shown(b)) for a, b in pairs]
        told = message("Decided by the reward model {path}.", path=self.reward.name)
        return Opinions(preferences, reasons, [told])


def by_reward(_folder: Path | None, *, path: NonEmpty) -> RewardJudge:
    """Open a reward model as a judge."""
    return RewardJudge(model_reward(None, lambda line: None, path=path))


def _preferred(ours: float | None, theirs: float | None) -> float | None:
    if ours is None or theirs is None:
        return None
    return 0.5 if ours == theirs else float(ours > theirs)


def _shown(marks: Marks) -> str:
    return f"{marks.values['reward']:.3g}"


def by_server(
    folder: Path | None,
    *,
    model: NonEmpty,
    rubric: NonEmpty | None = None,
    template: str | None = None,
    cache: str | None = AUTO,
    **options: Any,
) -> Compare:
    """Ask a language model behind an OpenAI-compatible address in both orders; `options` of `Endpoint`."""
    judge = Judge(Endpoint(model=model, **options), _cache(cache, folder))
    return _asked(judge, rubric, template, model, judge.notes)


def by_local(
    folder: Path | None,
    *,
    path: NonEmpty,
    rubric: NonEmpty | None = None,
    template: str | None = None,
    cache: str | None = AUTO,
    max_new_tokens: Tokens = 512,
) -> Compare:
    """Ask a language model on this machine in both orders, greedily."""
    return _asked(LocalRole(path, _cache(cache, folder), max_new_tokens), rubric, template, path)


def _cache(path: str | None, folder: Path | None) -> AnswerCache | None:
    """Open the file of a judge's answers, by default in the evaluation's folder; null keeps no answers."""
    if path == AUTO:
        return AnswerCache(folder / ANSWERS, failures=True) if folder is not None else None
    return AnswerCache(Path(path)) if path else None


def _asked(
    judge: TickingAsker,
    rubric: str | None,
    template: str | None,
    name: str,
    notes: Callable[[], Sequence[str]] = tuple,
) -> Compare:
    standard = rubric or RUBRIC.read_text(encoding="utf-8")
    asked = read_template(Path(template) if template else TEMPLATE)

    def compare(
        ours: Sequence[SampledResponse], theirs: Sequence[SampledResponse], progress: OnProgress = unseen
    ) -> Opinions:
        pairs = list(zip(ours, theirs, strict=True))
        both_orders = counted(judge, progress, 2 * sum(a.text != b.text for a, b in pairs))
        found = Pairwise(both_orders, standard, asked)(
            [(a.question.prompt, a.text, b.text) for a, b in pairs]
        )
        opinions = [one.probability for one in found]
        how = agreement(found)
        note = message(
            "Judged by {name} in both orders: {consistent} agreed, {ties} ties, "
            "{contradicting} contradicting, {equal} equal answers, {errors} errors.",
            name=name,
            **asdict(how),
        )
        return Opinions(
            [None if isinstance(one, NoVerdict) else one for one in opinions],
            [one.reason if isinstance(one, NoVerdict) else "" for one in opinions],
            [note, *_place_decides(name, how), *suspicion_notes(_speaking_to_it([*ours, *theirs])), *notes()],
        )

    return compare


def _speaking_to_it(responses: Sequence[SampledResponse]) -> list[str]:
    """Return the names of the questions whose responses speak to the judge."""
    return [one.question.id for one in responses if suspicions(one.text)]


def _place_decides(name: str, how: Agreement) -> list[str]:
    """Warn where a judge's verdicts change when the responses change places."""
    share = how.position_bias
    if share is None or share < TURNED:
        return []
    two = how.consistent + how.ties + how.contradicting
    told = (
        "Position bias: {name} contradicts itself in {n} of {two} comparisons when the answers change"
        " places; {first} times it names the first place twice, {second} times the second."
    )
    said = message(told, name=name, n=how.contradicting, two=two, first=how.first, second=how.second)
    if share <= 0.5:
        return [said]
    return [said, message("The win rate says little of the answers.")]


def length_decides(preferences: Sequence[float | None], gaps: Sequence[int]) -> list[str]:
    """Warn where the longer response wins, or loses, more often than quality explains.

    `gaps` are lengths of the model's responses minus those of the others.
    """
    found = zip(preferences, gaps, strict=True)
    pairs = [(one, gap) for one, gap in found if one is not None and one != 0.5 and gap]
    if not pairs:
        return []
    longer = sum((one > 0.5) == (gap > 0) for one, gap in pairs)
    kind, wins = ("longer", longer) if 2 * longer >= len(pairs) else ("shorter", len(pairs) - longer)
    low, high = wilson_bounds(wins / len(pairs), len(pairs), 0.95)
    if low < LEANING:
        return []
    told = (
        "Length bias: the {kind} answer wins {wins} of {n} comparisons ({low:.0%} to {high:.0%}), which may"
        " be the judge's taste for length; see the win rate at equal length."
    )
    return [message(told, kind=message(kind), wins=wins, n=len(pairs), low=low, high=high)]


JUDGES: dict[str, Callable[..., Compare]] = {"model": by_reward, "server": by_server, "local": by_local}


def by_function(name: str, options: Mapping[str, Any]) -> Compare:
    """Return a judge that asks a function of one's own once, in the order given; see `own_judge.py`."""
    judge = own_judge(name, options)

    def compare(
        ours: Sequence[SampledResponse], theirs: Sequence[SampledResponse], progress: OnProgress = unseen
    ) -> Opinions:
        texts = ([one.text for one in side] for side in (ours, theirs))
        found = judge([one.question.prompt for one in ours], *texts)
        return Opinions(found, ["" for _ in found], [message("Decided by the function {name}.", name=name)])

    return compare


def judge_of(asked: str | Mapping[str, Any]) -> Callable[[Path | None], Compare]:
    """Return the judge that a name or `{name: ..., options}` describes; calling it with a folder opens it.

    Raises ConfigError for a wrong name or option now, not when the judge is opened.
    """
    options = {"name": asked} if isinstance(asked, str) else dict(asked)
    name = options.pop("name", None)
    if isinstance(name, str) and is_import(name):
        compare = by_function(name, options)
        return lambda folder: compare
    of_endpoint = keyword_options(Endpoint) if name == "server" else {}
    return bound(
        "judge", JUDGES, name, options, also=of_endpoint, hint="judge: {name: model, path: runs/reward}"
    )


def scores_of(model: ModelReward, responses: Sequence[SampledResponse]) -> list[Marks]:
    """Return the score of each response, or the reason of none; equal ones to a prompt are scored once."""
    said = [(response.question.asked, response.text) for response in responses]
    different: dict[tuple[Record, str], SampledResponse] = {}
    for key, response in zip(said, responses, strict=True):
        different.setdefault(key, response)
    outcomes = model([response.question.item(response.sample) for response in different.values()])
    found = dict(zip(different, map(_marked, outcomes), strict=True))
    return [found[key] for key in said]


def _marked(outcome: types.RewardOutcome) -> Marks:
    if isinstance(outcome, types.ScoredItem):
        return Marks({"reward": outcome.value})
    return Marks({"reward": None}, outcome.reason)
