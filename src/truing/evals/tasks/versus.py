"""Tasks that compare responses of two models, or score them with a reward model: `win_rate`, `reward`."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from truing.config.fields import NonEmpty, Portion, Tokens
from truing.core.errors import ConfigError, DataError
from truing.core.messages import message
from truing.evals import questions
from truing.evals.bench import Bench, Marks, ScoredResponses, Task, TaskResult, score
from truing.evals.numbers import Number, NumberFinding, of_sides, whole
from truing.evals.pair_judges import judge_of, length_decides, scores_of
from truing.evals.sides import SampledResponse
from truing.rewards.model import model_reward
from truing.stats.calibration import spearman
from truing.stats.intervals import Interval
from truing.stats.win_rate import Judged, WinRate, alpaca_win_rate, from_alpaca
from truing.stats.win_rate import win_rate as win_rate_of

MAX_ERRORS = 0.1

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


# The tasks


def win_rate(
    languages: Sequence[str],
    *,
    judge: str | Mapping[str, Any] | None = None,
    annotations: NonEmpty | None = None,
    rows: questions.RowFiles = (),
    max_new_tokens: Tokens = 160,
    max_errors: Portion = MAX_ERRORS,
) -> Task:
    """Judge the model's responses against those of the other model; `judge` is a row of JUDGES.

    `annotations` names an `annotations.json` of AlpacaEval in place of a judge: no model is asked, and the
    rate is that of the file's `output_2`. Raises ConfigError unless one of `judge` and `annotations` is
    given. Where more than the share `max_errors` of the comparisons has no verdict, the result is void.
    """
    if annotations is not None:
        if judge is not None or rows:
            raise ConfigError(
                message("the task 'win_rate' has annotations, which say who was asked what by which judge"),
                hint=message("leave out judge and rows, or annotations"),
            )
        return Task(WIN_RATE, partial(_read_annotations, Path(annotations), max_errors))
    if judge is None:
        raise ConfigError(
            message("the task 'win_rate' has no judge"),
            hint=message(
                "judge: {example}, or annotations: FILE of AlpacaEval",
                example="{name: model, path: runs/reward}",
            ),
        )
    opened = judge_of(judge)

    def run(bench: Bench) -> TaskResult:
        asked = bench.ask(questions.from_rows(rows) or questions.ordinary(languages), max_new_tokens)
        ours, theirs = asked.responses
        watched = partial(bench.watch, message("comparing"))
        opinions = opened(bench.folder)(ours, theirs, watched)
        judged = [
            Judged(a.question.id, preference, len(a.text), len(b.text))
            for a, b, preference in zip(ours, theirs, opinions.preferences, strict=True)
        ]
        turned = [None if one is None else 1 - one for one in opinions.preferences]
        marks = [
            [Marks({"win": one}, reason) for one, reason in zip(wins, opinions.reasons, strict=True)]
            for wins in (opinions.preferences, turned)
        ]
        scored = [ScoredResponses(asked.responses, marks)]
        lengths = [row.length - row.baseline_length for row in judged]
        notes = [*opinions.notes, *length_decides(opinions.preferences, lengths)]
        if void := too_many_errors(opinions.preferences, max_errors, opinions.first_reason):
            return TaskResult([], scored, notes, void)
        return _rates(win_rate_of(judged, seed=bench.seed), scored, notes)

    return Task(WIN_RATE, run, needs_against=True)


def too_many_errors(values: Sequence[float | None], most: float, reason: str) -> str:
    """Say why a result of these values is void; empty where few enough values are missing."""
    missing = sum(value is None for value in values)
    if missing <= most * len(values):
        return ""
    said = "{missing} of {n} answers have no verdict, and at most {most:.0%} may lack one"
    told = message(said, missing=missing, n=len(values), most=most)
    return message("{what}; the first: {reason}", what=told, reason=reason) if reason else told


def _rates(found: WinRate, scored: list[ScoredResponses], said: Sequence[str]) -> TaskResult:
    findings = [NumberFinding(WIN_RATE[0], found.raw, mean_of="win")]
    notes = [*said]
    if found.length_controlled is not None:
        findings.append(NumberFinding(WIN_RATE[1], whole(found.length_controlled.interval)))
    else:
        why = message(found.not_controlled)
        notes.append(message("No win rate at equal length: {reason}.", reason=why))
    return TaskResult(findings, scored, notes)


def _read_annotations(path: Path, max_errors: float, bench: Bench) -> TaskResult:
    """Read the rates of a file of AlpacaEval; the note holds the numbers that its own leaderboard prints."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        said = "{path} cannot be read as annotations: {why}"
        raise DataError(
            message(said, path=path, why=error), hint=message("name AlpacaEval's annotations.json")
        ) from error
    if not isinstance(read, list) or not all(isinstance(row, dict) for row in read):
        raise DataError(
            message("{path} is no list of annotations", path=path),
            hint=message("name AlpacaEval's annotations.json"),
        )
    judged = from_alpaca(read)
    if void := too_many_errors([row.preference for row in judged], max_errors, ""):
        return TaskResult([], [], [], void)
    theirs = alpaca_win_rate(judged)
    note = message(
        "Read from {path}. As AlpacaEval counts: {rate:.2f} %, standard error {error:.2f}, "
        "discrete {discrete:.2f} %.",
        path=path,
        rate=theirs.win_rate,
        error=theirs.standard_error,
        discrete=theirs.discrete_win_rate,
    )
    return _rates(win_rate_of(judged, seed=bench.seed), [], [note])


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
    languages: Sequence[str],
    *,
    path: NonEmpty,
    rows: questions.RowFiles = (),
    max_new_tokens: Tokens = 160,
    max_errors: Portion = MAX_ERRORS,
) -> Task:
    """Measure a reward model's scores of the responses, and their correlation with length.

    Where the model cannot score more than the share `max_errors` of the responses, the result is void.
    """

    def run(bench: Bench) -> TaskResult:
        model = model_reward(None, lambda line: None, path=path)
        asked = bench.ask(questions.from_rows(rows) or questions.ordinary(languages), max_new_tokens)
        scored = score(asked, lambda responses: scores_of(model, responses))
        marks = [mark for side in scored.marks for mark in side]
        reason = next((mark.note for mark in marks if mark.values["reward"] is None), "")
        if void := too_many_errors([mark.values["reward"] for mark in marks], max_errors, reason):
            return TaskResult([], [scored], [], void)
        lengths = [_length_correlation(*pair) for pair in zip(scored.responses, scored.marks, strict=True)]
        findings = [scored.finding(REWARD[0], "reward")]
        if all(one is not None for one in lengths):
            findings.append(of_sides(REWARD[1], [whole(one) for one in lengths if one is not None]))
        return TaskResult(findings, [scored])

    return Task(REWARD, run)


def _length_correlation(responses: Sequence[SampledResponse], marks: Sequence[Marks]) -> Interval | None:
    """Return Spearman's rho with Fisher's interval; None without a spread.

    tanh(atanh(rho) ± z · 1.06/√(n - 3)), Fieller et al. 1957, Biometrika 44:470.
    """
    pairs = [
        (mark.values["reward"], len(response.sample.tokens))
        for response, mark in zip(responses, marks, strict=True)
        if mark.values["reward"] is not None
    ]
    rho = spearman(*np.array(pairs, dtype=float).T) if len(pairs) > 3 else None
    if rho is None or abs(rho) == 1:
        return None
    half = float(stats.norm.ppf(0.975)) * 1.06 / math.sqrt(len(pairs) - 3)
    centre = math.atanh(rho)
    return Interval(rho, math.tanh(centre - half), math.tanh(centre + half), len(pairs))
