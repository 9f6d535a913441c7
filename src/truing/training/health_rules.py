"""Signs that a run goes wrong, as rules over its metrics.

    "chosen fell from -31.9 to -66.5 nats while the margin grew from 0.2 to 12"    likelihood_displacement

A rule is a function of a `History`; its keyword-only arguments are thresholds that a recipe may set, and it
returns what it saw or None. It says nothing where its metrics are absent. To add one: a function here or
in `health_online.py`, a row in the table of `health.py`, a planted fault in `tests/training/test_planted.py`.
These are the rules of offline training.
"""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from truing.core.messages import Sentence, message
from truing.training.health_series import RECENT, TAIL, Change, History, Series, noise

# Metrics of the better and the worse side, as preference methods and unpaired methods name them.
SIDES = (("chosen", "rejected"), ("desirable", "undesirable"))
LN2 = math.log(2)


@dataclass(frozen=True)
class SaidPart:
    """A part of a sentence with its numbers apart, so that a page can say it in another language."""

    text: str
    values: Mapping[str, float | str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text.format(**self.values)

    def message(self) -> Sentence:
        """Return the part as a message; a value that is text is a message too, and may be translated."""
        values = {name: message(v) if isinstance(v, str) else v for name, v in self.values.items()}
        return message(self.text, **values)


def part(text: str, /, **values: float | str) -> SaidPart:
    """A part of a sentence; `text` holds a placeholder for each of `values`."""
    return SaidPart(text, values)


@dataclass(frozen=True)
class Seen:
    """The step at which something began, and what a rule saw of it."""

    since: int
    told: tuple[SaidPart, ...]


def not_a_number(history: History, *, steps: int = 3) -> Seen | None:
    """A loss is NaN or infinite, or a gradient or a log-probability has been so for `steps` steps.

    A single infinite gradient norm is normal: training in 16 bits skips such a step. Some toolkits log a loss
    of exactly 0 in place of NaN: `steps` such steps count, unless all pairs are ranked right.
    """
    for name, lost in history.lost.items():
        last = history.of(name).steps[-1:] or [0]
        newest = [step for step in lost if step > last[0]]
        loss = name == "loss" or name.endswith("/loss")
        if loss or (name.startswith(("grad_norm", "logps/")) and len(newest) >= steps):
            since = lost[0] if loss else newest[0]
            return Seen(since, (part("{name} is no number from step {since} on", name=name, since=since),))
    losses = history.of("loss")
    zeros = losses.recent(steps)
    ranked = history.of("rewards/accuracies") or history.of("accuracy")
    if len(losses) <= steps or any(zeros) or len(history.of("reward")) or ranked.recent(1) > [0.99]:
        return None
    first = next(place for place in range(len(losses) - 1, -1, -1) if place == 0 or losses.values[place - 1])
    if first == 0:
        return None
    said = "the loss is exactly 0 from step {since} on, which some toolkits log in place of NaN"
    return Seen(losses.steps[first], (part(said, since=losses.steps[first]),))


def likelihood_displacement(
    history: History, *, share: float = 0.25, nats: float = 3.0, anyhow: float = 1.0, sigmas: float = 3.0
) -> Seen | None:
    """The better response loses likelihood while its lead over the worse one grows: arXiv:2410.08847.

    The response has lost `share` of its first log-probability, and `nats` at least. Its log-probability, its
    reward and the margin have all moved by `sigmas` standard errors. Once it has lost the share `anyhow`, the
    margin is not looked at.
    """
    for better, worse in SIDES:
        rewards = history.of(f"rewards/{better}")
        fell, paid = history.of(f"logps/{better}").change(), rewards.change()
        other = history.of(f"rewards/{worse}").change()
        grew = history.of("rewards/margins").change() or (paid and other and _lead(paid, other))
        if fell is None or paid is None or grew is None:
            continue
        lost = fell.moved < -max(nats, share * abs(fell.before)) and fell.sigmas < -sigmas
        known = grew.sigmas > sigmas or fell.moved < -anyhow * abs(fell.before)
        if lost and known and paid.now < 0 and paid.sigmas < -sigmas:
            since = rewards.since(paid.before - sigmas * paid.error, above=False)
            said = part(
                "the log-probability of {better} responses fell from {before:.3g} to {now:.3g} nats"
                " while their lead in reward went from {lead:.3g} to {lead_now:.3g}",
                better=better,
                before=fell.before,
                now=fell.now,
                lead=grew.before,
                lead_now=grew.now,
            )
            return Seen(since, (said,))
    return None


def _lead(better: Change, worse: Change) -> Change:
    """Return the change of the difference between two metrics."""
    error = math.hypot(better.error, worse.error)
    return Change(better.before - worse.before, better.now - worse.now, error)


def loss_spikes(
    history: History,
    *,
    sigmas: float = 8.0,
    share: float = 0.25,
    times: int = 3,
    within: int = 20,
    once: float = 50.0,
) -> Seen | None:
    """The loss leaps, or stays above where it began.

    A spike is `sigmas` times its noise above the median of the values before it, and by at least `share`
    of the loss of step 1; `times` of the newest `within` steps are spikes. A single one is enough where the
    loss is `once` times that median, and above the loss of step 1. The loss of a policy gradient is left out:
    its size does not tell how training goes.
    """
    losses = _losses(history)
    if len(losses) <= RECENT or len(history.of("reward")):
        return None
    start = losses.values[0]
    least = share * abs(start)
    above = losses.now() - start
    if above > max(least, 4 * noise(losses.values[-TAIL:])) and min(losses.recent()) > start:
        since = losses.since(start + least, above=True)
        said = "the loss began at {start:.3g} and has stayed above it, at {now:.3g}"
        return Seen(since, (part(said, start=start, now=losses.now()),))
    before = statistics.median(losses.values[-51:-1])
    if losses.values[-1] > max(once * abs(before), start):
        said = "the loss leapt to {now:.3g}; before it was near {usual:.3g}"
        return Seen(losses.steps[-1], (part(said, now=losses.values[-1], usual=before),))
    found = [
        place
        for place in range(max(RECENT, len(losses) - within), len(losses))
        if _leaps(losses.values, place, sigmas, least)
    ]
    if len(found) < times or found[-1] != len(losses) - 1:
        return None
    worst = max(losses.values[place] for place in found)
    usual = statistics.median(losses.recent(within))
    said = "{n} of the last {within} losses leap, up to {worst:.3g}; most are near {usual:.3g}"
    told = part(said, n=len(found), within=within, worst=worst, usual=usual)
    return Seen(losses.steps[found[0]], (told,))


def _losses(history: History) -> Series:
    """Return the loss without added terms where that is logged: a term may be switched on half-way."""
    return history.of("pair_loss") or history.of("loss")


def _leaps(values: list[float], place: int, sigmas: float, least: float) -> bool:
    before = values[max(0, place - 50) : place]
    return values[place] - statistics.median(before) > max(sigmas * noise(before), least)


def stuck_at_ln2(history: History, *, steps: int = 20, width: float = 0.02) -> Seen | None:
    """A pairwise loss stays at ln 2, where both sides of every pair are equally likely.

    All of the newest `steps` after the warm-up are within `width` of it, and their mean margin is within two
    standard errors of 0.
    """
    losses = _losses(history)
    margins = history.of("rewards/margins") or history.of("margin")
    learnt = len(losses) - _warm_up(history.of("learning_rate"))
    if min(learnt, len(margins)) < steps or max(abs(loss - LN2) for loss in losses.recent(steps)) > width:
        return None
    newest = margins.recent(steps)
    mean = statistics.fmean(newest)
    if abs(mean) > 2 * statistics.pstdev(newest) / math.sqrt(steps) + 1e-6:
        return None
    said = "for {n} steps the loss has been near ln 2 ({loss:.4f}), the margin {mean:.2g}"
    return Seen(losses.steps[-learnt], (part(said, n=learnt, loss=losses.now(steps), mean=mean),))


def _warm_up(rates: Series) -> int:
    """Count the steps over which the learning rate rose; 0 where it is not logged."""
    pairs = zip(rates.values, rates.values[1:], strict=False)
    return next((place for place, (a, b) in enumerate(pairs, 1) if b <= a), len(rates))


def label_noise(
    history: History, *, learnt: float = 0.85, guess: float = 0.6, evaluations: int = 3, sigmas: float = 4.0
) -> Seen | None:
    """Pairs are learnt by heart, or against the labels.

    Training accuracy is `learnt` or more while the last `evaluations` on held-out pairs have a median of
    `guess` at most; or it has been below one half by `sigmas` standard errors.
    """
    for name in ("rewards/accuracies", "accuracy"):
        train, held = history.of(name), history.of(f"eval/{name}")
        if len(train) < RECENT:
            continue
        told = held.recent(evaluations)
        if len(told) == evaluations and statistics.median(told) <= guess and train.now() >= learnt:
            since = train.since(learnt, above=True)
            said = "{share:.0%} of training pairs are ranked right, but {held:.0%} of held-out ones"
            return Seen(since, (part(said, share=train.now(), held=told[-1]),))
        newest = train.recent(3 * RECENT)
        if len(newest) == 3 * RECENT:
            mean, error = statistics.fmean(newest), statistics.pstdev(newest) / math.sqrt(len(newest))
            if mean < 0.45 and mean + sigmas * error < 0.5:
                said = "{mean:.0%} of training pairs are ranked right, fewer than by chance"
                return Seen(train.since(0.5, above=False), (part(said, mean=mean),))
    return None
