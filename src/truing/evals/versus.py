"""Tasks that weigh one model's answers against another's, or by a reward model: `win_rate`, `reward`."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy import stats

from truing.core.errors import ConfigError, DataError
from truing.core.imports import closest
from truing.core.messages import message
from truing.core.options import check_options, keyword_options
from truing.evals import questions
from truing.evals.bench import Bench, Marks, Result, Scored, Task, score
from truing.evals.intervals import Interval
from truing.evals.numbers import Finding, Number, of_sides, whole
from truing.evals.sides import Answer
from truing.evals.speaker import Speaker
from truing.evals.win_rate import Judged, WinRate, alpaca_win_rate, from_alpaca
from truing.evals.win_rate import win_rate as win_rate_of
from truing.judges.cache import AnswerCache
from truing.judges.client import Asker, Endpoint, Judge, NoVerdict
from truing.judges.client import Question as JudgeQuestion
from truing.judges.local import LocalJudge
from truing.judges.pairwise import TEMPLATE, Pairwise, agreement, read_template
from truing.judges.pointwise import RUBRIC
from truing.losses.calibration import spearman
from truing.models.trained import load_trained
from truing.rewards import types
from truing.rewards.model import ModelReward, model_reward
from truing.sampling.decode import context_of
from truing.sampling.types import Finish, Sampling

Tokens = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]

WIN_RATE = (
    Number(
        "win_rate",
        "Win rate",
        "%",
        "higher",
        "How often the model's answer is preferred to that of the one it is held against; a tie is a half.",
    ),
    Number(
        "win_rate/length_controlled",
        "Win rate at equal length",
        "%",
        "higher",
        "The same as if no answer were longer than the other (arXiv:2404.04475).",
    ),
)


# Judges of a pair


@dataclass(frozen=True)
class Opinions:
    """Of each pair: 1 for the model, 0 for the other, a half for a tie, None where there is no verdict."""

    preferences: list[float | None]
    reasons: list[str]
    note: str


Compare = Callable[[Sequence[Answer], Sequence[Answer]], Opinions]  # of the model, of the other


def by_reward(*, path: Text) -> Compare:
    """A reward model: the higher score wins."""
    reward = model_reward(None, lambda line: None, path=path)

    def compare(ours: Sequence[Answer], theirs: Sequence[Answer]) -> Opinions:
        pairs = list(zip(scores_of(reward, ours), scores_of(reward, theirs), strict=True))
        preferences = [_preferred(a.values["reward"], b.values["reward"]) for a, b in pairs]
        reasons = [a.note or b.note or _shown(a) + " to " + _shown(b) for a, b in pairs]
        return Opinions(preferences, reasons, f"Decided by the reward model {path}.")

    return compare


def _preferred(ours: float | None, theirs: float | None) -> float | None:
    if ours is None or theirs is None:
        return None
    return 0.5 if ours == theirs else float(ours > theirs)


def _shown(marks: Marks) -> str:
    return f"{marks.values['reward']:.3g}"


def by_server(
    *,
    model: Text,
    rubric: Text | None = None,
    template: str | None = None,
    cache: str | None = None,
    **options: Any,
) -> Compare:
    """A language model behind an OpenAI-compatible address, asked in both orders; `options` of `Endpoint`."""
    endpoint = Endpoint(model=model, **options)
    return _asked(Judge(endpoint, _cache(cache)), rubric, template, model)


def by_local(
    *,
    path: Text,
    rubric: Text | None = None,
    template: str | None = None,
    cache: str | None = None,
    max_new_tokens: Tokens = 512,
) -> Compare:
    """A language model on this machine, asked greedily in both orders."""
    speaker = Speaker.of(load_trained(path))
    sampling = Sampling(max_new_tokens=max_new_tokens, logprobs=False)
    context = context_of(speaker.model)

    def fits(question: JudgeQuestion) -> bool:
        return context is None or len(speaker.prompt_ids(question)) < context

    def answer(asked: Sequence[JudgeQuestion]) -> list[str | None]:
        short = [question for question in asked if fits(question)]
        said = {short[one.prompt]: one for one in speaker.answer(short, sampling)} if short else {}
        return [
            None if (one := said.get(question)) is None or one.finish is Finish.LENGTH else one.text
            for question in asked
        ]

    judge = LocalJudge(f"{path}, greedy, {max_new_tokens} tokens", answer, _cache(cache))
    return _asked(judge, rubric, template, path)


def _cache(path: str | None) -> AnswerCache | None:
    return AnswerCache(Path(path)) if path else None


def _asked(judge: Asker, rubric: str | None, template: str | None, name: str) -> Compare:
    pairwise = Pairwise(
        judge,
        rubric or RUBRIC.read_text(encoding="utf-8"),
        read_template(Path(template) if template else TEMPLATE),
    )

    def compare(ours: Sequence[Answer], theirs: Sequence[Answer]) -> Opinions:
        pairs = zip(ours, theirs, strict=True)
        found = pairwise([(a.question.prompt, a.text, b.text) for a, b in pairs])
        opinions = [one.opinion for one in found]
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
            note,
        )

    return compare


JUDGES: dict[str, Callable[..., Compare]] = {"model": by_reward, "server": by_server, "local": by_local}


def judge_of(asked: Mapping[str, Any]) -> Callable[[], Compare]:
    """The judge that `{name: ..., options}` describes, opened when called. Raises ConfigError at once."""
    options = dict(asked)
    name = options.pop("name", None)
    if name not in JUDGES:
        raise ConfigError(
            f"no judge {name!r} of a win rate; known: {', '.join(JUDGES)}{closest(str(name), JUDGES)}",
            hint="judge: {name: model, path: runs/reward}",
        )
    takes = keyword_options(JUDGES[name])
    if name == "server":
        takes |= keyword_options(Endpoint)
    check_options(f"the judge {name!r}", takes, options)
    return partial(JUDGES[name], **options)


# The tasks


def win_rate(
    languages: Sequence[str],
    *,
    judge: Mapping[str, Any] | None = None,
    annotations: Text | None = None,
    rows: questions.Rows = (),
    max_new_tokens: Tokens = 160,
) -> Task:
    """The model's answers against those of the model it is held against; `judge` is a row of JUDGES.

    `annotations` names an `annotations.json` of AlpacaEval instead: nobody is asked again, and the rate is
    that of its `output_2`. Raises ConfigError unless one of the two is given.
    """
    if annotations is not None:
        if judge is not None or rows:
            raise ConfigError(
                "the task 'win_rate' has annotations, which say who was asked what by which judge",
                hint="leave out judge and rows, or annotations",
            )
        return Task(WIN_RATE, partial(_read_annotations, Path(annotations)))
    if judge is None:
        raise ConfigError(
            "the task 'win_rate' has no judge",
            hint="judge: {name: model, path: runs/reward}, or annotations: FILE of AlpacaEval",
        )
    opened = judge_of(judge)

    def run(bench: Bench) -> Result:
        asked = bench.ask(questions.from_rows(rows) or questions.ordinary(languages), max_new_tokens)
        ours, theirs = asked.answers
        opinions = opened()(ours, theirs)
        judged = [
            Judged(a.question.id, preference, len(a.text), len(b.text))
            for a, b, preference in zip(ours, theirs, opinions.preferences, strict=True)
        ]
        found = win_rate_of(judged, seed=bench.seed)
        turned = [None if one is None else 1 - one for one in opinions.preferences]
        marks = [
            [Marks({"win": one}, reason) for one, reason in zip(wins, opinions.reasons, strict=True)]
            for wins in (opinions.preferences, turned)
        ]
        return _rates(found, [Scored(asked.answers, marks)], opinions.note)

    return Task(WIN_RATE, run, needs_against=True)


def _rates(found: WinRate, scored: list[Scored], note: str) -> Result:
    findings = [Finding(WIN_RATE[0], found.raw, mean_of="win")]
    notes = [note]
    if found.length_controlled is not None:
        findings.append(Finding(WIN_RATE[1], whole(found.length_controlled.interval)))
    else:
        why = message(found.not_controlled)
        notes.append(message("No win rate at equal length: {reason}.", reason=why))
    return Result(findings, scored, notes)


def _read_annotations(path: Path, bench: Bench) -> Result:
    """The rates of a file of AlpacaEval, with what its own leaderboard would print in the note."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as annotations: {error}", hint="name AlpacaEval's annotations.json"
        ) from error
    if not isinstance(read, list) or not all(isinstance(row, dict) for row in read):
        raise DataError(f"{path} is no list of annotations", hint="name AlpacaEval's annotations.json")
    judged = from_alpaca(read)
    theirs = alpaca_win_rate(judged)
    note = message(
        "Read from {path}. As AlpacaEval counts: {rate:.2f} %, standard error {error:.2f}, "
        "discrete {discrete:.2f} %.",
        path=path,
        rate=theirs.win_rate,
        error=theirs.standard_error,
        discrete=theirs.discrete_win_rate,
    )
    return _rates(win_rate_of(judged, seed=bench.seed), [], note)


REWARD = (
    Number("reward", "Mean reward", "", "higher", "The reward model's mean score of the answers."),
    Number(
        "reward/length",
        "Reward and length",
        "",
        "near",
        "Rank correlation (Spearman) of an answer's score with its length in tokens.",
    ),
)


def reward(
    languages: Sequence[str], *, path: Text, rows: questions.Rows = (), max_new_tokens: Tokens = 160
) -> Task:
    """What a reward model says of the answers, and how far length explains it."""

    def run(bench: Bench) -> Result:
        model = model_reward(None, lambda line: None, path=path)
        asked = bench.ask(questions.from_rows(rows) or questions.ordinary(languages), max_new_tokens)
        scored = score(asked, lambda answers: scores_of(model, answers))
        lengths = [_length_correlation(*pair) for pair in zip(scored.answers, scored.marks, strict=True)]
        findings = [scored.finding(REWARD[0], "reward")]
        if all(one is not None for one in lengths):
            findings.append(of_sides(REWARD[1], [whole(one) for one in lengths if one is not None]))
        return Result(findings, [scored])

    return Task(REWARD, run)


def scores_of(model: ModelReward, answers: Sequence[Answer]) -> list[Marks]:
    outcomes = model([answer.question.item(answer.sample) for answer in answers])
    return [
        Marks({"reward": one.value}) if isinstance(one, types.Scored) else Marks({"reward": None}, one.reason)
        for one in outcomes
    ]


def _length_correlation(answers: Sequence[Answer], marks: Sequence[Marks]) -> Interval | None:
    """Spearman's rho with Fisher's interval; None without a spread.

    tanh(atanh(rho) ± z · 1.06/√(n - 3)), Fieller et al. 1957, Biometrika 44:470.
    """
    pairs = [
        (mark.values["reward"], len(answer.sample.tokens))
        for answer, mark in zip(answers, marks, strict=True)
        if mark.values["reward"] is not None
    ]
    rho = spearman(*np.array(pairs, dtype=float).T) if len(pairs) > 3 else None
    if rho is None or abs(rho) == 1:
        return None
    half = float(stats.norm.ppf(0.975)) * 1.06 / math.sqrt(len(pairs) - 3)
    centre = math.atanh(rho)
    return Interval(rho, math.tanh(centre - half), math.tanh(centre + half), len(pairs))
